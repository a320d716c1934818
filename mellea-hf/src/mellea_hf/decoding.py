"""Generation by transformers' own ``generate``, for what the engine's loop does not run.

In the engine's thread: one padded batch of prompts, one answer each. What else the thread has to do comes in
between its tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch
from transformers import LogitsProcessorList, StoppingCriteria, StoppingCriteriaList

from mellea_hf._engine import engine
from mellea_hf.answer import Answer
from mellea_hf.constraint import RowConstraint
from mellea_hf.generation_config import generation_config, options_named
from mellea_hf.homeward import HomewardProcessor, MaskProcessor
from mellea_hf.logprobs import LogprobRecorder
from mellea_hf.lora import LoraHooks, LoraWeights, Padded
from mellea_hf.model import LoadedModel
from mellea_hf.options import DecodingSettings
from mellea_hf.progress import progress_bar
from mellea_hf.sampling import sampling_processors

if TYPE_CHECKING:
    from mellea_hf.steering.row import SteeredRow

__all__ = ["generate"]

_PATIENCE = 2.0
"""Seconds of generation before a bar shows."""


class _Watcher(StoppingCriteria):  # type: ignore[misc]  # transformers is not typed
    """Hands each new token to its answer, and ends the rows whose answer has ended.

    All of them when told to stop.
    """

    def __init__(
        self,
        answers: Sequence[Answer],
        device: Any,
        must_stop: Callable[[], bool],
        advance: Callable[[], object],
        recorder: LogprobRecorder | None,
    ) -> None:
        self._answers = answers
        self._advance = advance
        self._recorder = recorder
        self._must_stop = must_stop
        self._ended = torch.zeros(len(answers), dtype=torch.bool, device=device)

    def __call__(self, input_ids: torch.Tensor, scores: Any, **_: Any) -> torch.Tensor:
        engine.give_way()
        if self._must_stop():
            return torch.ones_like(self._ended)
        self._advance()
        for index, (answer, token) in enumerate(zip(self._answers, input_ids[:, -1].tolist(), strict=True)):
            if answer.finish_reason is not None:
                continue
            if self._recorder is not None:
                self._recorder.note(index, token)
            if answer.push(token):
                self._ended[index] = True
        return self._ended


def generate(
    loaded: LoadedModel,
    prompts: Sequence[Sequence[int]],
    answers: Sequence[Answer],
    settings: DecodingSettings,
    *,
    max_new_tokens: int,
    constraints: Sequence[RowConstraint] | None,
    steered: Sequence[SteeredRow] | None = None,
    vocabulary: Any = None,
    must_stop: Callable[[], bool],
    shows_progress: bool = False,
    lora: LoraWeights | None = None,
) -> None:
    """Generate the answers to prompts.

    Args:
        loaded: The model.
        prompts: Token ids of each prompt.
        answers: The answers to fill; one that was stopped keeps no finish reason.
        settings: How to generate.
        max_new_tokens: The most tokens of an answer.
        constraints: What each answer is held to, if there is a schema.
        steered: What each answer is held to, if requirements steer.
        vocabulary: llguidance's tokenizer, for log-probabilities.
        must_stop: Asked after each token whether to give up.
        shows_progress: Whether nobody sees the pieces, so that a bar on a terminal has something to tell.
        lora: The weights of the adapter that answers; the prompts hold its invocation.

    Raises:
        UsageError: transformers refuses an option.
    """
    if must_stop():
        return
    device = loaded.model.device
    ids, mask = _pad(prompts, loaded.pad_token, device)
    recorder = None if settings.logprobs is None else LogprobRecorder(answers, settings.logprobs, vocabulary)
    processors = LogitsProcessorList([recorder] if recorder else [])
    if steered:
        processors.append(MaskProcessor(steered, answers, max_new_tokens))
    if constraints:
        draws = [sampling_processors(settings, 1, device) for _ in prompts]
        processors.append(MaskProcessor(constraints, answers, max_new_tokens))
        processors.append(HomewardProcessor(constraints, answers, max_new_tokens, draws))
    else:
        processors += sampling_processors(settings, len(prompts), device)
    config = generation_config(loaded, settings, ids.shape[1], max_new_tokens)
    title = "Generating" if len(prompts) == 1 else f"Generating {len(prompts)} answers"
    shape = "{desc}: {n} tokens, {elapsed}"
    bar = progress_bar(max_new_tokens, title, shape=shape, delay=_PATIENCE, wanted=shows_progress)
    watcher = StoppingCriteriaList([_Watcher(answers, device, must_stop, bar.update, recorder)])
    hooks = LoraHooks(loaded.model)
    acting = None if lora is None else _acting(lora, prompts, device)
    try:
        # Cheaper for each of the many small operations than the no_grad mode in which transformers generates.
        with torch.inference_mode(), hooks.acting(acting):
            loaded.model.generate(
                input_ids=ids,
                attention_mask=mask,
                generation_config=config,
                logits_processor=processors,
                stopping_criteria=watcher,
            )
    except Exception as error:
        if any(answer.tokens for answer in answers):
            raise
        # Before the first token, transformers has done no more than read its options.
        with options_named(settings):
            raise error from None
    finally:
        bar.close()
        with hooks.acting(None):  # which takes the hooks off
            pass
    if not must_stop():
        for index, answer in enumerate(answers):
            held = constraints or steered
            if answer.finish_reason is None and held is not None:
                held[index].advance(answer.tokens[-1])
                answer.finish("stop" if held[index].is_complete else "length")
            answer.finish("length")


def _acting(lora: LoraWeights, prompts: Sequence[Sequence[int]], device: Any) -> Padded:
    lengths = [len(prompt) - lora.invoked(prompt)[1] for prompt in prompts]
    return Padded(lora, torch.tensor(lengths, device=device))


def _pad(prompts: Sequence[Sequence[int]], pad_token: int, device: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """Return ids and attention mask of the prompts, padded on the left, where nothing is generated."""
    width = max(map(len, prompts))
    ids = [[pad_token] * (width - len(prompt)) + list(prompt) for prompt in prompts]
    mask = [[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts]
    return torch.tensor(ids, device=device), torch.tensor(mask, device=device)
