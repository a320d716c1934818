"""Validating one output against many requirements: free checks first, judges side by side."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from mellea.core.backend import Backend
from mellea.core.context import Context
from mellea.core.event_loop import gather_or_cancel
from mellea.core.hooks import listens
from mellea.core.judges import Judge, ask_judge, backend_of, judge_in_force
from mellea.core.requirement import Requirement, ValidationResult

__all__ = ["SPARED", "judged_by", "validate_all", "validated"]

SPARED = ValidationResult(
    False, reason="Not judged, because a check that costs nothing failed already.", skipped=True
)
"""The verdict of a model that is not asked."""


def judged_by(judge: Any, requirements: Sequence[Requirement]) -> tuple[Requirement, ...]:
    """Return requirements of which a judge in a way of its own judges those that name none."""
    if not isinstance(judge, Judge):
        return tuple(requirements)
    return tuple(
        requirement
        if requirement.is_free or requirement.judge is not None
        else _with_judge(requirement, judge)
        for requirement in requirements
    )


def _with_judge(requirement: Requirement, judge: Judge) -> Requirement:
    twin = copy.copy(requirement)
    twin.judge = judge
    return twin


async def validate_all(
    requirements: Sequence[Requirement],
    ctx: Context,
    backend: Backend,
    *,
    judge_backend: Backend | Judge | None = None,
    spare_judges: bool = True,
    format: Any = None,
    model_options: Mapping[str, Any] | None = None,
) -> list[ValidationResult]:
    """Return what each requirement says of the last output in a context, in the order of the requirements.

    See ``validated``.
    """
    pairs = await validated(
        requirements,
        ctx,
        backend,
        judge_backend=judge_backend,
        spare_judges=spare_judges,
        format=format,
        model_options=model_options,
    )
    return [result for _, result in pairs]


async def validated(
    requirements: Sequence[Requirement],
    ctx: Context,
    backend: Backend,
    *,
    judge_backend: Backend | Judge | None = None,
    spare_judges: bool = True,
    format: Any = None,
    model_options: Mapping[str, Any] | None = None,
) -> list[tuple[Requirement, ValidationResult]]:
    """Return the requirements, each with what it says of the last output in a context.

    They are those that are given, unless a handler of a hook puts others in their place.

    Args:
        requirements: What to check.
        ctx: The conversation, up to and with the output.
        backend: Judges, where a requirement names no judge.
        judge_backend: Judges instead of ``backend``; by default the session's judge, where it has one.
        spare_judges: Whether no model is asked once a free check has failed.
        format: What the output had to look like.
        model_options: Options of the judging calls.

    Raises:
        UsageError: A requirement can be neither checked nor judged.
        ProviderError: A judge could not be asked.
    """
    judge = judge_in_force() if judge_backend is None else judge_backend
    check = partial(_checked, ctx, backend, judge, spare_judges, format)
    if requirements and listens("validation"):
        from mellea.stdlib.requirements._told import told_check  # noqa: PLC0415  only where somebody listens

        return await told_check(requirements, ctx, model_options, check)
    return list(zip(requirements, await check(requirements, model_options), strict=True))


async def _checked(
    ctx: Context,
    backend: Backend,
    judge: Backend | Judge | None,
    spare_judges: bool,
    format: Any,
    requirements: Sequence[Requirement],
    model_options: Mapping[str, Any] | None,
) -> list[ValidationResult]:
    """Return what each requirement says: the free ones first, then the judges that are still needed."""
    requirements = judged_by(judge, requirements)
    results: dict[int, ValidationResult] = {}
    free = [index for index, requirement in enumerate(requirements) if requirement.is_free]
    if free:
        checked = await gather_or_cancel(
            requirements[index].validate(backend, ctx, format=format, model_options=model_options)
            for index in free
        )
        results.update(zip(free, checked, strict=True))
    judged = [index for index in range(len(requirements)) if index not in results]
    if judged and spare_judges and not all(result.result for result in results.values()):
        results.update(dict.fromkeys(judged, SPARED))
    elif judged:
        verdicts = await _ask_judges(
            [requirements[index] for index in judged],
            ctx,
            backend_of(judge, backend),
            model_options,
        )
        results.update(zip(judged, verdicts, strict=True))
    return [results[index] for index in range(len(requirements))]


async def _ask_judges(
    requirements: Sequence[Requirement],
    ctx: Context,
    backend: Backend,
    model_options: Mapping[str, Any] | None,
) -> list[ValidationResult]:
    """Ask each judge about its requirements, all at the same time.

    Requirements that judge in a way of their own do so alone.
    """
    groups: dict[Any, list[int]] = {}
    for index, requirement in enumerate(requirements):
        plain = type(requirement).validate is Requirement.validate
        groups.setdefault(id(requirement.judge or backend) if plain else (index,), []).append(index)

    async def verdicts(indices: list[int]) -> list[ValidationResult]:
        first = requirements[indices[0]]
        if type(first).validate is not Requirement.validate:
            return [await first.validate(backend, ctx, model_options=model_options)]
        return await ask_judge(
            first.judge, [requirements[index] for index in indices], backend, ctx, model_options
        )

    answers = await gather_or_cancel(verdicts(indices) for indices in groups.values())
    results = dict(zip(itertools.chain(*groups.values()), itertools.chain(*answers), strict=True))
    return [results[index] for index in range(len(requirements))]
