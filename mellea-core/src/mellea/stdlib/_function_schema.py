"""attrs classes among what functions take and return.

pydantic makes the schemas and reads the values. What it does not know are attrs classes: each one is given a
pydantic model with the same fields, from which the instance is made.
"""

from __future__ import annotations

import functools
import operator
import types
import typing
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, ForwardRef, Literal, Union, get_args, get_origin

import attrs

from mellea.stdlib._annotations import resolve_annotations

if TYPE_CHECKING:
    from pydantic import BaseModel

__all__ = ["AttrsModels"]


class AttrsModels:
    """The pydantic models that stand for the attrs classes within one type, recursive ones included."""

    def __init__(self) -> None:
        self._models: dict[type, type[BaseModel]] = {}
        self._names: dict[type, str] = {}

    def within(self, annotation: Any) -> Any:
        """Return the annotation with every attrs class replaced by what pydantic can read it from."""
        _replace(annotation, self._reference)
        made: set[type] = set()
        while missing := [cls for cls in self._names if cls not in made]:
            for cls in missing:
                self._models[cls] = self._model(cls)
            made.update(missing)
        namespace = {name: self._models[cls] for cls, name in self._names.items()}
        for model in self._models.values():
            model.model_rebuild(_types_namespace=namespace)
        return _replace(annotation, self._models.__getitem__)

    def _reference(self, cls: type) -> ForwardRef:
        return ForwardRef(self._names.setdefault(cls, f"attrs_class_{len(self._names)}"))

    def _model(self, cls: type) -> type[BaseModel]:
        """Return the model of one class.

        Its fields have neutral names: a field may be called as a method of pydantic is.
        """
        from pydantic import ConfigDict, Field, create_model  # noqa: PLC0415

        hints = resolve_annotations(cls, {cls.__name__: cls})
        fields: dict[str, Any] = {}
        for index, attribute in enumerate(attrs.fields(cls)):
            if attribute.init:
                required = attribute.default is attrs.NOTHING
                told = (
                    Field(alias=attribute.alias)
                    if required
                    else Field(alias=attribute.alias, default_factory=lambda: None)
                )
                fields[f"field_{index}"] = (_replace(hints.get(attribute.name, Any), self._reference), told)
        return create_model(
            cls.__name__, __config__=ConfigDict(extra="forbid"), __doc__=cls.__doc__, **fields
        )


def _replace(annotation: Any, reference: Callable[[type], Any]) -> Any:
    from pydantic import AfterValidator  # noqa: PLC0415

    if isinstance(annotation, type) and get_origin(annotation) is None and attrs.has(annotation):
        return Annotated[reference(annotation), AfterValidator(functools.partial(_instance, annotation))]
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is None or origin is Literal:
        return annotation
    if origin is Annotated:
        return Annotated[(_replace(args[0], reference), *args[1:])]
    new = tuple(_replace(arg, reference) for arg in args)
    if all(one is other for one, other in zip(new, args, strict=True)):
        return annotation
    if origin in (Union, types.UnionType):
        return functools.reduce(operator.or_, new)
    return typing.cast("Any", origin)[new]


def _instance(cls: type, model: BaseModel) -> Any:
    """Return the attrs instance; what its own validators refuse is an answer that does not fit."""
    aliases = type(model).model_fields
    given = {str(aliases[name].alias): getattr(model, name) for name in model.model_fields_set}
    try:
        return cls(**given)
    except (TypeError, ValueError) as error:
        raise ValueError(str(error)) from error
