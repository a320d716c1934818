"""What is documented for programs of the 0.8 line and is not built here: what to do instead.

Consulted only when a name or a module of the package is not found, so that it costs nothing otherwise. An
entry goes when what it names is built.
"""

from __future__ import annotations

__all__ = ["PlannedNameError", "refuse_absent"]


class PlannedNameError(ImportError):
    """A name of the 0.8 line that is not here, or not yet."""


_MODULES: dict[str, str] = {}

_NAMES = {
    "mellea.backends.bedrock": {
        "create_bedrock_mantle_backend": "retired. Use create_bedrock_openai_backend, which takes the same"
    },
    "mellea.backends.watsonx": {
        "WatsonxAIBackend": "retired. Use LiteLLMBackend with a model id that begins with watsonx/"
    },
}


def refuse_absent(module: str, name: str | None = None) -> None:
    """Say of a module, or of a name in it, what to do instead, if it is one of the 0.8 line.

    Raises:
        PlannedNameError: (an ImportError) It is one.
    """
    if name is not None:
        why = _NAMES.get(module, {}).get(name)
        asked = f"{module}.{name}"
    else:
        parts = module.split(".")
        above = (".".join(parts[:end]) for end in range(len(parts), 1, -1))
        why = next((_MODULES[path] for path in above if path in _MODULES), None)
        asked = module
    if why is not None:
        raise PlannedNameError(f"{asked} is not in this release: {why}.", name=asked)
