"""Saying that a call returns what does not meet every requirement."""

from __future__ import annotations

from typing import Any

from mellea.core.call_site import RequirementsNotMetWarning, warn_caller
from mellea.core.thunk import ModelOutputThunk

__all__ = ["warn_of_failure"]

_REMEDY = (
    "It is returned all the same: output.met tells, and output.sampling has every attempt. "
    "Pass strict=True to raise instead, or return_sampling_results=True to instruct and act for the attempts."
)


def warn_of_failure(output: ModelOutputThunk[Any], hint: str = _REMEDY) -> None:
    """Warn at the caller's line if an output does not meet every requirement that was checked.

    Args:
        output: What a call returns.
        hint: What the caller can do about it.

    Warns:
        RequirementsNotMetWarning: The output does not.
    """
    sampling = output.sampling
    if sampling is not None and sampling.misses_requirements:  # what cannot be read says so when it is read
        warn_caller(RequirementsNotMetWarning(f"{sampling.shortcoming()} {hint}", result=sampling))
