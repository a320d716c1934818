"""Requirements: what outputs must respect."""

from typing import TYPE_CHECKING

from mellea._lazy import lazy_names

if TYPE_CHECKING:
    from mellea.core.requirement import (
        PartialValidationResult,
        Requirement,
        ValidationResult,
        default_output_to_bool,
    )
    from mellea.stdlib.requirements.adapted import ALoraRequirement
    from mellea.stdlib.requirements.grades import GradedRequirement, graded
    from mellea.stdlib.requirements.rag import GroundednessRequirement
    from mellea.stdlib.requirements.requirement import LLMaJRequirement, check, req, reqify, simple_validate
    from mellea.stdlib.requirements.structure import (
        as_markdown_list,
        fits_schema,
        is_json,
        is_markdown_list,
        is_markdown_table,
    )
    from mellea.stdlib.requirements.text import (
        avoids,
        character_count,
        contains,
        matches,
        one_of,
        sentence_count,
        word_count,
    )
    from mellea.stdlib.requirements.tool_reqs import tool_arg_validator, tool_result_validator, uses_tool
    from mellea.stdlib.requirements.validate import validate_all
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "ALoraRequirement": "mellea.stdlib.requirements.adapted",
            "GradedRequirement": "mellea.stdlib.requirements.grades",
            "GroundednessRequirement": "mellea.stdlib.requirements.rag",
            "LLMaJRequirement": "mellea.stdlib.requirements.requirement",
            "PartialValidationResult": "mellea.core.requirement",
            "Requirement": "mellea.core.requirement",
            "ValidationResult": "mellea.core.requirement",
            "as_markdown_list": "mellea.stdlib.requirements.structure",
            "avoids": "mellea.stdlib.requirements.text",
            "character_count": "mellea.stdlib.requirements.text",
            "check": "mellea.stdlib.requirements.requirement",
            "contains": "mellea.stdlib.requirements.text",
            "default_output_to_bool": "mellea.core.requirement",
            "fits_schema": "mellea.stdlib.requirements.structure",
            "graded": "mellea.stdlib.requirements.grades",
            "is_json": "mellea.stdlib.requirements.structure",
            "is_markdown_list": "mellea.stdlib.requirements.structure",
            "is_markdown_table": "mellea.stdlib.requirements.structure",
            "matches": "mellea.stdlib.requirements.text",
            "one_of": "mellea.stdlib.requirements.text",
            "req": "mellea.stdlib.requirements.requirement",
            "reqify": "mellea.stdlib.requirements.requirement",
            "sentence_count": "mellea.stdlib.requirements.text",
            "simple_validate": "mellea.stdlib.requirements.requirement",
            "tool_arg_validator": "mellea.stdlib.requirements.tool_reqs",
            "tool_result_validator": "mellea.stdlib.requirements.tool_reqs",
            "uses_tool": "mellea.stdlib.requirements.tool_reqs",
            "validate_all": "mellea.stdlib.requirements.validate",
            "word_count": "mellea.stdlib.requirements.text",
        },
    )

__all__ = [
    "ALoraRequirement",
    "GradedRequirement",
    "GroundednessRequirement",
    "LLMaJRequirement",
    "PartialValidationResult",
    "Requirement",
    "ValidationResult",
    "as_markdown_list",
    "avoids",
    "character_count",
    "check",
    "contains",
    "default_output_to_bool",
    "fits_schema",
    "graded",
    "is_json",
    "is_markdown_list",
    "is_markdown_table",
    "matches",
    "one_of",
    "req",
    "reqify",
    "sentence_count",
    "simple_validate",
    "tool_arg_validator",
    "tool_result_validator",
    "uses_tool",
    "validate_all",
    "word_count",
]
