"""How an output is to be generated: one value, from the verb to the backend."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from attrs import evolve, field, frozen

from mellea.core.errors import UsageError
from mellea.core.options import ModelOption, OptionTable, merge_options

__all__ = ["GenerateConfig"]

_NO_TABLE = OptionTable({}, {})


def _as_mapping(options: Mapping[str, Any] | None) -> Mapping[str, Any]:
    if options is None:
        return {}
    if not isinstance(options, dict | Mapping):  # most are a dict, and to ask the protocol is slow
        raise UsageError(
            f"Model options are a mapping, not {type(options).__name__}.", hint="Pass {ModelOption.SEED: 1}."
        )
    return dict(options)


@frozen
class GenerateConfig:
    """How an output is to be generated.

    Public methods take these as the keywords ``format``, ``model_options`` and ``tool_calls``, pack them in
    their first line, and hand one value down.

    Args:
        format: A pydantic class or JSON schema that the output must fit.
        options: Model options, under common or native names.
        tool_calls: Whether the model may call tools.
        stream: Whether pieces are wanted as they come; the same as ``ModelOption.STREAM`` among the options.

    Raises:
        UsageError: The options are no mapping.
    """

    format: Any = None
    options: Mapping[str, Any] = field(default=None, converter=_as_mapping, hash=False)
    tool_calls: bool = False
    stream: bool = False

    def over(self, *layers: Mapping[str, Any] | None, table: OptionTable = _NO_TABLE) -> Self:
        """Return the config with options of lower rank below its own.

        Args:
            layers: The lowest first: a backend's options, then a session's.
            table: The backend's table, so that a native spelling overrides a common name, and the reverse.
        """
        if not any(layers) and not self.options:
            return self
        return self._with(merge_options(*map(table.canonical, (*layers, self.options))))

    def under(self, *layers: Mapping[str, Any] | None, table: OptionTable = _NO_TABLE) -> Self:
        """Return the config with options of higher rank over its own; the last layer wins."""
        return self._with(merge_options(*map(table.canonical, (self.options, *layers))))

    def _with(self, options: Mapping[str, Any]) -> Self:
        return evolve(self, options=options) if options or self.options else self

    def steered(self, steer: bool | None) -> Self:
        """Return the config with what a call says of steering; as it is if the call says nothing."""
        return self if steer is None else self.under({ModelOption.STEER: steer})

    def keywords(self) -> dict[str, Any]:
        """Return the keywords that ``generate_from_context`` and strategies take."""
        options = merge_options(self.options, {ModelOption.STREAM: True}) if self.stream else self.options
        return {"format": self.format, "model_options": options, "tool_calls": self.tool_calls}
