"""Several plain texts to complete: in one request where the server takes several, else side by side."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Any, TypeAlias

from mellea.core._chunk_stream import answer_of
from mellea.core.errors import ContextWindowError, RequestRejectedError
from mellea.core.event_loop import gather_or_cancel
from mellea.core.model_api import ModelAPI
from mellea.core.response import Completion

__all__ = ["PromptBatches"]

Send: TypeAlias = "Callable[[Sequence[str]], Coroutine[Any, Any, Sequence[Completion]]]"


class PromptBatches:
    """How one server takes several texts.

    That it takes but one a request, as Ollama's ``/v1/completions`` does, shows when it refuses several and
    not each of them; from then on it is known.

    Args:
        together: Whether to try several in one request at first.
    """

    def __init__(self, *, together: bool = True) -> None:
        self._together = together

    async def complete(self, backend: ModelAPI, prompts: Sequence[str], send: Send) -> list[Completion]:
        """Return the completions, in the order of the prompts.

        Of requests side by side each is tried again by itself.

        Args:
            backend: What is asked.
            prompts: The texts.
            send: Sends some in one request.
        """
        if self._together or len(prompts) == 1:
            try:
                return list(await send(prompts))
            except Exception as error:
                if len(prompts) == 1 or not _may_mind_the_number(backend, error):
                    raise
        answers = await gather_or_cancel(answer_of(backend, partial(send, [prompt])) for prompt in prompts)
        self._together = False
        return [completion for answer in answers for completion in answer]


def _may_mind_the_number(backend: ModelAPI, error: Exception) -> bool:
    from mellea.core._failures import translated  # noqa: PLC0415  only failures need it

    ours = translated(backend, error)
    return isinstance(ours, RequestRejectedError) and not isinstance(ours, ContextWindowError)
