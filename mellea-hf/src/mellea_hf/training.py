"""Training adapters of the model that a backend holds."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING

from mellea.core.adapter import Adapter
from mellea.core.training import TrainingAPI, TrainingExample, TrainingRun, TrainingSettings
from mellea_hf._engine import engine
from mellea_hf.job import Job

if TYPE_CHECKING:
    from mellea_hf.engines import ServedModel
    from mellea_hf.holding import Holder

__all__ = ["AdapterTrainer"]


class AdapterTrainer(TrainingAPI):
    """What a backend trains with, beside what it holds and runs."""

    model_id: str
    _holder: Holder[ServedModel]
    _jobs: set[Job]

    async def train_adapter(
        self, adapter: Adapter, examples: Sequence[TrainingExample], settings: TrainingSettings
    ) -> TrainingRun:
        """Write the weights of an adapter into its folder.

        What else is asked of the engine's thread waits so long.

        Raises:
            UsageError: The model has no layers that can be trained, or no example fits into its window.
            GenerationCancelledError: The training was given up.
        """
        loaded = (await self._holder.get()).loaded
        await asyncio.to_thread(import_module, "peft")
        job, made = Job(), list[TrainingRun]()

        def work() -> None:
            from mellea_hf.lora_training import train_lora  # noqa: PLC0415  heavy

            made.append(train_lora(loaded, adapter, examples, settings, self.model_id, job.must_stop))

        self._jobs.add(job)
        job.follow(engine.submit(work, is_long=True))
        try:
            await job.result()
        finally:
            try:
                await job.stop()
            finally:
                self._jobs.discard(job)
        return made[0]
