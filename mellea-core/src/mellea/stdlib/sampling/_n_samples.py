"""The first answers of all lanes, drawn in one request where the backend can."""

from __future__ import annotations

import asyncio
from typing import Any

from mellea.core.capabilities import Capability
from mellea.core.errors import RequestRejectedError
from mellea.core.generation import sample_n
from mellea.core.options import ModelOption
from mellea.core.thunk import ModelOutputThunk
from mellea.stdlib.sampling._request import SamplingRequest

__all__ = ["FirstDraws", "draws_together"]


def draws_together(call: SamplingRequest) -> bool:
    """Tell whether the lanes of a call can share their first request.

    They start together, and no seed tells them apart.
    """
    several = call.lanes > 1 and call.at_once >= call.lanes and not call.options.get(ModelOption.TOOL_LOOP)
    return several and Capability.N_SAMPLES in call.backend.capabilities and call.seed is None


class FirstDraws:
    """One request for the first answers of all lanes. It ends when no lane waits for it any more.

    Args:
        call: What the strategy was asked for.
    """

    def __init__(self, call: SamplingRequest) -> None:
        self._call = call
        self._task: asyncio.Task[list[ModelOutputThunk[Any]]] | None = None
        self._waiting = 0

    async def take(self, lane: int) -> ModelOutputThunk[Any] | None:
        """Return the answer for a lane, or None if the provider gave too few.

        Raises:
            ProviderError: The provider failed; for every lane.
        """
        if self._task is None:
            self._task = asyncio.create_task(self._draw())
        self._waiting += 1
        try:
            thunks = await asyncio.shield(self._task)
        finally:
            self._waiting -= 1
            if not self._waiting:
                self._task.cancel()
        return thunks[lane] if lane < len(thunks) else None

    async def _draw(self) -> list[ModelOutputThunk[Any]]:
        call = self._call
        try:
            return await sample_n(
                call.backend,
                call.action,
                call.context,
                call.lanes,
                call.config,
            )
        except RequestRejectedError:
            return []  # servers bound the number; what else is wrong, the lanes' own requests will tell
