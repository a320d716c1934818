"""A backend that is none of ours: any object with ``generate_from_context``, seen as a ``Backend``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mellea.core.backend import Backend
from mellea.core.capabilities import Capability
from mellea.core.component import Span
from mellea.core.context import Context
from mellea.core.errors import UsageError
from mellea.core.formatter import ChatFormatter
from mellea.core.message import Message
from mellea.core.model_api import ModelAPI
from mellea.core.thunk import ModelOutputThunk

__all__ = ["as_backend"]


class _ForeignBackend(Backend):
    """What an object that generates lacks of a ``Backend`` counts as something that it cannot do."""

    def __init__(self, made: Any) -> None:
        named = getattr(made, "model_id", None) or getattr(made, "_model_id", None) or type(made).__name__
        options = getattr(made, "model_options", None)
        super().__init__(str(named), model_options=options if isinstance(options, Mapping) else None)
        declared = getattr(made, "capabilities", None)
        if isinstance(declared, set | frozenset):
            self.capabilities = frozenset(one for one in Capability if one in declared)
        self.made = made
        self.provider = str(getattr(made, "provider", None) or getattr(made, "_provider", "unnamed"))  # type: ignore[misc]

    @property
    def formatter(self) -> ChatFormatter:
        """The object's own formatter, else ours."""
        own = getattr(self.made, "formatter", None)
        return own if isinstance(own, ChatFormatter) else super().formatter

    async def _generate_from_context(
        self,
        action: Span,
        ctx: Context,
        *,
        format: Any = None,
        model_options: Mapping[str, Any],
        tool_calls: bool = False,
    ) -> tuple[ModelOutputThunk[Any], Context]:
        """Let the object generate."""
        made: tuple[ModelOutputThunk[Any], Context] = await self.made.generate_from_context(
            action, ctx, format=format, model_options=model_options or None, tool_calls=tool_calls
        )
        return made

    async def count_tokens(self, messages: Sequence[Message]) -> int | None:
        """Ask the object, if it can tell."""
        count = getattr(self.made, "count_tokens", None)
        counted: int | None = None if count is None else await count(messages)
        return counted


def as_backend(backend: Any) -> Backend:
    """Return a backend as it is, and any other object that generates as one with no capability.

    Raises:
        UsageError: It does not generate.
    """
    if issubclass(type(backend), ModelAPI):  # a stand-in only says that it is one
        return backend  # type: ignore[no-any-return]
    if isinstance(backend, type) or not hasattr(backend, "generate_from_context"):
        name = (backend if isinstance(backend, type) else type(backend)).__name__
        raise UsageError(
            f"{name} is no backend.", hint="Pass an instance of a Backend, or use start_session."
        )
    return _ForeignBackend(backend)
