"""Context types: what every one of them keeps to, whatever it shows."""

from __future__ import annotations

import asyncio
import copy
import pickle
from collections.abc import Sequence
from typing import Any, ClassVar, Literal

from mellea.core.context import Context
from mellea.core.message import Message
from mellea.core.thunk import ModelOutputThunk
from mellea.plugins.factory import create
from mellea.testing.conformance.manifest import ManifestTests
from mellea.testing.conformance.terms import term

__all__ = ["ContextConformance"]


class ContextConformance(ManifestTests):
    """Every test of a context type. Make a subclass that says which."""

    kind: ClassVar[Literal["context"]] = "context"
    turns: ClassVar[int] = 10_000
    """How long the longest conversation is."""
    patience: ClassVar[float] = 10.0
    """Seconds after which a call is taken to go on for ever."""

    def empty(self) -> Context:
        """Return an empty context of the type, as a session opens it."""
        made: Context = create("context", self.name, Context, arguments=self.options, plugins=self.plugins)
        return made

    def after(self, turns: int, context: Context | None = None, word: str = "turn") -> Context:
        """Return a context after some turns."""
        context = self.empty() if context is None else context
        for number in range(turns):
            context = context.add(Message("user", f"{word} {number}"))
            context = context.add(ModelOutputThunk(f"answer to {word} {number}"))
        return context

    @term("contract")
    def test_new_context_is_empty(self) -> None:
        """It begins empty, and shows nothing."""
        context = self.empty()

        assert context.is_root_node
        assert context.as_list() == []
        assert not context.view_for_generation()
        assert context.last_turn() is None

    @term("contract")
    def test_adding_changes_nothing_that_was_there(self) -> None:
        """A context is as it was after something was added to it, and shows what it showed."""
        before = self.after(3)
        spans, shown = before.as_list(), said(before)

        after = self.after(3, before)

        assert after is not before
        assert before.as_list() == spans
        assert said(before) == shown

    @term("contract")
    def test_it_keeps_its_type_and_its_settings(self) -> None:
        """What is added to, emptied or rebuilt is of the same type, with the same settings."""
        context = self.after(2)
        others = [
            context.add(Message("user", "more")),
            context.new_instance(),
            context.rebuilt(context.as_list()),
        ]

        assert {type(other) for other in others} == {type(context)}
        assert context.new_instance().is_root_node
        assert said(self.after(2, context.new_instance())) == said(context)

    @term("contract")
    def test_branches_know_nothing_of_each_other(self) -> None:
        """Two continuations of one context do not see each other."""
        base = self.after(2)
        left, right = self.after(2, base, "left"), self.after(2, base, "right")

        assert not [text for text in said(left) if "right" in text]
        assert not [text for text in said(right) if "left" in text]

    @term("contract")
    def test_view_is_in_the_order_of_the_conversation(self) -> None:
        """What is shown are spans of the conversation, the oldest first, and the same each time."""
        context = self.after(4)
        order = {id(span): place for place, span in enumerate(context.as_list())}
        view = context.view_for_generation() or []

        own = [order[id(span)] for span in view if id(span) in order]
        assert own == sorted(own)
        assert [str(span) for span in context.view_for_generation() or []] == [str(span) for span in view]

    @term("contract")
    def test_last_turn_is_the_last(self) -> None:
        """The last turn is what was asked last, and what came of it."""
        turn = self.after(3).last_turn()

        assert turn is not None
        assert (text_of(turn.model_input), text_of(turn.output)) == ("turn 2", "answer to turn 2")

    @term("contract")
    def test_compaction_leaves_the_old_context_alone(self) -> None:
        """Preparing gives a context to go on with, and the one before stays as it was."""
        context = self.after(30)
        spans = context.as_list()

        async def prepare() -> tuple[Context, Sequence[Any]]:
            ready = await context.prepare(scripted())
            return ready, await ready.view(scripted())

        ready, view = asyncio.run(prepare())

        assert isinstance(ready, Context)
        assert len(view) <= len(spans)
        assert context.as_list() == spans
        assert text_of(ready.add(Message("user", "next")).node_data) == "next"

    @term("contract")
    def test_copies_are_equal_and_apart(self) -> None:
        """Copied, deeply copied and pickled, it shows the same."""
        context = self.after(3)
        twins = [copy.copy(context), copy.deepcopy(context), pickle.loads(pickle.dumps(context))]  # noqa: S301  our own

        assert [said(twin) for twin in twins] == [said(context)] * 3

    @term("contract")
    def test_long_conversation_is_no_deep_one(self) -> None:
        """Ten thousand turns are added and shown, and a thousand copied, without a step of recursion each."""
        context = self.after(self.turns)

        assert len(context.as_list(4)) == 4
        assert isinstance(context.view_for_generation() or [], list)
        assert len(context.as_list()) <= 2 * self.turns
        assert copy.deepcopy(self.after(self.turns // 10)).last_turn() is not None

    @term("contract")
    def test_session_talks_through_it(self) -> None:
        """A session with it asks, answers and remembers; what is shown ends with the question."""
        from mellea.stdlib.session import MelleaSession  # noqa: PLC0415  the manifest level needs no session

        backend = scripted()
        m = MelleaSession(backend, self.empty())

        async def talk() -> None:
            for word in ("one", "two", "three"):
                await asyncio.wait_for(m.achat(word), self.patience)

        asyncio.run(talk())

        assert [request.messages[-1].content for request in backend.requests] == ["one", "two", "three"]
        assert m.ctx.last_turn() is not None


def scripted() -> Any:
    """Return a backend to ask."""
    from mellea.testing.scripted import ScriptedBackend  # noqa: PLC0415  the manifest level asks nobody

    return ScriptedBackend("Fine.")


def text_of(span: Any) -> str:
    """Return what a span says."""
    return str(getattr(span, "content", span))


def said(context: Context) -> list[str]:
    """Return what the next request shows, as texts."""
    return [text_of(span) for span in context.view_for_generation() or []]
