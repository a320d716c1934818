"""The engines of a model: one for each set of knobs that backends ask for. Runs in the engine's thread."""

from __future__ import annotations

from attrs import frozen

from mellea_hf.model import LoadedModel
from mellea_hf.packed import PackedModel
from mellea_hf.scheduler import Scheduler
from mellea_hf.settings import EngineSettings

__all__ = ["ServedModel", "let_go", "serve"]


@frozen
class ServedModel:
    """A model with what runs it.

    Args:
        loaded: The model.
        scheduler: Its engine; None for one that only transformers' own loop can run.
    """

    loaded: LoadedModel
    scheduler: Scheduler | None


def serve(loaded: LoadedModel, settings: EngineSettings) -> ServedModel:
    """Return a model with its engine.

    Whether the engine can run it is found out by trying, once: its rows have to come out as the model's own
    pass makes them. ``loaded.alone`` says why not.
    """
    loaded.users += 1
    if loaded.packed is None and not loaded.alone:
        try:
            loaded.packed = PackedModel(loaded.model)
        except Exception as error:  # noqa: BLE001  whatever it is, transformers' own loop may run the model
            loaded.alone = str(error) or type(error).__name__
    if loaded.alone:
        return ServedModel(loaded, None)
    if settings not in loaded.engines:
        loaded.engines[settings] = Scheduler(loaded, loaded.packed, settings)
    scheduler: Scheduler = loaded.engines[settings]
    scheduler.users += 1
    return ServedModel(loaded, scheduler)


def let_go(served: ServedModel) -> bool:
    """Take leave of a model and its engine, and tell whether nobody holds the model any more."""
    loaded, scheduler = served.loaded, served.scheduler
    if scheduler is not None:
        scheduler.sweep()
        scheduler.users -= 1
        if not scheduler.users:
            loaded.engines.pop(scheduler.settings, None)
    loaded.users -= 1
    return not loaded.users
