"""What a backend has in memory: loaded, let go of, and loaded again by the engine's thread."""

from __future__ import annotations

import asyncio
import gc
import os
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

from mellea.core import ClosedError, MelleaError, RequestRejectedError, UsageError
from mellea_hf._engine import engine
from mellea_hf.interrupt import Interrupt
from mellea_hf.job import Job
from mellea_hf.weights import is_out_of_memory

__all__ = ["Holder", "out_of_memory"]

M = TypeVar("M")


class Holder(Generic[M]):
    """Holds a model for a backend, from the constructor on.

    Args:
        backend: The backend's name, for errors.
        model_id: The model, for errors.
        load: Loads it. Runs in the engine's thread.
        let_go: Takes leave of it, and returns whether nobody else holds it. Runs there too, since freeing
            weights would hold up an event loop.

    Raises:
        MelleaError: It cannot be loaded.
    """

    def __init__(
        self, backend: str, model_id: str, load: Callable[[Interrupt], M], let_go: Callable[[M], bool]
    ) -> None:
        self._names = (backend, model_id)
        self._load: Callable[[Interrupt], M] | None = load
        self._let_go = let_go
        self._pid = os.getpid()
        self._held: list[M] = []
        self.is_closed = False
        interrupt = Interrupt()
        loading = engine.submit(lambda: self._hold(interrupt))
        try:
            loading.result()
        except BaseException:
            interrupt.set()
            loading.cancel()
            raise

    @property
    def held(self) -> M | None:
        """The model; None while it is unloaded."""
        return next(iter(self._held), None)

    def now(self) -> M:
        """Return the model that the constructor has loaded."""
        return self._held[0]

    def check(self) -> None:
        """Look whether there is anything to ask.

        Raises:
            ClosedError: The backend was closed.
            UsageError: It was made in the parent of this process.
        """
        backend, model_id = self._names
        if self._pid != os.getpid():
            raise UsageError(
                f"This backend for {model_id} was made before the process forked; "
                "a model does not survive that.",
                hint="Make the backend in the child process.",
                backend=backend,
                model_id=model_id,
            )
        if self.is_closed:
            raise self.closed_error()

    def closed_error(self) -> ClosedError:
        """Return the error for a backend that was closed."""
        backend, model_id = self._names
        return ClosedError(
            f"This backend for {model_id} is closed.",
            hint="Make a new one.",
            backend=backend,
            model_id=model_id,
        )

    async def get(self) -> M:
        """Return the model, loaded again if it was unloaded.

        Raises:
            MelleaError: It cannot be loaded any more, or there is nothing to ask; see ``check``.
        """
        while True:
            self.check()
            if (model := self.held) is not None:
                return model
            interrupt = Interrupt()
            try:
                await asyncio.wrap_future(engine.submit(lambda: self._hold(interrupt)))  # noqa: B023  awaited here
            except BaseException:
                interrupt.set()
                raise

    async def unload(self) -> None:
        """Take leave of the model until it is asked for again. What runs goes on, and keeps it so long."""
        if self._pid == os.getpid() and self._held and not engine.stopping:
            await asyncio.wrap_future(engine.submit(self._drop))

    async def aclose(self, jobs: Iterable[Job] = ()) -> None:
        """Take leave of the model for good. Calling it again, or in a forked child, does nothing.

        Args:
            jobs: What is to end.
        """
        if self.is_closed or self._pid != os.getpid():
            return
        self.is_closed = True
        self._load = None  # which may hold what the caller has made
        for job in jobs:
            job.give_up()
        await self.unload()

    def _hold(self, interrupt: Interrupt) -> None:
        if not self._held and (load := self._load) is not None:
            self._held.append(load(interrupt))

    def _drop(self) -> None:
        if not self._held:
            return
        model = self._held.pop()
        is_last = self._let_go(model)
        del model
        if is_last:
            _free_memory()


def _free_memory() -> None:
    """Give back what freed models held.

    The garbage collector finds their cycles, the device's cache their memory.
    """
    import torch  # noqa: PLC0415  heavy

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def out_of_memory(error: Exception, backend: str, model_id: str) -> MelleaError | None:
    """Return our error where torch says with one of its own that memory does not suffice."""
    if not is_out_of_memory(error):
        return None
    return RequestRejectedError(
        f"There is not enough memory for this request to {model_id}.",
        hint="Shorten the prompt, lower MAX_NEW_TOKENS, send fewer prompts at once, "
        "or choose a smaller model.",
        backend=backend,
        model_id=model_id,
    )
