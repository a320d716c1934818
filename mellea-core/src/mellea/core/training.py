"""Training: the weights of an adapter, made from conversations and their answers. An optional contract.

A backend that can train is a ``TrainingAPI`` too; ``train`` asks it, and refuses any other before anything
is computed.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from attrs import field, frozen

from mellea.core.adapter import Adapter
from mellea.core.errors import UsageError
from mellea.core.message import Message
from mellea.core.model_api import ModelAPI
from mellea.core.optional_contracts import missing_contract, translated_errors

__all__ = ["TrainingAPI", "TrainingExample", "TrainingRun", "TrainingSettings", "train"]


@frozen
class TrainingExample:
    """A conversation, and what the model should say to it.

    Args:
        messages: The conversation, oldest first.
        answer: The answer; it alone is learned, not the conversation.
    """

    messages: tuple[Message, ...]
    answer: str


def _check_count(settings: TrainingSettings, attribute: Any, value: Any) -> None:
    if value is None and attribute.default is None:
        return
    least = 0 if attribute.name == "seed" else 1
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise UsageError(f"{attribute.name} is {value!r}.", hint=f"Pass a whole number, {least} or more.")


def _check_above_zero(settings: TrainingSettings, attribute: Any, value: Any) -> None:
    if value is None and attribute.default is None:
        return
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise UsageError(f"{attribute.name} is {value!r}.", hint="Pass a number above zero.")


@frozen
class TrainingSettings:
    """How an adapter is trained.

    Args:
        rank: How many numbers each pair of matrices goes through.
        layers: How many of the model's last layers it acts on; None for all. Fewer are faster.
        epochs: How often each example is seen.
        steps: After how many steps to end; None for as many as the epochs take.
        seconds: After how many seconds to end; None for no limit.
        batch: How many examples a step sees.
        learning_rate: How far the first step goes; it falls to zero with the last one.
        seed: Seed of the first weights, and of the order of the examples.

    Raises:
        UsageError: A value is none of these.
    """

    rank: int = field(default=8, validator=_check_count)
    layers: int | None = field(default=None, validator=_check_count)
    epochs: int = field(default=4, validator=_check_count)
    steps: int | None = field(default=None, validator=_check_count)
    seconds: float | None = field(default=None, validator=_check_above_zero)
    batch: int = field(default=8, validator=_check_count)
    learning_rate: float = field(default=1e-3, validator=_check_above_zero)
    seed: int = field(default=0, validator=_check_count)


@frozen
class TrainingRun:
    """What a training came to.

    Args:
        examples: How many examples were learned from.
        too_long: How many were not, because they do not fit into the model's window.
        steps: How many steps were made.
        planned: How many there would have been without a limit of time.
        tokens: How many tokens were read, over all steps.
        first_loss: Mean negative log-probability of a token of the answers in the first step.
        last_loss: The same in the last step.
        seconds: How long it took.
    """

    examples: int
    too_long: int
    steps: int
    planned: int
    tokens: int
    first_loss: float
    last_loss: float
    seconds: float


class TrainingAPI(ABC):
    """What a backend is besides, if it can train adapters."""

    @abstractmethod
    async def train_adapter(
        self, adapter: Adapter, examples: Sequence[TrainingExample], settings: TrainingSettings
    ) -> TrainingRun:
        """Write the weights of an adapter into its folder, as peft lays them out.

        The model itself stays what it is, and the adapter is not taken in.
        """


async def train(
    backend: ModelAPI,
    adapter: Adapter,
    examples: Sequence[TrainingExample],
    settings: TrainingSettings | None = None,
) -> TrainingRun:
    """Train an adapter, and write it into its folder: peft's files and ``mellea-adapter.json``.

    The same examples, settings and machine make the same weights.

    Args:
        backend: The model that it is for.
        adapter: What it is to be called, and the folder, which exists.
        examples: What it learns.
        settings: How it is trained.

    Raises:
        CapabilityError: The backend cannot train.
        UsageError: There are no examples, an answer is empty, or the adapter has no folder.
        MelleaError: The training failed.
    """
    if not isinstance(backend, TrainingAPI):
        raise missing_contract(backend, TrainingAPI, "train", "nothing was computed")
    if not examples or not all(example.messages and example.answer for example in examples):
        raise UsageError(
            "There is nothing to learn: an example without an answer, or no example at all.",
            hint="Pass conversations with their answers.",
            backend=backend.provider,
        )
    if adapter.folder is None or not adapter.folder.is_dir():
        raise UsageError(
            f"Adapter {adapter.name!r} has no folder to be written into.", hint="Name one that exists."
        )
    with translated_errors(backend):
        run = await backend.train_adapter(adapter, examples, settings or TrainingSettings())
    adapter.save()
    return run
