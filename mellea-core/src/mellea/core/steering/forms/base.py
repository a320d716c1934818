"""What a form is."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from attrs import field, frozen

from mellea.core.errors import UsageError
from mellea.core.steering.plan import NotSteerableError, TextPlan

__all__ = ["AllOf", "AnyOf", "Form", "Not", "as_texts", "some_text", "whole_number"]


class Form:
    """What language of texts a requirement admits.

    Forms are joined by ``&``, ``|`` and ``~``. A form of your own overrides ``describe`` and ``check``,
    ``edit`` if a plan can take it, and ``automaton`` if one can read it.
    """

    guides: str = ""
    """Why the plan only leads towards the form, so that it must be checked all the same.

    Empty where the plan keeps it.
    """
    gives_whole: bool = False
    """Whether an engine that holds a text to the form holds it to no other beside it."""
    beside: frozenset[str] | None = None
    """Of a form that gives the whole text of a plan: the fields of the plan to which it keeps.

    The forms that settle these are taken beside it. None for a form that leaves room for others.
    """

    @property
    def only_texts(self) -> tuple[str, ...]:
        """All texts that have the form, in some case or other, where they are few; else nothing."""
        return ()

    @property
    def conjuncts(self) -> tuple[Form, ...]:
        """The forms that it asks for, each of which must be there: itself, unless it is joined by ``&``."""
        return (self,)

    def opposite(self) -> Form:
        """Return the form of the texts that lack this one; a form of your own may know a better one."""
        return Not(self)

    def __and__(self, other: Form) -> Form:
        return AllOf((self, other)) if isinstance(other, Form) else NotImplemented

    def __or__(self, other: Form) -> Form:
        return AnyOf((self, other)) if isinstance(other, Form) else NotImplemented

    def __invert__(self) -> Form:
        return self.opposite()

    def describe(self) -> str:
        """Return the form in words, as an instruction; a form of your own overrides it."""
        raise UsageError(
            f"{type(self).__name__} does not say itself in words.", hint="Give it a describe method."
        )

    def check(self, text: str) -> tuple[bool, str]:
        """Return whether a text has the form, and what was seen; a form of your own overrides it."""
        raise UsageError(f"{type(self).__name__} has no check.", hint="Give it a check method.")

    def __get_pydantic_core_schema__(self, source: Any, handler: Callable[[Any], Any]) -> Any:
        """Let pydantic check a field that is annotated with the form."""
        from pydantic_core import core_schema  # noqa: PLC0415  only annotated fields need it

        return core_schema.no_info_after_validator_function(self._checked, handler(source))

    def _checked(self, text: str) -> str:
        met, seen = self.check(text)
        if not met:
            raise ValueError(f"{self.describe().rstrip('.')}: {seen}")
        return text

    def edit(self, plan: TextPlan) -> TextPlan:
        """Return the plan with what the form settles.

        Raises:
            NotSteerableError: A plan cannot say this.
            ContradictionError: A form before says the opposite.
        """
        raise NotSteerableError("no plan can say it.")

    def automaton(self) -> Any:
        """Return a ``TextAutomaton`` of a form of your own, to which an engine of ours holds a text.

        Raises:
            NotSteerableError: It has none.
        """
        raise NotSteerableError("it has no automaton.")


def _all_of(forms: Iterable[Form]) -> tuple[Form, ...]:
    return tuple(part for form in forms for part in form.conjuncts)


def _any_of(forms: Iterable[Form]) -> tuple[Form, ...]:
    return tuple(part for form in forms for part in (form.forms if isinstance(form, AnyOf) else (form,)))


@frozen
class AllOf(Form):
    """Several forms, all of them: ``Words(at_most=30) & Contains("bridge")``.

    Args:
        forms: The forms.
    """

    forms: tuple[Form, ...] = field(converter=_all_of)

    @property
    def conjuncts(self) -> tuple[Form, ...]:
        """The forms."""
        return self.forms

    def opposite(self) -> Form:
        """Return that one of them is not there."""
        return AnyOf(form.opposite() for form in self.forms)

    def describe(self) -> str:
        """Return the forms in words."""
        return " ".join(form.describe() for form in self.forms)

    def check(self, text: str) -> tuple[bool, str]:
        """Return whether a text has all of them, and what was seen of those that it lacks."""
        seen = [form.check(text) for form in self.forms]
        return all(met for met, _ in seen), "; ".join(said for met, said in seen if not met) or "it has all"

    def edit(self, plan: TextPlan) -> TextPlan:
        """Settle all of them."""
        for form in self.forms:
            plan = form.edit(plan)
        return plan


@frozen
class AnyOf(Form):
    """Several forms, one of them at least: ``Bullets(3) | Numbered(3)``.

    A call is held to the pattern of one form or the other; those that no plan can take are left out of it.

    Args:
        forms: The forms.
    """

    forms: tuple[Form, ...] = field(converter=_any_of)

    def opposite(self) -> Form:
        """Return that none of them is there."""
        return AllOf(form.opposite() for form in self.forms)

    def describe(self) -> str:
        """Return the forms in words."""
        return "Do one of these: " + " Or: ".join(form.describe() for form in self.forms)

    def check(self, text: str) -> tuple[bool, str]:
        """Return whether a text has one of them."""
        seen = [form.check(text) for form in self.forms]
        return any(met for met, _ in seen), "; ".join(said for _, said in seen)

    def edit(self, plan: TextPlan) -> TextPlan:
        """Raise an error: a plan is about one of them.

        Raises:
            NotSteerableError: Always.
        """
        raise NotSteerableError("a plan has one choice between forms.")


@frozen
class Not(Form):
    """A form that is not there. ``~form`` is one, unless the form knows what is there instead.

    Args:
        form: The form.
    """

    form: Form

    def opposite(self) -> Form:
        """Return the form."""
        return self.form

    def describe(self) -> str:
        """Return it in words."""
        return f"This must not be so: {self.form.describe()}"

    def check(self, text: str) -> tuple[bool, str]:
        """Return whether a text lacks the form."""
        met, seen = self.form.check(text)
        return not met, seen


def some_text(text: object, name: str) -> str:
    """Return a text that is one and not blank.

    Raises:
        UsageError: It is none.
    """
    if not isinstance(text, str) or not text.strip() or text != text.strip():
        raise UsageError(
            f"{name} takes a text without space around it, not {text!r}.", hint="Pass the words themselves."
        )
    return text


def whole_number(number: object, name: str, least: int = 0) -> int:
    """Return a number that is whole and not too small.

    Raises:
        UsageError: It is none.
    """
    if isinstance(number, bool) or not isinstance(number, int) or number < least:
        raise UsageError(
            f"{name} is {number!r}, which is no count.", hint=f"Pass a whole number, {least} or more."
        )
    return number


def as_texts(texts: Iterable[str]) -> tuple[str, ...]:
    """Return texts as a tuple."""
    return tuple(texts)
