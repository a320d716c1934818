"""A form of one's own: the texts of a Lark grammar."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from attrs import field, frozen

from mellea.core.errors import UsageError
from mellea.core.steering.forms.base import Form
from mellea.core.steering.plan import NotSteerableError, TextPlan

__all__ = ["LarkGrammar"]


@frozen
class LarkGrammar(Form):
    """The texts of a grammar in the Lark syntax of llguidance, whose first rule is ``start``.

    The backend ``hf`` holds a text to it. Everywhere the text is checked by llguidance, without a model.

    Args:
        text: The grammar.
        description: What it admits in words, for the model.

    Raises:
        UsageError: The grammar is none, or llguidance is not installed.
    """

    text: str = field(repr=False)
    description: str = field(default="")

    gives_whole = True

    def __attrs_post_init__(self) -> None:
        _matcher(self.text)

    def describe(self) -> str:
        """Return the form in words."""
        return self.description or f"The answer follows this Lark grammar:\n{self.text.strip()}"

    def check(self, text: str) -> tuple[bool, str]:
        """Return whether the grammar admits a text, apart from space around it."""
        body = text.strip().encode(errors="replace")
        matcher = _matcher(self.text).deep_copy()
        taken = matcher.try_consume_tokens(list(body))
        if taken == len(body) and matcher.is_accepting():
            return True, "the grammar admits it"
        rest = body[taken:][:40].decode(errors="replace")
        return False, f"the grammar does not go on with {rest!r}" if rest else "the grammar wants more"

    def edit(self, plan: TextPlan) -> TextPlan:
        """Raise an error: no plan can say it.

        Raises:
            NotSteerableError: Always.
        """
        raise NotSteerableError("a grammar is no pattern.")


@lru_cache(64)
def _matcher(grammar: str) -> Any:
    """Return a matcher of the bytes of a text; it is copied, and takes nothing itself.

    Raises:
        UsageError: The grammar is none, or llguidance is not installed.
    """
    try:
        from llguidance import LLMatcher, LLTokenizer  # noqa: PLC0415  optional, and it comes with hf
    except ImportError as error:
        raise UsageError(
            "A Lark grammar is checked by llguidance, which is not installed.",
            hint='Install it with: pip install "mellea-core[hf]"',
        ) from error
    matcher = LLMatcher(LLTokenizer("byte"), LLMatcher.grammar_from_lark(grammar), log_level=0)
    if matcher.is_error():
        raise UsageError(
            f"This is no Lark grammar: {matcher.get_error().strip()}", hint="Correct the grammar."
        )
    return matcher
