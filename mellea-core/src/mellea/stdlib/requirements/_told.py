"""A check of an output as the handlers of hooks see it: it begins once, and ends once, whatever happens."""

from __future__ import annotations

import time
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeAlias

from attrs import evolve

from mellea.core.context import Context
from mellea.core.errors import UsageError
from mellea.core.hook_tasks import to_the_end
from mellea.core.hooks import around, current_scope, fire_in
from mellea.core.requirement import Requirement, ValidationResult, reqify

__all__ = ["told_check"]

Check: TypeAlias = Callable[
    [Sequence[Requirement], Mapping[str, Any] | None], Awaitable[list[ValidationResult]]
]


async def told_check(
    requirements: Sequence[Requirement],
    ctx: Context,
    model_options: Mapping[str, Any] | None,
    check: Check,
) -> list[tuple[Requirement, ValidationResult]]:
    """Check an output while the handlers of hooks are told of it.

    Args:
        requirements: What is checked.
        ctx: The conversation, up to and with the output.
        model_options: Options of the judging calls.
        check: Returns what each requirement says.
    """
    scope, started = current_scope(), time.perf_counter()
    known: dict[str, Any] = {"validation_id": uuid.uuid4().hex, "target": ctx.last_output()}

    def post(results: Sequence[ValidationResult], error: BaseException | None) -> Any:
        passed = sum(result.result for result in results)
        return fire_in(
            scope,
            "validation_post_check",
            requirements=requirements,
            results=results,
            all_validations_passed=error is None and passed == len(results),
            passed_count=passed,
            failed_count=len(results) - passed,
            exception=error,
            latency_ms=(time.perf_counter() - started) * 1000,
            **known,
        )

    try:
        changed = await fire_in(
            scope,
            "validation_pre_check",
            requirements=requirements,
            context=ctx,
            model_options=model_options,
            **known,
        )
        requirements = [reqify(one) for one in changed.get("requirements", requirements) or ()]
        with around(known["validation_id"]):
            results = await check(requirements, changed.get("model_options", model_options))
    except BaseException as error:
        await to_the_end(post((), error), scope.session_id)
        raise
    decided = _decided(results, await post(results, None))
    return list(zip(requirements, decided, strict=True))


def _decided(results: Sequence[ValidationResult], changed: Mapping[str, Any]) -> Sequence[ValidationResult]:
    """Return what the checks come to, with what handlers have changed.

    Raises:
        UsageError: They are no results, or not one for each requirement.
    """
    decided: Sequence[Any] = changed.get("results", results)
    if len(decided) != len(results) or not all(isinstance(one, ValidationResult) for one in decided):
        raise UsageError(
            f"A handler of validation_post_check gave {decided!r} for {len(results)} requirements.",
            hint="Give a ValidationResult for each, in order.",
        )
    wanted = changed.get("all_validations_passed")
    if wanted is None or bool(wanted) == all(one.result for one in decided):
        return decided
    reason = "A handler of validation_post_check decides so."
    return [evolve(one, result=bool(wanted), reason=reason) for one in decided]
