"""From messages and texts to token ids."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Mapping, Sequence
from itertools import takewhile
from typing import Any

from attrs import evolve
from jinja2 import TemplateError as JinjaError

from mellea.core import (
    ContextWindowError,
    Message,
    OptionNotSupportedWarning,
    RequestRejectedError,
    UsageError,
)
from mellea.core.message import merge_provider_fields
from mellea.core.tool_call import call_fields
from mellea_hf.options import DEFAULT_MAX_NEW_TOKENS

__all__ = ["PromptEncoder"]

_PROBE = "Is this shown?"
_FRAME = 5
"""About the tokens that a chat template puts around a message."""


class PromptEncoder:
    """Encodes prompts for one model. Any thread may use it.

    Args:
        tokenizer: A transformers tokenizer.
        model_id: The model, for error messages.
        window: Size of the context window, in tokens; None when the model does not say.
    """

    def __init__(self, tokenizer: Any, model_id: str, window: int | None) -> None:
        self._tokenizer = tokenizer
        self._model_id = model_id
        self._window = window
        self._reported = False
        # The first call may reset truncation in the Rust tokenizer; later ones only read it, so that threads
        # may share it.
        tokenizer("warm up")

    @property
    def template(self) -> str:
        """The chat template; empty when the tokenizer has none."""
        template = self._tokenizer.chat_template
        return template if isinstance(template, str) else (template or {}).get("default", "")

    def chat(self, messages: Sequence[Message], variables: Mapping[str, Any] | None = None) -> list[int]:
        """Return the ids of a conversation and of the head of the answer to come.

        Text in a message is never read as a control token: ``<|im_end|>`` in a message is encoded as the
        characters it is made of. Where the template knows no system role, the first user message begins with
        what the system says.

        Args:
            messages: The conversation, oldest first.
            variables: Further variables of the chat template.

        Raises:
            UsageError: The tokenizer has no chat template.
            RequestRejectedError: The chat template refuses the conversation.

        Warns:
            OptionNotSupportedWarning: Once, that the template knows no system role.
        """
        if not self.template:
            raise UsageError(
                f"{self._model_id} has no chat template: it is no model to chat with.",
                hint="Choose an instruct model, or complete plain text with generate_from_raw.",
                backend="hf",
                model_id=self._model_id,
            )
        try:
            ids: list[int] = self._tokenizer.apply_chat_template(
                [_as_mapping(message) for message in self._with_one_system_text(messages)],
                add_generation_prompt=True,
                sanitize_control_tokens=True,
                return_dict=False,
                **(variables or {}),
            )
        except (JinjaError, ValueError, TypeError) as error:
            raise RequestRejectedError(
                f"The chat template of {self._model_id} refuses the conversation: {error}.",
                hint="Change the order or the roles of the messages as it says.",
                backend="hf",
                model_id=self._model_id,
            ) from error
        return ids

    def count(self, messages: Sequence[Message]) -> int:
        """Return the tokens of a conversation, about so many where the chat template refuses it."""
        try:
            return len(self.chat(messages))
        except (RequestRejectedError, UsageError):
            texts = [message.content for message in messages]
            return sum(
                len(self._tokenizer(text, add_special_tokens=False).input_ids) + _FRAME for text in texts
            )

    def _with_one_system_text(self, messages: Sequence[Message]) -> Sequence[Message]:
        """Return the conversation with what the system says first in one message that is shown."""
        system = list(takewhile(lambda message: message.role == "system", messages))
        others = list(messages[len(system) :])
        if not system or (len(system) == 1 and self._shows_system):
            return messages
        text = "\n\n".join(message.content for message in system)
        if self._shows_system:
            return [Message("system", text), *others]
        self._report_missing_role()
        if others and others[0].role == "user":
            return [evolve(others[0], content=f"{text}\n\n{others[0].content}"), *others[1:]]
        return [Message("user", text), *others]

    @functools.cached_property
    def _shows_system(self) -> bool:
        said = [{"role": "system", "content": _PROBE}, {"role": "user", "content": "x"}]
        try:
            return _PROBE in self._tokenizer.apply_chat_template(said, tokenize=False)
        except Exception:  # noqa: BLE001  whatever a template does about a role that it does not know
            return False

    def _report_missing_role(self) -> None:
        if not self._reported:
            self._reported = True
            what = (
                f"The chat template of {self._model_id} knows no system role: the first user message begins "
            )
            warnings.warn(f"{what}with what the system says.", OptionNotSupportedWarning, stacklevel=2)

    def text(self, prompt: str) -> list[int]:
        """Return the ids of a plain text, which is the caller's own prompt.

        Control tokens in it are control tokens.

        Raises:
            RequestRejectedError: The text is empty, and the model has no token that begins one.
        """
        ids: list[int] = self._tokenizer(prompt).input_ids
        if not ids and self._tokenizer.bos_token_id is not None:
            return [self._tokenizer.bos_token_id]
        if not ids:
            raise RequestRejectedError(
                "There is nothing to complete: the prompt is empty.", hint="Pass some text.", backend="hf"
            )
        return ids

    def room(self, prompt_tokens: int, max_new_tokens: int | None) -> int:
        """Return how many tokens may be generated after a prompt.

        Args:
            prompt_tokens: Tokens of the prompt.
            max_new_tokens: The most that the caller wants; None takes the default, or less where the window
                ends.

        Raises:
            ContextWindowError: The window is too small.
        """
        wanted = max_new_tokens or DEFAULT_MAX_NEW_TOKENS
        if self._window is None:
            return wanted
        if prompt_tokens + (max_new_tokens or 1) > self._window:
            raise ContextWindowError(
                f"The prompt of {prompt_tokens} tokens and an answer of {max_new_tokens or 1} do not fit "
                f"into the context window of {self._model_id}, which has {self._window} tokens.",
                hint="Shorten the prompt, lower MAX_NEW_TOKENS, or bound the conversation with "
                "ChatContext(window_size=...).",
                backend="hf",
                model_id=self._model_id,
            )
        return min(wanted, self._window - prompt_tokens)


def _as_mapping(message: Message) -> dict[str, Any]:
    """Return a message as chat templates read it."""
    fields: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.tool_calls:
        fields["tool_calls"] = [
            {"type": "function", "function": {"name": name, "arguments": dict(arguments)}}
            for _, name, arguments in map(call_fields, message.tool_calls)
        ]
    return merge_provider_fields(fields, message.provider_fields, "huggingface")
