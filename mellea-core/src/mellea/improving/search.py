"""Searching for better texts with GEPA (Agrawal and others 2025, "Reflective prompt evolution")."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any, TypeVar

from mellea.core.backend import Backend
from mellea.core.errors import MelleaError, UsageError
from mellea.core.event_loop import in_thread
from mellea.evaluation.outcomes import Outcome
from mellea.evaluation.tasks import Task
from mellea.improving.proposing import as_case, propose
from mellea.improving.trials import SpentError, Trials

__all__ = ["check_installed", "search"]

T = TypeVar("T")

_log = logging.getLogger("mellea.improving")


def check_installed() -> None:
    """Refuse to go on without the package that searches.

    Raises:
        UsageError: It is not there.
    """
    from importlib.util import find_spec  # noqa: PLC0415  only a search needs it

    if find_spec("gepa") is None:
        raise UsageError(
            "The search for better prompts is not installed.",
            hint='Install it with: pip install "mellea-core[optimise]".',
        )


async def search(
    trials: Trials, tasks: Sequence[Task], reflector: Backend, *, rounds: int, seed: int
) -> None:
    """Try other texts on tasks, until what may be spent or the number of rounds is reached.

    What came of them is in the trials.

    Args:
        trials: Runs the program.
        tasks: The tasks.
        reflector: What proposes texts.
        rounds: How many proposals are made.
        seed: Seed of the order of everything.

    Raises:
        ProviderError: The reflector failed.
    """
    from gepa import optimize  # noqa: PLC0415  an extra, and 0.3 s to import

    adapter = _Adapter(trials, reflector, asyncio.get_running_loop())
    try:
        await in_thread(
            lambda: optimize(
                {part.name: part.text for part in trials.parts},
                trainset=list(tasks),
                adapter=adapter,
                reflection_minibatch_size=min(3, len(tasks)),
                stop_callbacks=lambda state: state.i >= rounds - 1 or adapter.is_over,
                logger=_Logger(),
                track_best_outputs=False,
                seed=seed,
            )
        )
    except SpentError:
        pass
    finally:
        trials.stopped = True
    if adapter.failed is not None:
        raise adapter.failed


class _Logger:
    def log(self, message: str) -> None:
        _log.debug("%s", message)


class _Adapter:
    """What GEPA asks to try texts and to propose others. It calls from a thread of its own."""

    def __init__(self, trials: Trials, reflector: Backend, loop: asyncio.AbstractEventLoop) -> None:
        self.failed: MelleaError | None = None
        self._trials = trials
        self._reflector = reflector
        self._loop = loop
        self._parts = {part.name: part for part in trials.parts}

    @property
    def is_over(self) -> bool:
        return self.failed is not None or self._trials.is_spent

    def _wait(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def evaluate(self, batch: list[Task], candidate: dict[str, str], capture_traces: bool = False) -> Any:
        from gepa import EvaluationBatch  # noqa: PLC0415  see above

        outcomes = self._wait(self._trials.outcomes(batch, candidate))
        return EvaluationBatch(
            outputs=[outcome.text for outcome in outcomes],
            scores=[outcome.share for outcome in outcomes],
            trajectories=outcomes if capture_traces else None,
        )

    def make_reflective_dataset(
        self, candidate: dict[str, str], eval_batch: Any, components_to_update: list[str]
    ) -> Mapping[str, Sequence[Mapping[str, Outcome]]]:
        return {name: [{"outcome": one} for one in eval_batch.trajectories] for name in components_to_update}

    def propose_new_texts(
        self,
        candidate: dict[str, str],
        reflective_dataset: Mapping[str, Sequence[Mapping[str, Outcome]]],
        components_to_update: list[str],
    ) -> dict[str, str]:
        if self.is_over:
            raise SpentError
        proposed: dict[str, str] = {}
        for name in components_to_update:
            cases = [
                as_case(number, one["outcome"]) for number, one in enumerate(reflective_dataset[name], 1)
            ]
            try:
                text = self._wait(propose(self._parts[name], candidate[name], cases, self._reflector))
            except MelleaError as error:
                self.failed = error
                raise SpentError from error
            if text is not None:
                proposed[name] = text
        return proposed
