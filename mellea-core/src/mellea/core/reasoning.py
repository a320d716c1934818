"""Reasoning beside a model's answer: taken out of its text, and told from an answer where it is alone.

Servers hand reasoning on in a field of its own, or leave it in the text, depending on the model, its template
and their settings. Here both become the same.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from contextvars import ContextVar
from typing import TYPE_CHECKING

from mellea.core.capabilities import Capability
from mellea.core.options import ModelOption
from mellea.core.setting import Setting

if TYPE_CHECKING:
    from mellea.core.generate_config import GenerateConfig
    from mellea.core.message import Message
    from mellea.core.model_api import ModelAPI

__all__ = [
    "MARKS",
    "NoAnswerWarning",
    "ReasoningFilter",
    "looking_after_answers",
    "only_reasoned",
    "opened_at_the_end",
    "replays_reasoning",
    "warns_of_no_answer",
    "without_reasoning",
]

_TAGS = {
    "<think>": "</think>",
    "[THINK]": "[/THINK]",
    "<thinking>": "</thinking>",
    "<thought>": "</thought>",
    "<reasoning>": "</reasoning>",
    "<seed:think>": "</seed:think>",
    "◁think▷": "◁/think▷",
    "<|START_THINKING|>": "<|END_THINKING|>",
    "<|channel|>analysis<|message|>": "<|end|><|start|>assistant<|channel|>final<|message|>",
    "<|channel>thought\n": "<channel|>",
    "Here is my thought process:": "Here is my response:",
}
"""What opens reasoning, and what closes it.

In this order, from ``<think>``: Qwen, DeepSeek, Granite, SmolLM3, GLM, Phi and most others; Mistral; what
prompts ask for; and from ``<seed:think>``: Seed-OSS, Kimi, Command, gpt-oss, Gemma 4, Granite 3.2.
"""
MARKS = frozenset(
    {
        *("[THINK]", "[/THINK]", "<think>", "</think>", "<|START_THINKING|>", "<|END_THINKING|>"),
        *("<|channel>", "<channel|>", "<|channel|>", "<|message|>", "<|start|>", "<|end|>"),
    }
)
"""Those that may be control tokens, which an engine that leaves control tokens out of the text keeps."""
_WITHOUT_REASONING = "<|channel|>final<|message|>"
"""How gpt-oss begins an answer that it gives at once."""
_RESPONSE, _RESPONSE_END = "<response>", "</response>"
"""What Granite 3.3 puts around its answer, behind its reasoning."""
_MODELS_OWN = (
    "<think>",
    "[THINK]",
    "<seed:think>",
    "◁think▷",
    "<|START_THINKING|>",
    "<|channel|>analysis<|message|>",
    "<|channel>thought\n",
)
"""Tags that models are trained on; the others may be what a prompt asks for, and then stay in the text."""
_LOWERED = {tag.lower(): tag for tag in _TAGS}
_OPENINGS = tuple(_LOWERED)
_BEGINNINGS = frozenset(
    opening[:size] for opening in (*_OPENINGS, _WITHOUT_REASONING) for size in range(1, len(opening))
)
"""Texts that may still become an opening."""
_FIRST = frozenset(opening[0] for opening in (*_OPENINGS, _WITHOUT_REASONING))
_LONGEST = max(map(len, (*_OPENINGS, _WITHOUT_REASONING)))
_MOST_SPACE = 256
"""Characters of blanks at the start of a text that are held back, since a tag may follow."""
_CLOSED = re.compile(r"^[ \t]*(?:</think>|\[/THINK\])[ \t]*(?:\n|\Z)", re.MULTILINE)
"""The end of reasoning that the chat template has opened, so that the text begins within it."""


class NoAnswerWarning(UserWarning):
    """The model reasoned and gave no answer, so that the text is empty."""


class ReasoningFilter:
    """Tells reasoning in tags at the start of a growing text from the answer behind it.

    Args:
        asked_for: Tells whether the prompt asks for a tag, which is then the caller's and stays in the text.
        is_whole: Whether the text comes in one piece, so that reasoning without its opening tag can be seen.
    """

    def __init__(self, asked_for: Callable[[str], bool], *, is_whole: bool) -> None:
        self._asked_for = asked_for
        self._is_whole = is_whole
        self._held = ""
        self._closing = ""
        self._is_after = False
        self._has_begun = False
        self._is_wrapped = False
        self._skips_breaks = False
        """Whether the next line breaks are those behind the opening of a wrapping."""

    @property
    def passes(self) -> bool:
        """Whether the answer has begun, and everything is text from now on."""
        return self._has_begun and not self._is_wrapped

    def begin_answer(self) -> None:
        """Note that reasoning came by another way, so that blanks before the answer are none of it."""
        self._is_after = True

    def feed(self, piece: str) -> tuple[str, str]:
        """Return what of the text so far is known to be answer, and what reasoning."""
        if self.passes:
            return piece, ""
        if not self._held and self._begins_plainly(piece):
            self._has_begun = True
            return piece, ""
        self._held += piece
        thoughts: list[str] = []
        while not self._has_begun and (self._closing or self._opened()):
            thoughts.append(self._within())
            if self._closing:  # the reasoning goes on
                break
        return self._answer(), "".join(thoughts)

    def _begins_plainly(self, text: str) -> bool:
        """Tell at a glance that a text begins with no reasoning; most do."""
        start = text.lstrip()
        if self._is_after or self._closing or not start or start[0].lower() in _FIRST:
            return False
        return not self._is_whole or ("</think>" not in text and "[/THINK]" not in text)

    def end(self) -> tuple[str, str]:
        """Return what was held back, when nothing more comes: answer, and reasoning."""
        held, self._held = self._held, ""
        if self._is_wrapped:
            return ("" if held.strip() == _RESPONSE_END else held), ""
        return ("", held) if self._closing else (held.lstrip() if self._is_after else held, "")

    def _answer(self) -> str:
        """Take what is held if the answer has begun; what may be the end of its wrapping is held on."""
        if not self._has_begun:
            return ""
        text = self._held
        if self._skips_breaks:
            text = text.lstrip("\n")
            self._skips_breaks = not text
        kept = len(text)
        if self._is_wrapped:
            stripped = text.rstrip()
            ends = (
                size for size in range(len(_RESPONSE_END), 0, -1) if stripped.endswith(_RESPONSE_END[:size])
            )
            kept = len(stripped) - next(ends, 0)
        self._held = text[kept:]
        return text[:kept]

    def _opened(self) -> bool:
        """Look at the start of what is held; tell whether reasoning begins there."""
        start = self._held.lstrip()
        lowered = start[:_LONGEST].lower()
        opening = None
        if lowered.startswith(_OPENINGS):
            opening = next(tag for low, tag in _LOWERED.items() if lowered.startswith(low))
        if opening is not None and (opening in _MODELS_OWN or not self._asked_for(opening)):
            self._held, self._closing = start[len(opening) :].lstrip("\n"), _TAGS[opening]
            return True
        if opening is None and self._is_whole and (end := _CLOSED.search(self._held)) is not None:
            self._closing = end.group().strip()
            return True
        if lowered.startswith(_WITHOUT_REASONING):
            self._held, self._has_begun = start[len(_WITHOUT_REASONING) :], True
            return False
        may_open = not start or lowered in _BEGINNINGS
        if self._is_after and not self._asked_for(_RESPONSE):
            if lowered.startswith(_RESPONSE):
                self._held = start[len(_RESPONSE) :]
                self._has_begun = self._is_wrapped = self._skips_breaks = True
                return False
            may_open = may_open or _RESPONSE.startswith(lowered)
        if opening is None and may_open and len(self._held) <= _MOST_SPACE:
            return False
        self._held = start if self._is_after else self._held
        self._has_begun = True
        return False

    def _within(self) -> str:
        """Return the reasoning in what is held, up to its end or to what may be its end."""
        at = self._held.lower().find(self._closing.lower())
        if at >= 0:
            thought, self._held = self._held[:at], self._held[at + len(self._closing) :]
            self._closing, self._is_after = "", True
            return thought.rstrip()
        kept = len(self._closing) - 1
        thought, self._held = self._held[:-kept], self._held[-kept:]
        return thought


def opened_at_the_end(prompt: str) -> str:
    """Return the tag with which the end of a prompt opens reasoning, as some chat templates do; else nothing.

    The text that follows begins within the reasoning.
    """
    end = prompt.rstrip()
    return next((tag for tag in _MODELS_OWN if end.endswith(tag.rstrip())), "")


def only_reasoned(finish_reason: str | None) -> tuple[str, str]:
    """Return in words that a model reasoned and gave no answer, and what to do about it."""
    how = f" (finish reason {finish_reason!r})" if finish_reason else ""
    remedy = "Raise MAX_NEW_TOKENS or CONTEXT_WINDOW, or ask" if finish_reason == "length" else "Ask"
    return (
        f"The model reasoned and gave no answer{how}.",
        f"{remedy} without reasoning: ModelOption.THINKING: False.",
    )


def replays_reasoning(message: Message) -> bool:
    """Tell whether a message's reasoning is sent back to the model: that which led to calls of tools is.

    Models that reason between calls go on from there; what led to an answer is of no more use to them.
    """
    return message.role == "assistant" and bool(message.thinking) and bool(message.tool_calls)


def without_reasoning(config: GenerateConfig, backend: ModelAPI) -> GenerateConfig:
    """Return how to ask a model again that only reasoned: without, unless the caller asked for reasoning."""
    options = config.over(backend.model_options, table=backend.options).options
    if ModelOption.THINKING in options or Capability.THINKING not in backend.capabilities:
        return config
    return config.under({ModelOption.THINKING: False})


_looked_after: ContextVar[bool] = ContextVar("mellea_answers_looked_after", default=False)


def looking_after_answers() -> AbstractContextManager[None]:
    """Say that whoever asks in a block sees to an answer that is missing, so that nobody is warned of it."""
    return Setting(_looked_after, True)


def warns_of_no_answer() -> bool:
    """Tell whether the one who asks is to be warned of an answer that is missing."""
    return not _looked_after.get()
