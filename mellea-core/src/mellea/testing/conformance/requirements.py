"""Requirements with a check: what every one of them keeps to, on texts that their author knows."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Iterable
from typing import Any, ClassVar

from mellea.core.context import Context
from mellea.core.message import Message
from mellea.core.requirement import Requirement, ValidationResult
from mellea.core.thunk import ModelOutputThunk
from mellea.plugins.manifests import API_VERSION
from mellea.testing.conformance.judged import Judged
from mellea.testing.conformance.terms import term

__all__ = ["RequirementConformance"]

_ANY = (
    "",
    " ",
    "a",
    "\x00\x1b[1m",
    "Zoë ate 寿司 👩‍🚀.",
    '{"a": [1]}',
    "```\n",
    "- a\n- b\n",
    "a b" * 20_000,
)
"""Texts that no author thought of."""
_LONGEST = 600
"""Characters of a description that a prompt can take beside others."""


class RequirementConformance(Judged):
    """Every test of a requirement that has a check. Make a subclass that says which.

    A requirement that a model judges has nothing that could be tested without that model.
    """

    kind: ClassVar[str] = "requirement"
    good: ClassVar[tuple[str, ...]] = ()
    """Texts that meet it."""
    bad: ClassVar[tuple[str, ...]] = ()
    """Texts that do not."""
    prompt: ClassVar[str] = "Write about a walk by the river."
    """What the texts of its form answer."""
    drawn: ClassVar[int] = 50
    """How many texts of its form are looked at."""

    @classmethod
    def made_for(cls) -> int:
        """Return the number of this plugin interface: a requirement has no manifest."""
        return API_VERSION

    @abstractmethod
    def requirement(self) -> Requirement:
        """Return the requirement, made anew."""

    @term("contract")
    def test_description_can_be_read(self) -> None:
        """It says in words what it wants, so that a model can follow it."""
        words = self.requirement().description or ""

        assert any(map(str.isalpha, words))
        assert words == words.strip()
        assert len(words) <= _LONGEST

    @term("contract")
    def test_texts_that_meet_it_pass(self) -> None:
        """Texts that are known to meet it pass."""
        assert self.good, "give it texts in `good`"
        verdicts = verdicts_of(self.requirement(), self.good)

        assert [text for text, said in zip(self.good, verdicts, strict=True) if not said] == []

    @term("contract")
    def test_texts_that_fail_it_are_told_why(self) -> None:
        """Texts that are known to fail it do, each with a reason."""
        assert self.bad, "give it texts in `bad`"
        verdicts = verdicts_of(self.requirement(), self.bad)

        assert [text for text, said in zip(self.bad, verdicts, strict=True) if said] == []
        assert [said for said in verdicts if not (said.reason or "").strip()] == []

    @term("contract")
    def test_check_has_no_memory(self) -> None:
        """What it says of a text does not depend on what it saw before, nor on what it sees beside."""
        requirement, texts = self.requirement(), [*self.good, *self.bad]
        before = vars(requirement).copy()
        once = verdicts_of(requirement, texts)
        again = verdicts_of(requirement, reversed(texts))[::-1]
        alone = [verdicts_of(self.requirement(), [text])[0] for text in texts]

        assert _told(again) == _told(once) == _told(alone)
        assert vars(requirement) == before

    @term("contract")
    def test_any_text_gets_a_verdict(self) -> None:
        """Whatever a model writes is judged, and no check fails for a mistake of its own."""
        verdicts = verdicts_of(self.requirement(), _ANY)

        assert [said.reason for said in verdicts if said.looks_like_bug] == []
        assert [said.reason for said in verdicts if "raised" in (said.reason or "")] == []

    @term("contract")
    def test_conversation_stays_as_it_is(self) -> None:
        """Checking adds nothing to the conversation, and changes no text in it."""
        context = answered(self.good[0])
        spans, shown = context.as_list(), [str(span) for span in context.as_list()]

        asyncio.run(self.requirement().validate(_backend(), context))

        assert context.as_list() == spans
        assert [str(span) for span in context.as_list()] == shown

    @term("contract")
    def test_texts_of_its_form_pass(self) -> None:
        """Whatever a model may write that is steered by its form meets it."""
        from mellea.core.steering import steer  # noqa: PLC0415  few requirements have a form
        from mellea.testing.conformance.drawing import drawn  # noqa: PLC0415

        requirement = self.requirement()
        steering = steer(requirement.forms, self.prompt)
        if not steering.outcomes or not all(outcome.steered for outcome in steering.outcomes):
            self.note("not declared")
            return
        texts = drawn(steering.plan, self.drawn)

        assert [
            (text, said.reason)
            for text, said in zip(texts, verdicts_of(requirement, texts), strict=True)
            if not said
        ] == []

    @term("contract")
    def test_own_fix_mends_and_breaks_nothing(self) -> None:
        """What it mends by itself is a text, and a text that meets it still does when mended."""
        requirement = self.requirement()
        if requirement.repair is None:
            self.note("not declared")
            return
        mended = [requirement.repair(text) for text in (*self.good, *self.bad)]

        assert {type(text) for text in mended} == {str}
        assert all(verdicts_of(requirement, mended[: len(self.good)]))

    @term("contract")
    def test_session_validates_with_it(self) -> None:
        """`validate` says of a text what the check says."""
        from mellea.stdlib.session import MelleaSession  # noqa: PLC0415  the other tests need no session

        m = MelleaSession(_backend())
        said = [m.validate([self.requirement()], output=text)[0] for text in (self.good[0], self.bad[0])]

        assert [bool(each) for each in said] == [True, False]

    @term("contract")
    def test_instruction_is_repaired_until_it_is_met(self) -> None:
        """A strategy asks again after a text that fails it, and takes one that meets it."""
        from mellea.stdlib.sampling import RepairTemplateStrategy  # noqa: PLC0415  the other tests need none
        from mellea.stdlib.session import MelleaSession  # noqa: PLC0415

        requirement = self.requirement().unsteered()
        requirement.repair = None
        result = MelleaSession(_backend(self.bad[0], self.good[0])).instruct(
            self.prompt,
            requirements=[requirement],
            strategy=RepairTemplateStrategy(loop_budget=2),
            return_sampling_results=True,
        )

        assert result.success
        assert [attempt.met for attempt in result.attempts] == [0, 1]


def _backend(*answers: str) -> Any:
    from mellea.testing.scripted import ScriptedBackend  # noqa: PLC0415  most tests ask nobody

    return ScriptedBackend(list(answers) or "")


def answered(text: str) -> Context:
    """Return a conversation whose last word is a text."""
    from mellea.stdlib.context import ChatContext  # noqa: PLC0415  listing the kit needs none

    return ChatContext().add(Message("user", "Hi.")).add(ModelOutputThunk(text))


def verdicts_of(requirement: Requirement, texts: Iterable[str]) -> list[ValidationResult]:
    """Return what a requirement says of texts, all asked at once."""
    backend = _backend()

    async def validate() -> list[ValidationResult]:
        asked = (requirement.validate(backend, answered(text)) for text in texts)
        return list(await asyncio.gather(*asked))

    return asyncio.run(validate())


def _told(verdicts: Iterable[ValidationResult]) -> list[tuple[bool, str | None]]:
    return [(said.result, said.reason) for said in verdicts]
