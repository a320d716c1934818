"""Tools under the names that programs of the 0.8 line import."""

from mellea._lazy import lazy_names

_TOOLS = "mellea.stdlib.tools.mellea_tool"
_OF_OLD = "mellea.stdlib.tools._of_old"

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "CODE_FIELD_PRIORITY": _OF_OLD,
        "MelleaTool": _TOOLS,
        "add_tools_from_context_actions": _OF_OLD,
        "add_tools_from_model_options": _OF_OLD,
        "convert_tools_to_json": _OF_OLD,
        "get_code_field_from_schema": _OF_OLD,
        "json_extraction": _OF_OLD,
        "parse_tools": _OF_OLD,
        "tool": _TOOLS,
        "validate_tool_arguments": _OF_OLD,
    },
)
