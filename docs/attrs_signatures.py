"""Lets the reference show what attrs classes are made with.

griffe reads the code, and attrs writes ``__init__`` only when the code runs.
"""

from typing import Any

import griffe

_KINDS = griffe.ParameterKind
_MADE = {"attrs.frozen", "attrs.define"}


class AttrsSignatures(griffe.Extension):
    """Gives each attrs class the ``__init__`` that attrs will write."""

    def on_class(self, *, cls: griffe.Class, **kwargs: Any) -> None:
        """Add the parameters, unless the class has an ``__init__`` of its own."""
        made = [
            decorator
            for decorator in cls.decorators
            if decorator.callable_path in _MADE
        ]
        if not made or "__init__" in cls.members:
            return
        only_by_name = "kw_only=True" in str(made[0].value)
        fields = [
            self._parameter(member, only_by_name=only_by_name)
            for member in cls.members.values()
            if _is_field(member)
        ]
        init = griffe.Function(
            "__init__", parameters=griffe.Parameters(*fields), parent=cls
        )
        cls.set_member("__init__", init)

    def _parameter(
        self, field: griffe.Attribute, *, only_by_name: bool
    ) -> griffe.Parameter:
        """Return the parameter of a field, with the default of its ``field(...)``."""
        default: Any = field.value
        if isinstance(default, griffe.ExprCall) and str(default.function) == "field":
            said = {
                str(item.name): item.value
                for item in default.arguments
                if isinstance(item, griffe.ExprKeyword)
            }
            only_by_name = only_by_name or str(said.get("kw_only")) == "True"
            default = said.get(
                "default", f"{said['factory']}()" if "factory" in said else None
            )
        kind = _KINDS.keyword_only if only_by_name else _KINDS.positional_or_keyword
        return griffe.Parameter(
            field.name, annotation=field.annotation, kind=kind, default=default
        )


def _is_field(member: Any) -> bool:
    return bool(
        member.is_attribute
        and member.annotation is not None
        and "ClassVar" not in str(member.annotation)
    )
