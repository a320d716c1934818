"""From messages and texts to token ids."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from jinja2 import TemplateError as JinjaError

from mellea.core import ContextWindowError, Message, RequestRejectedError, UsageError
from mellea_hf.options import DEFAULT_MAX_NEW_TOKENS

__all__ = ["PromptEncoder"]


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
        characters it is made of.

        Args:
            messages: The conversation, oldest first.
            variables: Further variables of the chat template.

        Raises:
            UsageError: The tokenizer has no chat template.
            RequestRejectedError: The chat template refuses the conversation.
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
                [_mapping(message) for message in messages],
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


def _mapping(message: Message) -> dict[str, Any]:
    """Return a message as chat templates read it."""
    fields: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.tool_calls:
        fields["tool_calls"] = [
            {"type": "function", "function": {"name": call.name, "arguments": dict(call.args)}}
            for call in message.tool_calls
        ]
    return fields
