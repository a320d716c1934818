"""Payloads of the hooks of checks of an output."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from attrs import frozen

from mellea.core.hook_names import HookName
from mellea.core.hook_payloads.base import MelleaBasePayload, list_field, mapping_field

if TYPE_CHECKING:
    from mellea.core.component import Span
    from mellea.core.context import Context
    from mellea.core.requirement import Requirement
    from mellea.core.validation import ValidationResult

__all__ = ["ValidationPostCheckPayload", "ValidationPreCheckPayload"]


@frozen(kw_only=True)
class ValidationPreCheckPayload(MelleaBasePayload):
    """An output is about to be checked.

    Args:
        validation_id: The check; the same in the hook that ends it.
        requirements: What it has to meet.
        target: The output.
        context: The conversation with it.
        model_options: Options of the judging calls.
    """

    hook: ClassVar[HookName] = "validation_pre_check"
    writable: ClassVar[tuple[str, ...]] = ("requirements", "model_options")

    validation_id: str = ""
    requirements: Sequence[Requirement] = list_field()
    target: Span | None = None
    context: Context | None = None
    model_options: Mapping[str, Any] | None = mapping_field()


@frozen(kw_only=True)
class ValidationPostCheckPayload(MelleaBasePayload):
    """An output was checked, or could not be.

    Args:
        validation_id: The check.
        requirements: What it has to meet.
        target: The output.
        results: What each requirement says, in order; empty if an error ends it.
        all_validations_passed: Whether all are met.
        passed_count: How many are.
        failed_count: How many are not.
        exception: What ends it, if that is an error.
        latency_ms: Milliseconds that it took.
    """

    hook: ClassVar[HookName] = "validation_post_check"
    writable: ClassVar[tuple[str, ...]] = ("results", "all_validations_passed")

    validation_id: str = ""
    requirements: Sequence[Requirement] = list_field()
    target: Span | None = None
    results: Sequence[ValidationResult] = list_field()
    all_validations_passed: bool = False
    passed_count: int = 0
    failed_count: int = 0
    exception: BaseException | None = None
    latency_ms: float = 0.0
