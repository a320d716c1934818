"""Carrying out the calls of an answer: allowed, bounded in time and size, each with a message for the model.

Whatever goes wrong with one call is told to the model in its message; the others go on. What a program's own
``approve`` raises goes to the program.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import nullcontext
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, TypeAlias

from attrs import evolve, field, frozen

from mellea.core.errors import MelleaError, ToolArgumentsError, UsageError
from mellea.core.event_loop import gather_or_cancel, in_thread
from mellea.core.half_characters import whole_text
from mellea.core.hooks import around, listens
from mellea.core.sources import MODEL, Sources
from mellea.core.tool import Tool
from mellea.core.tool_call import ModelToolCall
from mellea.core.tool_message import ToolMessage
from mellea.stdlib.tools._results import READ_RESULT, Pages, as_text

if TYPE_CHECKING:
    from mellea.stdlib.tools._told import ToldInvocation

__all__ = ["Approval", "Approver", "ToolRunner"]

Approval: TypeAlias = "bool | str | ModelToolCall"
"""True allows a call, False or a reason denies it, another call takes its place."""
Approver: TypeAlias = "Callable[[ModelToolCall], Approval | Awaitable[Approval]]"

DEEPEST = 8
"""How deep tools may be at work within tools: one that asks a model that calls it never ends."""
_depth: ContextVar[int] = ContextVar("mellea_tool_depth", default=0)


def _at_least(least: float) -> Callable[[Any, Any, Any], None]:
    def check(_: object, attribute: Any, value: Any) -> None:
        if value is None and attribute.name == "timeout":
            return
        if isinstance(value, bool) or not isinstance(value, int | float) or not value >= least:
            raise UsageError(f"A runner's {attribute.name} is {value!r}.", hint=f"Pass {least:g} or more.")

    return check


@frozen
class ToolRunner:
    """How the calls of an answer are carried out.

    Args:
        timeout: The longest that a call may take, in seconds, unless its tool says so; None for no bound. A
            plain function that takes longer is left to its thread.
        at_once: How many calls of an answer run at the same time.
        longest_result: Characters of a result that the model is shown; it can ask for the rest.
        rounds: How often the model may call tools in one go; then it is asked to answer without.
        approve: Called with each call before it is carried out, in order. It returns True, or False or a
            reason to deny it, which the model is told, or another call to carry out in its place.
        policy: Says of each call of a tool with side effects whether to ``allow``, ``deny`` or ``ask``; by
            default a ``ToolPolicy``. A call that is to be asked about is denied where there is no
            ``approve``.

    Raises:
        UsageError: A bound allows nothing, or a policy says something else.
    """

    timeout: float | None = field(default=60.0, validator=_at_least(0.001))
    at_once: int = field(default=8, validator=_at_least(1))
    longest_result: int = field(default=20_000, validator=_at_least(1))
    rounds: int = field(default=10, validator=_at_least(1))
    approve: Approver | None = None
    policy: Callable[[ModelToolCall], str] | None = None

    async def run(
        self,
        calls: Sequence[ModelToolCall],
        *,
        backend: Any = None,
        pages: Pages | None = None,
    ) -> list[ToolMessage]:
        """Carry calls out, and return a message for each, in their order.

        Args:
            calls: The calls of one answer.
            backend: What typed functions among the tools ask, and what renders components.
            pages: Where the rest of results that are too long is kept for the model to ask for.

        Raises:
            UsageError: ``approve`` returned no decision.
        """
        told = _told(calls) if listens("tool") else []
        gate = asyncio.Semaphore(self.at_once)

        async def carry_out(number: int, entry: _Ready | ToolMessage) -> ToolMessage:
            message = entry
            if not isinstance(message, ToolMessage):
                async with gate:
                    with around(told[number].invocation_id) if told else nullcontext():
                        message = await self._carry_out(entry, backend, pages)  # type: ignore[arg-type]
            return await told[number].ended(message, shown) if told else message

        def shown(value: Any) -> str:
            text = as_text(value, _render(backend))
            return text if len(text) <= self.longest_result else f"{text[: self.longest_result]}\n[Cut.]"

        try:
            asked = [(await told[number].begin()) if told else call for number, call in enumerate(calls)]
            ready = [await self._prepare(call) for call in asked]
            return await gather_or_cancel(itertools.starmap(carry_out, enumerate(ready))) if ready else []
        except BaseException as error:
            for one in told:
                await one.failed(error)
            raise

    async def _prepare(self, call: ModelToolCall) -> _Ready | ToolMessage:
        """Return a call with its arguments checked and allowed, or the message that says why not."""
        if _depth.get() >= DEEPEST:
            return _failure(call, f"{call.name} is not called: tools are at work {DEEPEST} deep already.")
        ready = _checked(call)
        if isinstance(ready, ToolMessage):
            return ready
        if ready.tool.side_effects and (denial := self._denial(call)):
            return _failure(call, denial)
        if self.approve is None:
            return ready
        decision = await _called(self.approve, call)
        if decision is True:
            return ready
        if isinstance(decision, ModelToolCall):
            return _checked(decision)
        if decision is False or isinstance(decision, str):
            reason = f": {decision}" if decision else "."
            return _failure(call, f"The call of {call.name} is not allowed{reason}")
        raise UsageError(
            f"approve returned {decision!r} for a call of {call.name}; the call was not carried out.",
            hint="Return True, False, a reason, or a call to carry out instead.",
        )

    def _denial(self, call: ModelToolCall) -> str | None:
        """Return why the policy does not allow a call; None where it does, or somebody is asked."""
        from mellea.stdlib.tools.policy import ToolPolicy, denial  # noqa: PLC0415  few tools have side effects

        verdict = (self.policy or ToolPolicy())(call)
        return denial(call, verdict, asks=self.approve is not None)

    async def _carry_out(self, ready: _Ready, backend: Any, pages: Pages | None) -> ToolMessage:
        call, tool = ready.call, ready.tool
        limit = self.timeout if tool.timeout is None else tool.timeout
        started = time.perf_counter()
        depth = _depth.set(_depth.get() + 1)
        try:
            async with asyncio.timeout(limit) as clock:
                value, text = await _result_of(tool, ready.arguments, backend)
        except TimeoutError as error:
            if not clock.expired():
                return _failure(call, _in_words(call, error), error, time.perf_counter() - started)
            return _failure(
                call, f"{call.name} took longer than {limit:g} s and was given up.", error, limit or 0
            )
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            return _failure(call, f"{call.name} was cancelled.", error, time.perf_counter() - started)
        except (Exception, SystemExit) as error:  # noqa: BLE001  whatever a tool raises, the model is told
            seconds = time.perf_counter() - started
            return _marked(_failure(call, _in_words(call, error), error, seconds), ready)
        finally:
            _depth.reset(depth)
        whole = len(text) <= self.longest_result or (pages is not None and call.name == READ_RESULT)
        shown = text if whole else _cut(text, self.longest_result, call, pages)
        seconds = time.perf_counter() - started
        message = ToolMessage("tool", shown, value, call.name, call.args, call, seconds=seconds)
        return _marked(message, ready)


def _told(calls: Sequence[ModelToolCall]) -> list[ToldInvocation]:
    from mellea.stdlib.tools._told import ToldInvocation  # noqa: PLC0415  only where somebody listens

    return [ToldInvocation(call) for call in calls]


@frozen
class _Ready:
    """A call that may be carried out, with the arguments as its function takes them."""

    call: ModelToolCall
    tool: Tool
    arguments: Any


def _checked(call: ModelToolCall) -> _Ready | ToolMessage:
    if call.problem is not None or call.func is None:
        return _failure(call, call.problem or f"There is no tool {call.name!r}.")
    try:
        tool = Tool.of(call.func)
        return _Ready(call, tool, tool.arguments(call.args))
    except ToolArgumentsError as error:
        return _failure(call, str(error), error)


def _marked(message: ToolMessage, ready: _Ready) -> ToolMessage:
    """Return what a tool said, with its sources: a trusted one's words come from the arguments alone."""
    tool, known = ready.tool, ready.call.sources
    if message.tool_output is None or isinstance(message.tool_output, bool):
        return evolve(message, sources=MODEL)  # it says nothing that could be followed
    sources = tool.origin or Sources.of("tool", tool.name)
    if tool.trusted and known is not None:
        told = Sources.of("tool", tool.name, trusted=True)
        sources = Sources.joined((told, *known.arguments.values()))
    return evolve(message, sources=sources)


def _failure(
    call: ModelToolCall, text: str, error: BaseException | None = None, seconds: float = 0.0
) -> ToolMessage:
    raised = error or ToolArgumentsError(text)
    told: dict[str, Any] = {"seconds": seconds, "sources": MODEL}  # our words, on what the model wrote
    return ToolMessage("tool", text, raised, call.name, call.args, call, failed=True, **told)


def _in_words(call: ModelToolCall, error: BaseException) -> str:
    try:
        said = whole_text(" ".join(str(error).split()))
    except Exception:  # noqa: BLE001  an error may fail to tell itself
        said = ""
    if isinstance(error, MelleaError):
        return f"{call.name} failed: {said}"
    return f"{call.name} failed: {type(error).__name__}: {said}".rstrip(": ")


async def _called(function: Callable[..., Any], *arguments: Any) -> Any:
    """Return what a function of the program's returns; a plain one runs in a thread, where it may block."""
    value = function(*arguments) if _is_async(function) else await in_thread(function, *arguments)
    return await value if isinstance(value, Awaitable) else value


def _is_async(function: Any) -> bool:
    return asyncio.iscoroutinefunction(function) or asyncio.iscoroutinefunction(
        getattr(function, "__call__", None)  # noqa: B004  the method itself is looked at
    )


async def _result_of(tool: Tool, arguments: Any, backend: Any) -> tuple[Any, str]:
    """Return a tool's result, and as text."""
    function: Any = tool.function
    if hasattr(function, "bind_backend"):
        function = function.bind_backend(backend)
    render = _render(backend)

    def work() -> tuple[Any, str]:
        try:
            value = function(**arguments)
        except StopIteration as error:  # which a thread cannot hand on
            raise RuntimeError("it raised StopIteration") from error
        return (value, "") if isinstance(value, Awaitable) else (value, as_text(value, render))

    if not _is_async(function):
        value, text = await in_thread(work)
        if not isinstance(value, Awaitable):
            return value, text
        value = await value
    else:
        value = await function(**arguments)
    if isinstance(value, str | int | float | bool | None):
        return value, as_text(value, render)
    return value, await in_thread(as_text, value, render)


def _render(backend: Any) -> Callable[[Any], str] | None:
    """Return what writes components as text."""
    return getattr(getattr(backend, "formatter", None), "print", None)


def _cut(text: str, length: int, call: ModelToolCall, pages: Pages | None) -> str:
    more = f"{len(text) - length:,} more characters are left out"
    if pages is None:
        return f"{text[:length]}\n[{more}.]"
    number = pages.keep(text, length)
    return f"{text[:length]}\n[{more}. {pages.remedy(number, length)}]"
