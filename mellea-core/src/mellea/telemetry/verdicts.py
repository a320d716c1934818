"""Verdicts on answers, as the event ``gen_ai.evaluation.result``."""

from __future__ import annotations

from typing import Any

from mellea.core.requirement import Requirement, ValidationResult
from mellea.telemetry.failures import error_type
from mellea.telemetry.instruments import METER

__all__ = ["Verdicts"]

_EVENT = "gen_ai.evaluation.result"


class Verdicts:
    """Tells verdicts to the logger of a provider; where the program has none, to the current span.

    Args:
        provider: Whose logger; by default the program's.
        content: Whether the reasons are told too, which may quote the answer.
    """

    def __init__(self, provider: Any, *, content: bool) -> None:
        self._provider = provider
        self._content = content

    def tell(self, requirement: Requirement, result: ValidationResult, target: Any, span: Any) -> None:
        """Tell one verdict.

        Args:
            requirement: What was checked.
            result: The verdict.
            target: The answer.
            span: The context of the span that the answer came from; None where it is not known.
        """
        known: dict[str, Any] = {
            "gen_ai.evaluation.name": requirement.name,
            "gen_ai.evaluation.score.label": _label(result),
        }
        score = (
            result.score if result.score is not None else (None if _is_open(result) else float(result.result))
        )
        if score is not None:
            known["gen_ai.evaluation.score.value"] = float(score)
        if result.error is not None:
            known["error.type"] = error_type(result.error)
        if self._content and result.reason:
            known["gen_ai.evaluation.explanation"] = result.reason
        generation = getattr(target, "generation", None)
        if generation is not None and generation.response_id:
            known["gen_ai.response.id"] = generation.response_id
        logger = self._logger()
        if logger is None:
            from opentelemetry import trace  # noqa: PLC0415  an extra

            trace.get_current_span().add_event(_EVENT, known)
            return
        from opentelemetry._logs import LogRecord  # noqa: PLC0415  an extra

        logger.emit(LogRecord(event_name=_EVENT, attributes=known, context=span))

    def _logger(self) -> Any:
        """Return the logger of the provider; None where the program has set none."""
        from opentelemetry import _logs  # noqa: PLC0415  an extra

        provider = self._provider or _logs.get_logger_provider()
        if type(provider).__module__.startswith("opentelemetry._logs"):
            return None
        return provider.get_logger(METER)


def _is_open(result: ValidationResult) -> bool:
    return bool(result.skipped or result.undecided)


def _label(result: ValidationResult) -> str:
    if result.skipped:
        return "skipped"
    if result.undecided:
        return "undecided"
    return "pass" if result.result else "fail"
