"""What became of the requirements, as a client reads it."""

from __future__ import annotations

import math
from typing import Any

from mellea.core._sampled import Sampled
from mellea.core.redaction import redacted
from mellea.core.sampling import SamplingResult

__all__ = ["verdicts_of"]


def verdicts_of(sampling: Sampled | None) -> dict[str, Any] | None:
    """Return what each requirement says of the chosen attempt; None where no attempt was checked."""
    if not isinstance(sampling, SamplingResult):
        return None
    verdicts = [
        {
            "requirement": redacted(requirement.name),
            "met": bool(result.result),
            "reason": redacted(result.reason),
            "score": result.score if result.score is not None and math.isfinite(result.score) else None,
            "skipped": result.skipped,
        }
        for requirement, result in sampling.chosen.results
    ]
    return {"success": bool(sampling.success), "attempts": len(sampling.attempts), "requirements": verdicts}
