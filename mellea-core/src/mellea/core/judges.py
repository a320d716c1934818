"""Judges: who decides whether an output meets a requirement, where that is more than asking a backend."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from mellea.core.foreign_backend import as_backend
from mellea.core.setting import Setting

if TYPE_CHECKING:
    from mellea.core.backend import Backend
    from mellea.core.context import Context
    from mellea.core.judge import Criterion
    from mellea.core.validation import ValidationResult

__all__ = ["Judge", "ask_judge", "backend_of", "judge_in_force", "judging"]

_in_force: ContextVar[Backend | Judge | None] = ContextVar("mellea_judge", default=None)


class Judge(ABC):
    """What judges in a way of its own.

    It stands where a backend may: ``Requirement(..., judge=...)``, ``judge=`` of a strategy and of a session.
    """

    backend: Backend | None = None
    """The backend that is asked; None for the one that would judge without this."""

    @abstractmethod
    async def verdicts(
        self,
        criteria: Sequence[Criterion],
        backend: Backend,
        ctx: Context,
        model_options: Mapping[str, Any] | None = None,
    ) -> list[ValidationResult]:
        """Return the verdict on each requirement, in order.

        Args:
            criteria: What the last output in ``ctx`` must respect.
            backend: What is asked: the judge's own backend, where it has one.
            ctx: The conversation, up to and with the output.
            model_options: Options of the judging calls.

        Raises:
            UsageError: There is no output, or a requirement has no description.
            ProviderError: The judge could not be asked.
        """


def backend_of(judge: Any, default: Any) -> Backend:
    """Return the backend that is asked where ``judge`` judges, and ``default`` would without one."""
    own = judge.backend if isinstance(judge, Judge) else judge
    return as_backend(default if own is None else own)


def judging(judge: Backend | Judge | None) -> AbstractContextManager[None]:
    """Let a judge judge, in a block, what names none; None for the backend that writes."""
    return nullcontext() if _in_force.get() is judge else Setting(_in_force, judge)


def judge_in_force() -> Backend | Judge | None:
    """Return who judges what names no judge: that of the session whose call this is; None for what writes."""
    return _in_force.get()


async def ask_judge(
    judge: Any,
    criteria: Sequence[Criterion],
    default: Any,
    ctx: Context,
    model_options: Mapping[str, Any] | None = None,
) -> list[ValidationResult]:
    """Return a judge's verdict on each requirement, in order.

    Args:
        judge: A judge, a backend, or None.
        criteria: What the last output in ``ctx`` must respect.
        default: The backend that is asked where the judge names none.
        ctx: The conversation, up to and with the output.
        model_options: Options of the judging calls.

    Raises:
        UsageError: There is no output, or a requirement has no description.
        ProviderError: The judge could not be asked.
    """
    backend = backend_of(judge, default)
    if isinstance(judge, Judge):
        return await judge.verdicts(criteria, backend, ctx, model_options)
    from mellea.core.judge import judge as written  # noqa: PLC0415  many programs never judge

    return await written(criteria, backend, ctx, model_options)
