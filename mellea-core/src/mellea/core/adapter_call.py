"""Calls that an adapter answers, as the handlers of hooks see them: what they take, and how they end."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from mellea.core.hook_tasks import to_the_end
from mellea.core.hooks import current_scope, fire_in, listens

if TYPE_CHECKING:
    from mellea.core.adapter import Adapter

__all__ = ["AdapterCall", "adapter_call"]


def adapter_call(adapter: Adapter | None) -> AdapterCall | None:
    """Return what watches a call that an adapter answers; None where nobody wants to know."""
    if adapter is None or not (
        listens("adapter_function_invocation_complete") or listens("adapter_function_phase_complete")
    ):
        return None
    return AdapterCall(adapter)


class AdapterCall:
    """One call that an adapter answers.

    Args:
        adapter: The adapter.
    """

    def __init__(self, adapter: Adapter) -> None:
        self._adapter = adapter
        self._scope = current_scope()
        self._began = time.perf_counter()

    async def ended(self, output: Any) -> None:
        """Say what the answer took, and whether it can be read."""
        await self._phase("generate")
        error: BaseException | None = None
        try:
            _ = output.parsed
        except Exception as unread:  # noqa: BLE001  whatever reads it says why it cannot
            error = unread
        await self._phase("parse")
        await self._complete("success" if error is None else "unreadable", error)

    async def failed(self, error: BaseException, output: Any = None) -> None:
        """Say that there is no answer. What handlers raise is logged."""
        await to_the_end(self._complete("error", error), self._scope.session_id)

    async def _phase(self, phase: str) -> None:
        now = time.perf_counter()
        took, self._began = (now - self._began) * 1000, now
        await fire_in(
            self._scope,
            "adapter_function_phase_complete",
            name=self._adapter.name,
            phase=phase,
            duration_ms=took,
        )

    async def _complete(self, outcome: str, error: BaseException | None) -> None:
        await fire_in(
            self._scope,
            "adapter_function_invocation_complete",
            name=self._adapter.name,
            binding_type="server" if self._adapter.folder is None else "folder",
            adapter_type=self._adapter.kind,
            outcome=outcome,
            error=error,
        )
