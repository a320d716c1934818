"""Lets the reference show every option of the verbs.

griffe reads the code without running it, and a verb gets its signature and its
docstring, completed with the options, when it is defined.
"""

import importlib
import inspect
from typing import Any

import griffe

_HOLDERS = {"mellea.stdlib.functional", "mellea.stdlib.session.session.MelleaSession"}
_KINDS = {
    inspect.Parameter.POSITIONAL_OR_KEYWORD: griffe.ParameterKind.positional_or_keyword,
    inspect.Parameter.KEYWORD_ONLY: griffe.ParameterKind.keyword_only,
}


class VerbSignatures(griffe.Extension):
    """Gives each verb the signature and docstring that it has when it is imported."""

    def on_module(self, *, mod: griffe.Module, **kwargs: Any) -> None:
        """Show the verbs of the functional module."""
        if mod.path in _HOLDERS:
            self._show(mod, importlib.import_module(mod.path))

    def on_class(self, *, cls: griffe.Class, **kwargs: Any) -> None:
        """Show the verbs of a session."""
        if cls.path in _HOLDERS:
            module, _, name = cls.path.rpartition(".")
            self._show(cls, getattr(importlib.import_module(module), name))

    def _show(self, holder: Any, imported: Any) -> None:
        for name, verb in vars(imported).items():
            if hasattr(verb, "__signature__"):
                holder.set_member(name, _as_function(name, verb, holder))


def _as_function(name: str, verb: Any, holder: Any) -> griffe.Function:
    signature = inspect.signature(verb)
    parameters = [
        griffe.Parameter(
            parameter.name,
            annotation=None
            if parameter.annotation is parameter.empty
            else parameter.annotation,
            kind=_KINDS[parameter.kind],
            default=None
            if parameter.default is parameter.empty
            else repr(parameter.default),
        )
        for parameter in signature.parameters.values()
    ]
    function = griffe.Function(
        name,
        parameters=griffe.Parameters(*parameters),
        returns=signature.return_annotation,
        docstring=griffe.Docstring(inspect.getdoc(verb) or "", parser="google"),
        parent=holder,
    )
    if inspect.iscoroutinefunction(verb):
        function.labels.add("async")
    return function
