"""Contexts: what a session remembers, and what of it the next request shows."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, Protocol, Self, cast

from attrs import define, setters

from mellea.core.component import Span
from mellea.core.thunk import ModelOutputThunk

if TYPE_CHECKING:
    from mellea.core.formatter import ChatFormatter
    from mellea.core.message import Message

__all__ = ["Context", "ContextGenerator", "ContextTurn", "ContextViewer"]


class ContextViewer(Protocol):
    """What a context may ask of a backend to decide what the next request shows."""

    @property
    def formatter(self) -> ChatFormatter:
        """Turns spans into messages."""
        ...

    async def count_tokens(self, messages: Sequence[Message]) -> int | None:
        """Return the tokens of a conversation, or None if the backend cannot tell."""
        ...


class ContextGenerator(ContextViewer, Protocol):
    """What a context may ask of a backend to prepare itself.

    It may also generate, to write a summary for example.
    """

    async def generate_from_context(
        self,
        action: Span,
        ctx: Context,
        *,
        format: Any = None,
        model_options: Mapping[str, Any] | None = None,
        tool_calls: bool = False,
    ) -> tuple[ModelOutputThunk[Any], Context]:
        """Start the generation of an answer to ``action`` in a context."""
        ...


@define(slots=False, on_setattr=setters.frozen, unsafe_hash=True)
class ContextTurn:
    """One turn: what was asked, and what came of it."""

    model_input: Span | None
    output: ModelOutputThunk[Any] | None


class Context(ABC):
    """A persistent linked list of spans.

    ``add`` gives a new context in constant time and leaves this one as it is, so that every older context
    stays valid. A context type says with ``view_for_generation`` what the next request shows.
    """

    _propagated_fields: tuple[str, ...] = ()
    """Attributes that a node has from the one before; all are handed on within one type."""
    tokens: int | None = None
    """Tokens of the newest span, noted here by whoever counted them first."""
    _previous: Context | None = None
    _data: Span | None = None

    @classmethod
    def from_previous(cls, previous: Context, data: Span) -> Self:
        """Return a new node of this type on top of ``previous``, with the attributes that it has.

        ``__init__`` is not called. Override it (and call ``super``) in a type that has more to hand on.
        """
        made = previous.without_spans() if type(previous) is cls else _made_of(cls, previous)
        return made.on_top_of(previous, data)  # type: ignore[return-value]  # one of this type

    def on_top_of(self, previous: Context, data: Span) -> Self:
        """Make this new, empty context the node above ``previous``, and return it.

        For ``from_previous`` only.
        """
        self._previous, self._data = previous, data
        return self

    @classmethod
    def reset_to_new(cls) -> Self:
        """Return an empty context of this type, with default settings."""
        return cls()

    def new_instance(self) -> Self:
        """Return an empty context with this one's settings."""
        return self.without_spans()

    def without_spans(self) -> Self:
        """Return an empty context with the attributes of this one; ``__init__`` is not called."""
        node = type(self).__new__(type(self))
        node.__dict__.update(self.__dict__)
        node.tokens = node._previous = node._data = None  # noqa: SLF001  one of our own
        return node

    def rebuilt(self, spans: Iterable[Span]) -> Context:
        """Return a context of other spans with this one's settings."""
        node: Context = self.new_instance()
        for span in spans:
            node = node.add(span)
        return node

    @property
    def is_root_node(self) -> bool:
        """Whether this context is empty."""
        return self._previous is None

    @property
    def previous_node(self) -> Context | None:
        """The context before the newest span was added."""
        return self._previous

    @property
    def node_data(self) -> Span | None:
        """The newest span; None in an empty context."""
        return self._data

    @property
    def is_chat_context(self) -> bool:
        """Whether the view is a conversation. Always true; kept for programs that ask."""
        return True

    @abstractmethod
    def add(self, span: Span) -> Context:
        """Return the context with one more span."""

    @abstractmethod
    def view_for_generation(self) -> list[Span] | None:
        """Return what the next request shows, oldest first."""

    async def prepare(self, backend: ContextGenerator) -> Context:
        """Return the context to generate from: this one, or a compacted one. Never blocks the loop."""
        return self

    async def view(self, backend: ContextViewer) -> Sequence[Span]:
        """Return what the next request to this backend shows; may ask it to count tokens."""
        return self.view_for_generation() or []

    def newest_first(self) -> Iterator[Span]:
        """Iterate over the spans from the newest to the oldest, as far as the caller goes."""
        node: Context | None = self
        while node is not None and (previous := node.previous_node) is not None:
            yield node.node_data  # type: ignore[misc]  # every node but the root holds a span
            node = previous

    def as_list(self, last_n_components: int | None = None) -> list[Span]:
        """Return the last spans, oldest first; all of them when no number is given. Costs what it returns."""
        most = None if last_n_components is None else max(last_n_components, 0)
        spans = list(islice(self.newest_first(), most))
        spans.reverse()
        return spans

    def actions_for_available_tools(self) -> list[Span] | None:
        """Return the spans whose tools the model may call: those of the view."""
        return self.view_for_generation()

    def last_output(self, check_last_n_components: int = 3) -> ModelOutputThunk[Any] | None:
        """Return the newest output among the last few spans, or None."""
        for index, span in enumerate(self.newest_first()):
            if index >= check_last_n_components:
                break
            if isinstance(span, ModelOutputThunk):
                return span
        return None

    def last_turn(self) -> ContextTurn | None:
        """Return the last turn, or None in an empty context."""
        if self._previous is None:
            return None
        if isinstance(self._data, ModelOutputThunk):
            return ContextTurn(self._previous.node_data, self._data)
        return ContextTurn(self._data, None)

    # Copies, without a step of recursion for each turn

    def __copy__(self) -> Self:
        twin = type(self).__new__(type(self))
        vars(twin).update(vars(self))
        return twin

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        twin: Context | None = None
        for node in self._chain():
            if id(node) not in memo:
                above = memo[id(node)] = type(node).__new__(type(node))
                vars(above).update(copy.deepcopy(_own(node), memo), _previous=twin)
            twin = memo[id(node)]
        return cast("Self", twin)

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuilt_chain, ([(type(node), _own(node)) for node in self._chain()],)

    def _chain(self) -> list[Context]:
        """Return this context and all before it, oldest first."""
        nodes: list[Context] = []
        node: Context | None = self
        while node is not None:
            nodes.append(node)
            node = node.previous_node
        return nodes[::-1]

    def __repr__(self) -> str:
        return (
            f"<{type(self).__name__} ending in {self._data!r}>"
            if self._previous
            else f"<{type(self).__name__}, empty>"
        )


def _made_of(cls: type[Context], previous: Context) -> Context:
    """Return an empty context of a type, made by its own ``__init__`` where that needs nothing."""
    try:
        node = cls()
    except TypeError:
        node = cls.__new__(cls)
    fields = (name for base in cls.__mro__ for name in vars(base).get("_propagated_fields", ()))
    for name in fields:
        if hasattr(previous, name):
            setattr(node, name, getattr(previous, name))
    return node


def _own(node: Context) -> dict[str, Any]:
    return {name: value for name, value in vars(node).items() if name != "_previous"}


def _rebuilt_chain(nodes: Sequence[tuple[type[Context], dict[str, Any]]]) -> Context:
    """Return the newest of pickled nodes, each on top of the one before."""
    newest: Context | None = None
    for kind, own in nodes:
        node = kind.__new__(kind)
        vars(node).update(own, _previous=newest)
        newest = node
    return cast("Context", newest)
