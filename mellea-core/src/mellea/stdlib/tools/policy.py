"""What is decided about calls with side effects, outside the model and whatever it is told."""

from __future__ import annotations

from typing import Literal, TypeAlias

from attrs import field, frozen, validators

from mellea.core.errors import UsageError
from mellea.core.tool_call import ModelToolCall

__all__ = ["ToolPolicy", "Verdict", "denial"]

Verdict: TypeAlias = Literal["allow", "ask", "deny"]
_VERDICTS = ("allow", "ask", "deny")


@frozen
class ToolPolicy:
    """Decides about calls by where they come from.

    Args:
        untrusted: What becomes of a call that comes from sources that are not trusted.
        by: What such a call is: one with an argument from there, or which nothing that is trusted asks for
            (``arguments``); or every one that is made after something from there was read (``reading``).
    """

    untrusted: Verdict = field(default="ask", validator=validators.in_(_VERDICTS))
    by: Literal["arguments", "reading"] = field(
        default="arguments", validator=validators.in_(("arguments", "reading"))
    )

    def __call__(self, call: ModelToolCall) -> Verdict:
        """Return what becomes of a call."""
        known = call.sources
        if known is None:
            return self.untrusted
        trusted = known.trusted if self.by == "arguments" else known.read.trusted
        return "allow" if trusted else self.untrusted


def denial(call: ModelToolCall, verdict: str, *, asks: bool) -> str | None:
    """Return why a call is denied, as the model is told; None for one that is not.

    Args:
        call: The call.
        verdict: What a policy says.
        asks: Whether there is anybody to ask.

    Raises:
        UsageError: It says something else.
    """
    if verdict not in _VERDICTS:
        raise UsageError(
            f"A policy returned {verdict!r} for a call of {call.name}; the call was not carried out.",
            hint="Return 'allow', 'ask' or 'deny'.",
        )
    if verdict == "allow" or (verdict == "ask" and asks):
        return None
    why = "nobody knows where it comes from" if call.sources is None else str(call.sources)
    nobody = ", and nobody is there to allow it" if verdict == "ask" else ""
    return f"The call of {call.name} is not allowed: {why}{nobody}."
