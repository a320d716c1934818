"""The call of a verb, of which the handlers of hooks are told where somebody listens."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

from mellea.core.component import Span
from mellea.core.context import Context
from mellea.core.hooks import around, listens, within
from mellea.core.sampling import SamplingResult
from mellea.stdlib._asked import Asked

__all__ = ["CarryOut", "told"]


CarryOut: TypeAlias = Callable[[Asked], Awaitable[tuple[Any, Context]]]


async def told(action: Span, context: Context, asked: Asked, carry_out: CarryOut) -> tuple[Any, Context]:
    """Carry out a call of a verb, of which handlers of hooks are told.

    Args:
        action: What is asked.
        context: The conversation that led here.
        asked: How it is asked for.
        carry_out: Returns an output, on its way or not, or every attempt, and the conversation with it.
    """
    if not listens("any"):
        return await carry_out(asked)
    from mellea.stdlib._told_call import ToldCall  # noqa: PLC0415  only where somebody listens

    call = ToldCall(action, context)
    with within(call.scope):
        asked = await call.begin(asked)
        try:
            with around(call.action_id):
                result, call.after = await carry_out(asked)
            output = result.result if isinstance(result, SamplingResult) else result
            if not output.watch(call):
                await call.ended(output)
        except BaseException as error:
            await call.failed(error)
            raise
    return result, call.after
