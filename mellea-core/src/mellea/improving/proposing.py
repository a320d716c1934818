"""Proposing better words for a text of a program, with the reasons why answers were no good."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from jinja2 import TemplateSyntaxError, meta
from jinja2.sandbox import ImmutableSandboxedEnvironment

from mellea.core.backend import Backend
from mellea.core.context import Context
from mellea.core.errors import ModelError
from mellea.core.requirement import Requirement, ValidationResult
from mellea.core.sampling import SamplingStrategy
from mellea.evaluation.outcomes import Outcome
from mellea.improving.parts import Part
from mellea.stdlib.components.genstub import generative
from mellea.stdlib.context.simple import SimpleContext
from mellea.stdlib.sampling.repair import RepairTemplateStrategy
from mellea.stdlib.session import MelleaSession

__all__ = ["as_case", "better_text", "propose"]

_LONGEST = 1_500
"""How many characters of a question or an answer are shown."""
_ROLES = {
    "docstring": "the docstring of a function that a language model acts as",
    "task": "a task for a language model",
    "prefix": "what a language model is told before its task",
    "requirement": "a requirement that an answer has to meet",
}


@generative(strict=True)
async def better_text(role: str, text: str, cases: str) -> str:
    """Rewrite a text, so that the language model that reads it gives better answers.

    The text stands in a program, in the role that is given. The cases say what came of
    it: what was asked, what was answered, and what was wrong with that. Find out what
    the answers lack. Say in the new text, plainly and for all cases of the kind, what a
    right answer is and is not. Keep what works, and every {{variable}} of the text. Do
    not answer the cases, and do not mention them. Return the whole new text and nothing
    else.
    """
    raise NotImplementedError


def as_case(number: int, outcome: Outcome) -> str:
    """Return in words what came of a task, with the reasons of its verdicts.

    Args:
        number: Its number.
        outcome: What came of it.
    """
    lines = [f"Case {number}", f"Asked: {_short(outcome.question)}"]
    if outcome.error is not None:
        return "\n".join([*lines, f"There is no answer, because of an error: {_short(outcome.error)}"])
    lines.append(f"Answered: {_short(outcome.text)}")
    for verdict in outcome.verdicts:
        why = f": {_short(verdict.reason)}" if verdict.reason else ""
        lines.append(f"{'Right' if verdict.met else 'Wrong'}: {verdict.requirement}{why}")
    return "\n".join(lines)


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


async def propose(part: Part, text: str, cases: Iterable[str], backend: Backend) -> str | None:
    """Return other words for a text, checked and repaired; None if the model finds none that can be used.

    Args:
        part: What the text is.
        text: The text.
        cases: What came of it.
        backend: What proposes.

    Raises:
        ProviderError: The provider failed.
    """
    strategy: SamplingStrategy = RepairTemplateStrategy(loop_budget=3)
    async with MelleaSession(backend, SimpleContext()) as session:
        try:
            found = await better_text(
                session,
                role=_ROLES[part.kind],
                text=text,
                cases="\n\n".join(cases),
                requirements=_requirements(part, text),
                strategy=strategy,
            )
        except ModelError:
            return None
    return str(found).strip()


def _requirements(part: Part, text: str) -> list[Requirement]:
    wanted = [
        _checked(
            "It is another text than before, and not empty.", lambda new: bool(new) and new != text.strip()
        ),
        _checked(f"It has at most {_longest(text)} characters.", lambda new: len(new) <= _longest(text)),
    ]
    if part.kind != "docstring":
        names = _variables(text) or set()
        shown = ", ".join(f"{{{{{name}}}}}" for name in sorted(names))
        said = f"It has exactly these variables: {shown}." if names else "It has no braces {{ or {%."
        wanted.append(_checked(said, lambda new: _variables(new) == names))
    return wanted


def _longest(text: str) -> int:
    return max(2_000, 4 * len(text))


def _variables(text: str) -> set[str] | None:
    """Return the variables of a template; None if it is none."""
    environment = ImmutableSandboxedEnvironment()
    try:
        return set(meta.find_undeclared_variables(environment.parse(text)))
    except TemplateSyntaxError:
        return None


def _checked(description: str, holds: Callable[[str], bool]) -> Requirement:
    def check(ctx: Context) -> ValidationResult:
        return ValidationResult(holds(str(ctx.last_output()).strip()))

    return Requirement(description, check)
