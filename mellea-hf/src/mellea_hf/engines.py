"""The engines of a model: one for each set of knobs that backends ask for. Runs in the engine's thread."""

from __future__ import annotations

from mellea_hf.model import LoadedModel
from mellea_hf.packed import PackedModel
from mellea_hf.scheduler import Scheduler
from mellea_hf.settings import EngineSettings

__all__ = ["engine_of", "let_go"]


def engine_of(loaded: LoadedModel, settings: EngineSettings) -> Scheduler | None:
    """Return the engine of a model; None for one that only transformers' own loop can run.

    Whether the engine can is found out by trying, once: its rows have to come out as the model's own pass
    makes them. ``loaded.alone`` says why not.
    """
    if loaded.packed is None and not loaded.alone:
        try:
            loaded.packed = PackedModel(loaded.model)
        except Exception as error:  # noqa: BLE001  whatever it is, transformers' own loop may run the model
            loaded.alone = str(error) or type(error).__name__
    if loaded.alone:
        return None
    if settings not in loaded.engines:
        loaded.engines[settings] = Scheduler(loaded, loaded.packed, settings)
    scheduler: Scheduler = loaded.engines[settings]
    scheduler.users += 1
    return scheduler


def let_go(loaded: LoadedModel, scheduler: Scheduler) -> None:
    """Take leave of an engine; with the last backend, what it keeps goes."""
    scheduler.sweep()
    scheduler.users -= 1
    if not scheduler.users:
        loaded.engines.pop(scheduler.settings, None)
