"""A pattern that a text is held to while it is written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import field, frozen

from mellea.core.errors import UsageError
from mellea.core.generate_config import GenerateConfig
from mellea.core.options import ModelOption
from mellea.core.schema import OutputSchema
from mellea.core.steering.casing import LetterCase

if TYPE_CHECKING:
    from mellea.core.steering.forms import Form

__all__ = ["TextPattern"]


@frozen
class TextPattern:
    """A pattern for plain text, given as the ``format`` of a call.

    It is sent as the pattern of a JSON string, which is how most servers take patterns; readers get the text
    of that string, piece by piece. Only for a backend that declares, or finds out, ``Capability.REGEX``.

    Args:
        pattern: The expression, in the dialect of llama.cpp's grammars, with JSON's escapes written out.
        longest: Tokens that the longest text may take.
        said: What the model is told of it, below the prompt: it does not see the pattern.
        forms: The forms of the text, for a backend that has automata for them (``Backend.holds``); the
            pattern is then not used.
        case: The case into which the text is put as it is read; None for the one that the model writes.
    """

    pattern: str = field(repr=False)
    longest: int
    said: str = ""
    forms: tuple[Form, ...] = ()
    case: LetterCase | None = None

    def schema(self) -> OutputSchema:
        """Return the schema that carries the pattern."""
        if self.forms:
            said = " ".join(form.describe() for form in self.forms)
            return OutputSchema("text", {"type": "string", "description": said}, None, None, "", self.forms)
        held: dict[str, Any] = {"type": "string", "pattern": self.pattern}
        from mellea.core.steering.pattern import plain  # noqa: PLC0415  few programs steer

        return OutputSchema("text", held, plain_pattern=plain(self.pattern))

    def bounded(self, config: GenerateConfig) -> GenerateConfig:
        """Return the config with room for the longest text.

        Raises:
            UsageError: The call's own limit on tokens is too small.
        """
        limit = config.options.get(ModelOption.MAX_NEW_TOKENS)
        if limit is None:
            return config.under({ModelOption.MAX_NEW_TOKENS: self.longest})
        if isinstance(limit, int) and limit < self.longest and not self.forms:
            raise UsageError(
                f"The requirements may take {self.longest} tokens, and MAX_NEW_TOKENS is {limit}; not sent.",
                hint=f"Allow {self.longest}, ask for less, or set ModelOption.STEER to False.",
            )
        return config
