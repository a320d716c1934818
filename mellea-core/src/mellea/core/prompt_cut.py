"""A prompt that a server has cut in silence, seen by what it says it has read."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mellea.core.errors import ContextWindowError
from mellea.core.model_api import ModelAPI
from mellea.core.response import Usage

__all__ = ["PromptCutWarning", "check_prompt_read"]

_FEWEST_WORDS = 500
"""Prompts of fewer words fit into any window."""


class PromptCutWarning(UserWarning):
    """The server read far fewer tokens than the prompt has words: it has dropped a part of it."""


def check_prompt_read(
    texts: Sequence[str], usage: Usage | None, backend: ModelAPI, warn: Callable[[Warning], None]
) -> None:
    """Compare what a server says it has read with what it was sent.

    A tokenizer makes a token or more of nearly every word. A count below half the number of words is one that
    no tokenizer reaches, so that there is no false alarm; a prompt that is cut by less is not seen. Words are
    what stands between blanks and holds a letter or digit. Nothing is said of a count that is missing, or
    that leaves cached tokens out.

    Args:
        texts: What was sent; the messages of a conversation.
        usage: What the server says.
        backend: What was asked.
        warn: Warns the caller.

    Raises:
        ContextWindowError: The prompt was cut, and the backend is strict.

    Warns:
        PromptCutWarning: The prompt was cut.
    """
    if usage is None or usage.prompt_tokens <= 0 or usage.cached_tokens:
        return
    most = (sum(map(len, texts)) + len(texts)) // 2  # a word and a blank take two characters
    if most < _FEWEST_WORDS or usage.prompt_tokens * 2 >= most:  # so that few prompts are counted out
        return
    blanks = sum(text.count(" ") + text.count("\n") + text.count("\t") + 1 for text in texts)
    if blanks < _FEWEST_WORDS or usage.prompt_tokens * 2 >= blanks:
        return
    words = sum(any(map(str.isalnum, word)) for text in texts for word in text.split())
    if words < _FEWEST_WORDS or usage.prompt_tokens * 2 >= words:
        return
    what = (
        f"{backend.provider} ({backend.model_id}) read {usage.prompt_tokens:,} tokens of a prompt of "
        f"{words:,} words: the server has dropped a part of it without a word."
    )
    hint = "Shorten the prompt, or give the model a larger context window."
    if backend.strict_options:
        raise ContextWindowError(
            what,
            hint=hint,
            prompt_tokens=None,
            window=None,
            backend=backend.provider,
            model_id=backend.model_id,
        )
    warn(PromptCutWarning(f"{what} {hint}"))
