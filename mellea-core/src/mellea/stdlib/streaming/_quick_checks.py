"""Letting requirements look at one chunk of a text that is still being written."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from mellea.core._error_words import words_of
from mellea.core.budget import is_being_cancelled
from mellea.core.context import Context
from mellea.core.errors import ProviderError
from mellea.core.requirement import PartialValidationResult, PartialValidationSummary, Requirement

if TYPE_CHECKING:
    from mellea.core.backend import Backend

__all__ = ["last_checks", "looks_at_chunks", "quick_checks"]

_UNKNOWN = PartialValidationResult("unknown")


def looks_at_chunks(check: Requirement) -> bool:
    """Tell whether a requirement has something to say before the text is complete."""
    own = getattr(check.stream_validate, "__func__", None) is not Requirement.stream_validate
    return own or type(check)._stream_validate is not Requirement._stream_validate  # noqa: SLF001  programs override it


async def quick_checks(
    checks: Sequence[Requirement],
    chunk: str,
    backend: Backend,
    ctx: Context,
    *,
    verbatim: str | None = None,
) -> list[PartialValidationResult]:
    """Return what each requirement says of a chunk, in their order.

    They look at it side by side; the first one that fails spares the others. A check that raises, or that
    returns something else than a verdict, fails with a reason that says so.

    Args:
        checks: The requirements.
        chunk: The chunk.
        verbatim: The text from the end of the chunk before, for requirements that count.
        backend: Judges, if a requirement asks a model.
        ctx: The conversation, with the output that is on its way.

    Raises:
        ProviderError: A judge could not be asked.
    """
    texts = {True: chunk if verbatim is None else verbatim, False: chunk}
    seen = [texts[getattr(check, "reads_verbatim", False)] for check in checks]
    verdicts = [_UNKNOWN] * len(checks)
    looking = [index for index, check in enumerate(checks) if looks_at_chunks(check)]
    if len(looking) == 1:
        verdicts[looking[0]] = await _verdict(checks[looking[0]], seen[looking[0]], backend, ctx)
        return verdicts
    tasks = {
        asyncio.create_task(_verdict(checks[index], seen[index], backend, ctx)): index for index in looking
    }
    pending = set(tasks)
    try:
        while pending and all(verdict.success != "fail" for verdict in verdicts):
            done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                verdicts[tasks[task]] = task.result()
    finally:
        await _stop_all(tasks)
    return verdicts


async def _stop_all(tasks: Iterable[asyncio.Future[PartialValidationResult]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(
        *tasks, return_exceptions=True
    )  # so that no error of theirs is reported as never read


async def last_checks(
    checks: Sequence[Requirement], backend: Backend, ctx: Context
) -> list[PartialValidationResult] | None:
    """Return what each requirement says of the chunk that it still holds when the text is over.

    None if none of them holds one. The first one that fails spares the others.

    Args:
        checks: The requirements.
        backend: Judges, if a requirement asks a model.
        ctx: The conversation, with the complete output.

    Raises:
        ProviderError: A judge could not be asked.
    """
    verdicts = [_UNKNOWN] * len(checks)
    for index, check in enumerate(checks):
        verdicts[index] = await _said(check, partial(check.stream_flush, backend=backend, ctx=ctx), _UNKNOWN)
        if verdicts[index].success == "fail":
            break
    return None if all(verdict is _UNKNOWN for verdict in verdicts) else verdicts


async def _verdict(check: Requirement, chunk: str, backend: Backend, ctx: Context) -> PartialValidationResult:
    return await _said(check, partial(check.stream_validate, chunk, backend=backend, ctx=ctx))


async def _said(
    check: Requirement, ask: Callable[[], Any], nothing: PartialValidationResult | None = None
) -> PartialValidationResult:
    """Return what a check says when it is asked; ``nothing`` where it has nothing to say."""
    try:
        verdict: Any = ask()
        if inspect.isawaitable(verdict):
            verdict = await verdict
    except ProviderError:
        raise
    except (Exception, asyncio.CancelledError) as error:  # a check that raises is a failed check
        if isinstance(error, asyncio.CancelledError) and is_being_cancelled():
            raise
        return PartialValidationResult(
            "fail", reason=f"The check {check.name!r} raised {type(error).__name__}: {words_of(error)}"
        )
    if nothing is not None and isinstance(verdict, list | tuple) and not verdict:
        return nothing
    if (
        isinstance(verdict, list | tuple)
        and verdict
        and all(isinstance(one, PartialValidationResult) for one in verdict)
    ):
        return PartialValidationSummary.from_results(verdict).as_result()
    if isinstance(verdict, PartialValidationResult):
        return verdict
    returned = type(verdict).__name__
    return PartialValidationResult(
        "fail", reason=f"The check {check.name!r} returned {returned}, no PartialValidationResult"
    )
