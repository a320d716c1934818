"""From the forms of a call to one plan, its pattern, and what each form may count on."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from attrs import evolve, field, frozen

from mellea.core.steering.alphabet import joined, scripts_in
from mellea.core.steering.casing import LetterCase
from mellea.core.steering.forms import AnyOf, Case, Form
from mellea.core.steering.guards import Guards, floor_within
from mellea.core.steering.layout import layout, roomed
from mellea.core.steering.pattern import anchored, choice
from mellea.core.steering.plan import Bounds, ContradictionError, NotSteerableError, TextPlan

__all__ = ["Outcome", "Steering", "steer"]

_OPTIONS = 4
"""Most forms of a choice between forms that a pattern takes."""

_ENGLISH_TEXT = """
    the a an of to and write about with for what how why is me your you my our this that are from give tell
    explain
"""
_ENGLISH = frozenset(_ENGLISH_TEXT.split())
"""Words by one of which a prompt is taken for English."""

_LARGE = 20_000
"""Signs of a pattern from which on a smaller one is looked for."""

_LARGEST = 90_000
"""Signs of a pattern that a server still takes in a few hundredths of a second."""


@frozen
class Outcome:
    """What became of a form.

    Args:
        form: The form.
        steered: Whether every text of the plan has it.
        why: Why it is left to checking; empty where it is steered.
    """

    form: Form
    steered: bool
    why: str = ""

    def __str__(self) -> str:
        fate = "Steered" if self.steered else "Checked"
        return f"{self.form.describe()} {fate}{': ' + self.why if self.why else ''}."


@frozen
class Steering:
    """How the forms of a call steer it.

    Args:
        plan: The plan of the text.
        outcomes: What became of each form, in the order in which they were given.
        pattern: The pattern to be sent as that of a JSON string; None if no form steers.
        prompt: The prompt that the text answers.
        held: Forms to which the engine holds the text by automata, in place of the pattern.
        limit: The most tokens of the text, where automata bring it home within them.
    """

    plan: TextPlan
    outcomes: tuple[Outcome, ...]
    pattern: str | None = field(repr=False)
    prompt: str = field(default="", repr=False)
    held: tuple[Form, ...] = field(default=(), repr=False)
    limit: int | None = None

    @property
    def steers(self) -> bool:
        """Whether anything holds the text."""
        return self.pattern is not None or bool(self.held)

    def holding(self, whys: Iterable[str], limit: int | None = None) -> Steering:
        """Return the same with automata that hold the text to forms, in place of the pattern.

        Args:
            whys: For each form, why it is left to checking; nothing for one that is held.
            limit: The most tokens of the text; None where the call does not say it.
        """
        outcomes = tuple(
            Outcome(outcome.form, not why, why) for outcome, why in zip(self.outcomes, whys, strict=True)
        )
        held = tuple(outcome.form for outcome in outcomes if outcome.steered)
        return evolve(self, pattern=None, outcomes=outcomes, held=held, limit=limit)

    @property
    def case(self) -> LetterCase | None:
        """The case into which the text is put as it is read; None where it stays as the model writes it."""
        if not self.held:
            return self.plan.case if self.steers else None
        return next((form.kind for form in self.held if isinstance(form, Case)), None)

    @property
    def gives_whole(self) -> bool:
        """Whether one form alone gives the text, so that there is no prose to look after."""
        return self.plan.whole is not None or any(form.gives_whole for form in self.held)

    @property
    def longest(self) -> int:
        """The most tokens that a text of the plan should take, as a bound for the call's limit on tokens.

        A word is counted with the tokens that a word of its script takes at most in running text, so that the
        bound is above what real texts come to by some margin.
        """
        return roomed(self.plan).top * self.plan.script.tokens + 40

    @property
    def temperature(self) -> float:
        """The temperature that steered texts come out well with, where the caller names none."""
        return 0.4

    @property
    def repetition_penalty(self) -> float:
        """The repetition penalty over 256 tokens that suits steered texts, where the caller names none."""
        return 1.1

    @property
    def guards(self) -> Guards | None:
        """What the texts are looked at for beside the rules; None where no form steers prose."""
        plan = self.plan
        if not self.steers or self.gives_whole:
            return None
        given = plan.items is not None or plan.end or plan.last_mark
        least = roomed(plan).least if self.limit is None else floor_within(roomed(plan).least, self.limit)
        shortest = min(Guards().shortest, least) if plan.script.spaced else 0
        return Guards(prompt=self.prompt, shortest=shortest, ended=not given)

    def summary(self) -> str:
        """Return what the plan comes to, for people."""
        if self.gives_whole:
            return f"The text is one of those that a form gives, of at most {self.longest} tokens."
        words, said = roomed(self.plan), self.describe()
        bounds = f"{words.least} to {words.most} words, at most {self.longest} tokens"
        put = f"Its letters are put in {self.case} case as they come. " if self.case else ""
        return f"The text has {bounds}, in {self.plan.script.name} letters. {put}{said}".rstrip()

    def describe(self) -> str:
        """Return the plan in words, for the prompt: what the pattern asks for and no form says."""
        if not self.steers or self.gives_whole:
            return ""
        plan, words = self.plan, roomed(self.plan)
        said = []
        if plan.items is None and not plan.headings:
            said.append("Write plain sentences, without lists or headings.")
        if not plan.owner("words"):
            said.append(f"Write about {min(max(words.least + 30, 60), words.most or 60)} words.")
        return " ".join(said)


def steer(
    forms: Iterable[Form], prompt: str = "", *, lines: bool = True, about: tuple[str, ...] = ()
) -> Steering:
    """Return how some forms steer a call.

    Args:
        forms: The forms of its requirements.
        prompt: The prompt, whose script and longest words the text may have too.
        lines: Whether the text may have several lines where no form is about lines.
        about: Words of the task, one of which the text should have where nothing speaks against it.

    Raises:
        ContradictionError: No text can meet two of the forms.
    """
    return _steer(tuple(forms), prompt, lines, about)


def _written(plan: TextPlan) -> str:
    written = anchored(layout(plan))
    if len(written) > _LARGE and plan.about:
        written = anchored(layout(evolve(plan, about=())))
    if len(written) > _LARGE:
        written = min(written, anchored(layout(plan, ordered=True)), key=len)
    if len(written) > _LARGEST:
        raise NotSteerableError("the pattern of all would be too large.")
    return written


@lru_cache(256)
def _steer(forms: tuple[Form, ...], prompt: str, lines: bool, about: tuple[str, ...]) -> Steering:
    longest = max([15, *map(len, re.findall(r"[^\W\d_]+", prompt))])
    words = re.findall(r"[a-z]+", prompt.lower())
    english = not words or not _ENGLISH.isdisjoint(words)
    plan = TextPlan(
        script=joined(scripts_in(prompt)),
        longest_word=min(longest, 30),
        english=english,
        lines=lines,
        about=about if english else (),
    )
    few = next((form for form in forms if form.only_texts), None)
    if few is not None:
        return evolve(_chosen(plan, forms, few), prompt=prompt)
    either = next((form for form in forms if isinstance(form, AnyOf)), None)
    if either is not None:
        return evolve(_either(forms, either, prompt, lines, about), prompt=prompt)
    order = {place: (_turn(form), form.guides != "", place) for place, form in enumerate(forms)}
    places = sorted(order, key=order.__getitem__)
    try:
        steering = _together(plan, forms, places)
    except NotSteerableError:
        steering = _one_by_one(plan, forms, places)
    return evolve(steering, prompt=prompt)


def _chosen(plan: TextPlan, forms: tuple[Form, ...], few: Form) -> Steering:
    """Return the steering where a form has few texts: by those of them that have the other forms too.

    Raises:
        ContradictionError: There is none.
    """
    cased = [change(text) for change in (str.lower, str.upper, str.title) for text in few.only_texts]

    def having(some: Iterable[Form], texts: Iterable[str]) -> list[str]:
        return [text for text in texts if all(form.check(text)[0] for form in some)]

    kept = having(forms, few.only_texts) or having(forms, cased)
    plan = plan.edited(few, whole=choice(*dict.fromkeys(kept or few.only_texts)))
    if not kept:
        alone = (form for form in forms if not having([few, form], [*few.only_texts, *cased]))
        raise plan.contradiction(next(alone, forms[-1] if forms[-1] is not few else forms[0]), "whole")
    return Steering(plan, tuple(Outcome(form, True) for form in forms), _written(plan))


def _either(
    forms: tuple[Form, ...], either: AnyOf, prompt: str, lines: bool, about: tuple[str, ...]
) -> Steering:
    """Return the steering by the pattern of one form or another, beside all others.

    Raises:
        ContradictionError: None of them goes with the others.
    """
    place = forms.index(either)
    tried: list[Steering] = []
    clash: ContradictionError | None = None
    for option in either.forms[:_OPTIONS]:
        try:
            tried.append(_steer((*forms[:place], option, *forms[place + 1 :]), prompt, lines, about))
        except ContradictionError as error:
            clash = error
    if not tried and clash is not None:
        raise clash
    held = [each for each in tried if each.outcomes[place].steered and each.pattern is not None]
    held = [each for each in held if each.case == held[0].case]
    if not held:
        why = tried[0].outcomes[place].why
        rest = _steer((*forms[:place], *forms[place + 1 :]), prompt, lines, about)
        left = (*rest.outcomes[:place], Outcome(either, False, why), *rest.outcomes[place:])
        return evolve(rest, outcomes=left)
    outcomes = tuple(
        Outcome(form, all(ways), next((each.outcomes[at].why for each in held if each.outcomes[at].why), ""))
        for at, form in enumerate(forms)
        for ways in [[each.outcomes[at].steered for each in held]]
    )
    rooms = [roomed(each.plan) for each in held]
    words = Bounds(min(room.least for room in rooms), max(room.top for room in rooms))
    whole = choice(*(layout(each.plan) for each in held))
    plan = evolve(held[0].plan, whole=whole, words=words)
    try:
        return Steering(plan, outcomes, _written(plan)) if held[1:] else evolve(held[0], outcomes=outcomes)
    except NotSteerableError:  # the first of them is narrower, and small enough
        return evolve(held[0], outcomes=outcomes)


def _turn(form: Form) -> int:
    """Return when a form edits the plan: first if it takes no other beside it, last if it keeps to some."""
    return 1 if form.beside is None else 2 * bool(form.beside)


def _edited(plan: TextPlan, form: Form) -> TextPlan:
    """Return the plan with what a form settles.

    Raises:
        NotSteerableError: The plan cannot take it beside those before it.
        ContradictionError: A form before says the opposite.
    """
    if plan.whole is not None:
        raise NotSteerableError("another form gives the whole text.")
    edited = form.edit(plan)
    beside = form.beside or frozenset()
    if edited.whole is not None and not all({name, name.split(" ")[0]} & beside for name, _ in plan.owners):
        raise NotSteerableError("it gives the whole text, and others are asked for beside it.")
    return edited


def _together(plan: TextPlan, forms: tuple[Form, ...], places: list[int]) -> Steering:
    """Return the steering if the plan can take all forms.

    Raises:
        NotSteerableError: It cannot take one of them.
    """
    for place in places:
        plan = _edited(plan, forms[place])
    outcomes = tuple(Outcome(form, not form.guides, form.guides) for form in forms)
    return Steering(plan, outcomes, _written(plan) if forms else None)


def _one_by_one(plan: TextPlan, forms: tuple[Form, ...], places: list[int]) -> Steering:
    """Return the steering with each form that the plan can take beside those before it."""
    pattern: str | None = None
    outcomes: dict[int, Outcome] = {}
    for place in places:
        form = forms[place]
        try:
            edited = _edited(plan, form)
            written = _written(edited)
        except NotSteerableError as error:
            outcomes[place] = Outcome(form, False, error.message.rstrip("."))
        else:
            plan, pattern = edited, written
            outcomes[place] = Outcome(form, not form.guides, form.guides)
    return Steering(plan, tuple(outcomes[place] for place in range(len(forms))), pattern)
