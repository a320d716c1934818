"""A backend that answers from a script."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar, TypeAlias

from attrs import evolve

from mellea.core.backend import Backend
from mellea.core.capabilities import Capabilities, Capability
from mellea.core.errors import UsageError
from mellea.core.options import ModelOption, OptionTable
from mellea.core.price import FREE
from mellea.core.request import ChatRequest, CompletionRequest
from mellea.core.response import Chunk, Completion, Usage
from mellea.core.tool_call import ToolCallFragment
from mellea.testing.replies import Answer, Reply, Request
from mellea.testing.verdicts import Verdicts

__all__ = ["Answer", "Script", "ScriptedBackend"]

Script: TypeAlias = (
    "str | Exception | Reply | Callable[[Any], Answer] | Iterable[Answer] | Mapping[Any, Script]"
)
"""One answer for every call, answers one after the other, or a script for each kind of prompt."""


class ScriptedBackend(Backend):
    """Gives the scripted answers, and keeps the requests.

    Args:
        answers: What to answer. One text, reply, error or function answers every call. A list is answered one
            after the other, and a call beyond its end is an error. A mapping has a script of its own for each
            kind of prompt: its keys are regular expressions, searched in the last message, or functions of
            the request; the first that fits counts.
        latency: Seconds before each answer.
        capabilities: What to declare.
        model_options: Options of every call.
        strict_options: Whether an option that is not supported is an error.
        max_retries: How often a request is sent again after a fault that may pass; unlike with other
            backends never by itself, so that a program sees each fault of the script.
        faults: What the calls of these numbers get instead, counted from 1; the script goes on after them.
        failures: Answers the judges of requirements apart from the script: by the requirement's description,
            how often it is not met before it is, or the reasons of those times. Requirements that are not
            named are met. Without it judges are answered from the script.

    Example:
        >>> from mellea.testing import Fault, ScriptedBackend
        >>> backend = ScriptedBackend([Fault.bad_json(), '{"name": "Ada"}'], failures={"It is polite.": 2})

    Raises:
        UsageError: The script, a pattern in it or the number of a call makes no sense.
    """

    provider: ClassVar[str] = "scripted"
    price = FREE
    capabilities: Capabilities = frozenset({Capability.STREAMING, Capability.RAW, Capability.SEED})
    options = OptionTable(
        {
            ModelOption.MAX_NEW_TOKENS: "max_new_tokens",
            ModelOption.TEMPERATURE: "temperature",
            ModelOption.SEED: "seed",
            ModelOption.STOP_SEQUENCES: "stop",
            ModelOption.THINKING: "think",
            ModelOption.LOGPROBS: "logprobs",
        },
        {},
        native=None,  # a script takes any option
    )

    def __init__(
        self,
        answers: Script = "",
        *,
        latency: float = 0.0,
        capabilities: Iterable[Capability] | None = None,
        model_options: Mapping[str, Any] | None = None,
        strict_options: bool = False,
        max_retries: int | None = 0,
        faults: Mapping[int, Answer] | None = None,
        failures: Mapping[str, int | Sequence[str]] | None = None,
    ) -> None:
        super().__init__(
            "script", model_options=model_options, strict_options=strict_options, max_retries=max_retries
        )
        self._script = _Script(answers)
        self._latency = latency
        self._faults = dict(faults or {})
        if wrong := [number for number in self._faults if not isinstance(number, int) or number < 1]:
            raise UsageError(
                f"There is no call number {wrong[0]!r}.", hint="Count the calls in faults={...} from 1."
            )
        self._verdicts = Verdicts(failures) if failures is not None else None
        self._lock = threading.Lock()  # a session's calls may come from several event loops
        if capabilities is not None:
            self.capabilities = frozenset(capabilities)
        self.requests: list[Request] = []
        """Every request so far."""
        self.closed = False
        """Whether ``aclose`` was called."""

    @property
    def calls(self) -> int:
        """How many requests there were so far."""
        return len(self.requests)

    @property
    def prompts(self) -> list[str]:
        """The last message of every request so far; of plain completion, every prompt."""
        return [prompt for request in self.requests for prompt in _prompts(request)]

    async def stream_chat(self, request: ChatRequest) -> AsyncIterator[Chunk]:
        """Give the next answer, or as many as are wanted: in its pieces if it has some, else whole."""
        prompt = sum(len(message.content.split()) for message in request.messages)
        for index, reply in enumerate(self._next(request)):
            await self._wait(reply)
            if reply.thinking:
                yield Chunk(thinking=reply.thinking, index=index)
            words = len(reply.thinking.split())
            for piece in reply.pieces(request):
                words += len(piece.split())
                yield Chunk(text=piece, index=index)
                await asyncio.sleep(0)
            if reply.tool_calls:
                yield Chunk(tool_calls=_fragments(reply), index=index)
            await _break_off(reply)
            usage = Usage(0 if index else prompt, words) if reply.usage == "counted" else reply.usage
            yield Chunk(
                finish_reason=reply.finish_reason, usage=usage, index=index, logprobs=tuple(reply.logprobs)
            )

    async def complete(self, request: CompletionRequest) -> list[Completion]:
        """Give the next answer to each prompt."""
        completions = []
        for reply in self._next(request):
            await self._wait(reply)
            text = "".join(reply.pieces(request))
            await _break_off(reply)
            completions.append(
                Completion(
                    text,
                    reply.finish_reason,
                    None if reply.usage == "counted" else reply.usage,
                    tuple(reply.logprobs),
                )
            )
        return completions

    async def aclose(self) -> None:
        """Note that the backend was closed."""
        self.closed = True

    async def _wait(self, reply: Reply) -> None:
        if reply.latency or self._latency:
            await asyncio.sleep(reply.latency or self._latency)

    def _next(self, request: Request) -> list[Reply]:
        """Note a request and return the replies to its prompts."""
        with self._lock:
            self.requests.append(request)
            prompts = _prompts(request) * (request.n if isinstance(request, ChatRequest) else 1)
            fault = self._faults.get(len(self.requests))
            answers = [self._answer(request, prompt) if fault is None else fault for prompt in prompts]
        return [_as_reply(answer, request) for answer in answers]

    def _answer(self, request: Request, prompt: str) -> Answer:
        verdict = self._verdicts.answer(request, prompt) if self._verdicts is not None else None
        return self._script.next(request, prompt) if verdict is None else verdict


def _prompts(request: Request) -> list[str]:
    """Return what a request asks now."""
    if isinstance(request, CompletionRequest):
        return list(request.prompts)
    return [request.messages[-1].content if request.messages else ""]


def _as_reply(answer: Answer, request: Request) -> Reply:
    if isinstance(answer, Reply):
        return answer
    if isinstance(answer, str):
        return Reply(answer)
    if isinstance(answer, Exception):
        return Reply(error=answer)
    if callable(answer):
        return _as_reply(answer(request), request)
    if isinstance(answer, Iterable):
        pieces = list(answer)
        cut = next((index for index, piece in enumerate(pieces) if isinstance(piece, Exception)), None)
        if cut is None:
            return Reply([str(piece) for piece in pieces])
        return evolve(_as_reply(pieces[cut], request), text=[str(piece) for piece in pieces[:cut]], after=cut)
    raise UsageError(
        f"{answer!r} is no answer.",
        hint="Script text, pieces of text, a Reply, a Fault, an exception or a function.",
    )


def _fragments(reply: Reply) -> tuple[ToolCallFragment, ...]:
    return tuple(
        ToolCallFragment(place, f"call_{place + 1}", name, arguments)
        for place, (name, arguments) in enumerate(reply.tool_calls)
    )


async def _break_off(reply: Reply) -> None:
    """Do what ends a reply before its time, if anything does."""
    if reply.stalls:
        await asyncio.Event().wait()
    if reply.error is not None:
        raise reply.error.with_traceback(None)  # a script's error may be raised more than once


class _Script:
    """Answers for one kind of prompt; ``next`` is called by one thread at a time."""

    def __init__(self, script: Script, where: str = "") -> None:
        self._where = where
        self._given = 0
        self._always: Answer | None = None
        self._routes: list[tuple[Any, _Script]] | None = None
        if isinstance(script, str | Exception | Reply) or callable(script):
            self._always = script
        elif isinstance(script, Mapping):
            self._routes = [
                (_matcher(key), _Script(part, f" for prompts like {_describe_key(key)}"))
                for key, part in script.items()
            ]
        elif isinstance(script, Iterable):
            self._answers = iter(script)
        else:
            raise UsageError(
                f"{script!r} is no script.",
                hint="Pass a text, a list of answers, or a mapping of patterns to them.",
            )

    def next(self, request: Request, prompt: str) -> Answer:
        if self._always is not None:
            return self._always
        if self._routes is not None:
            return self._route(request, prompt)
        self._given += 1
        answer: Answer | None = next(self._answers, None)
        if answer is None:
            raise UsageError(
                f"The script has no answer number {self._given}{self._where}, "
                f"which this prompt asks for: {_short(prompt)}.",
                hint="Give the ScriptedBackend more answers.",
            )
        return answer

    def _route(self, request: Request, prompt: str) -> Answer:
        for key, script in self._routes or ():
            if key.search(prompt) if isinstance(key, re.Pattern) else key(request):
                return script.next(request, prompt)
        keys = ", ".join(_describe_key(key) for key, _ in self._routes or ()) or "none"
        raise UsageError(
            f"Nothing in the script fits this prompt: {_short(prompt)}. Its patterns are: {keys}.",
            hint='Add a pattern; "" as the last one fits every prompt.',
        )


def _matcher(key: Any) -> Any:
    if isinstance(key, re.Pattern) or callable(key):
        return key
    if not isinstance(key, str):
        raise UsageError(
            f"{key!r} fits no prompt.", hint="Pass a regular expression, or a function of the request."
        )
    try:
        return re.compile(key)
    except re.error as error:
        raise UsageError(
            f"{key!r} is no regular expression: {error}.", hint="Escape literal text with re.escape()."
        ) from error


def _describe_key(key: Any) -> str:
    return repr(
        key.pattern
        if isinstance(key, re.Pattern)
        else key
        if isinstance(key, str)
        else getattr(key, "__name__", key)
    )


def _short(prompt: str) -> str:
    return repr(prompt if len(prompt) <= 160 else f"{prompt[:80]} ... {prompt[-70:]}")
