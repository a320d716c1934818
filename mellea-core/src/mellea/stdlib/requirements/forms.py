"""Requirements made of forms: what steers the decoding where the backend can, and is checked either way."""

from __future__ import annotations

from collections.abc import Iterable

from mellea.core.errors import UsageError
from mellea.core.json_form import Json
from mellea.core.requirement import Requirement
from mellea.core.steering import forms, steer
from mellea.core.steering.forms import *  # noqa: F403  the forms are public here too
from mellea.core.steering.forms import Form
from mellea.stdlib.requirements.requirement import simple_validate

__all__ = ["Json", "explain", "of_form"]
__all__ += forms.__all__


def of_form(form: Form, description: str | None = None, *, check_only: bool = False) -> Requirement:
    """Return the requirement that the output has a form: ``of_form(Bullets(3))``.

    Args:
        form: What language of texts is admitted; one of those here, or your own.
        description: The requirement in words, for the model; by default the form's own.
        check_only: Whether to keep it out of the prompt.

    Raises:
        UsageError: It is no form.
    """
    if not isinstance(form, Form):
        raise UsageError(f"{form!r} is no form.", hint="Pass an instance, such as Words(at_most=80).")
    return Requirement(
        description or form.describe(), simple_validate(form.check), check_only=check_only, form=form
    )


def explain(requirements: Iterable[Requirement], prompt: str = "") -> str:
    """Return how requirements would steer a call, without making it.

    For each requirement that has a form, whether it steers or is left to checking, and why; then the pattern.

    Args:
        requirements: The requirements of the call.
        prompt: The prompt, whose script and longest words the text may have too.

    Raises:
        ContradictionError: No text can meet two of them.
    """
    steering = steer([form for requirement in requirements for form in requirement.forms], prompt)
    lines = [str(outcome) for outcome in steering.outcomes]
    if steering.pattern is not None:
        lines += [f"At most {steering.longest} tokens.", f"Pattern: {steering.pattern}"]
    return "\n".join(lines)
