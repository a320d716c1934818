"""Thunks: results that may still be on their way."""

from __future__ import annotations

import copy
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Generic, Protocol, Self, TypeVar, cast

from attrs import evolve

from mellea.core._output import Output, SentRequest, Watcher
from mellea.core._sampled import Sampled
from mellea.core._thunk_errors import NoLengthError, NotComputedError, NoTextError, NoThunkError
from mellea.core.errors import GenerationCancelledError, NoAnswerError, OutputParseError, UsageError
from mellea.core.event_loop import Closeable, run_sync
from mellea.core.metadata import GenerateLog, GenerationMetadata, RawProviderResponse
from mellea.core.notebook import html_text
from mellea.core.sources import UNKNOWN, Sources
from mellea.core.text_like import TextLike

if TYPE_CHECKING:
    from mellea.core.schema import OutputSchema
    from mellea.core.tool_call import ModelToolCall

__all__ = ["ComputedModelOutputThunk", "ModelOutputThunk", "Parser"]

S = TypeVar("S")
S_co = TypeVar("S_co", covariant=True)


class Parser(Protocol[S_co]):
    """What knows the meaning of a text: the component that asked for it."""

    def parse(self, computed: ModelOutputThunk[Any], /) -> S_co:
        """Return what the text means."""
        ...


class ModelOutputThunk(Closeable, TextLike, Generic[S]):
    """The output of a model, computed or on its way.

    Complete, it compares, measures and formats like its ``text``. ``str`` of one that is on its way waits for
    it, or raises where that would block the loop which writes it.

    Any number of readers, in any thread and event loop, may await it, iterate over its pieces (each from the
    first one), or cancel it. A failed thunk raises the same error for every later reader. Leaving a
    synchronous iteration before its end cancels the generation; leaving an asynchronous one does not.

    Args:
        value: The text; None when a generation will fill it.
        meta: Whatever the program wants to remember with it.
        parsed_repr: What the text means to the component that asked for it.
        tool_calls: Tool calls that the model asks for.
        action: What reads the text; None for plain text.
        schema: What the text has to look like.
        thinking: The reasoning that led to the text.
        generation: What is known of the generation.
        output: Where a generation writes, in place of a value; for the generation only.
    """

    def __init__(
        self,
        value: str | None = None,
        meta: dict[str, Any] | None = None,
        parsed_repr: S | None = None,
        tool_calls: list[ModelToolCall] | None = None,
        *,
        action: Parser[S] | None = None,
        schema: OutputSchema | None = None,
        thinking: str | None = None,
        generation: GenerationMetadata | None = None,
        output: Output | None = None,
    ) -> None:
        self._output = output or Output(
            value, thinking=thinking, generation=generation, tool_calls=tool_calls or ()
        )
        self._meta = meta or {}
        self._parsed_repr = parsed_repr
        self._repr_given = parsed_repr is not None
        self._raw = RawProviderResponse()
        self._generate_log: GenerateLog | None = None
        self._action, self._schema = action, schema
        self._parsed: Any = None
        self._sampling: Sampled | None = None
        self._met, self._read = True, 0
        self._hash: int | None = None
        self._unread: list[str] | None = None
        if self._output.done and type(self) is ModelOutputThunk:
            self.__class__ = ComputedModelOutputThunk

    # What readers see

    def is_computed(self) -> bool:
        """Tell whether the text is complete."""
        return self._output.done and self._output.error is None

    @property
    def value(self) -> str | None:
        """The text; None until it is complete. Assigning it completes nothing."""
        return self._output.value

    @value.setter
    def value(self, text: str | None) -> None:
        self._output.value = text

    @property
    def text(self) -> str:
        """The text so far."""
        return self._output.text

    @property
    def thinking(self) -> str | None:
        """The reasoning so far, when the model shows it."""
        return "".join(self._output.thinking) or None

    @thinking.setter
    def thinking(self, text: str | None) -> None:
        self._output.thinking = [text] if text else []

    @property
    def tool_calls(self) -> list[ModelToolCall] | None:
        """Tool calls that the model asks for; None when there are none."""
        return self._output.tool_calls or None

    @tool_calls.setter
    def tool_calls(self, calls: Iterable[ModelToolCall] | None) -> None:
        self._output.tool_calls = list(calls) if calls else None

    @property
    def asked_calls(self) -> Sequence[ModelToolCall]:
        """Every call that the model asks for, those of tools that it was not offered included."""
        return self._output.asked_calls or self._output.tool_calls or ()

    @property
    def sources(self) -> Sources:
        """Where the text comes from: the model, and everything that it read."""
        known = self._output.sources
        if known is None:
            return UNKNOWN
        return known

    @sources.setter
    def sources(self, known: Sources | None) -> None:
        self._output.sources = known

    @property
    def generation(self) -> GenerationMetadata:
        """What is known of the generation beside its text."""
        return self._output.generation

    @generation.setter
    def generation(self, known: GenerationMetadata) -> None:
        self._output.generation = known

    @property
    def raw(self) -> RawProviderResponse:
        """The provider's last value; all its fields are None when the backend keeps none."""
        written = self._output.raw
        if written is not None and self._raw.response is not written:
            self._raw.provider, self._raw.response = self.generation.provider, written
        return self._raw

    @raw.setter
    def raw(self, response: RawProviderResponse) -> None:
        self._raw, self._output.raw = response, None

    @property
    def foreign_response(self) -> RawProviderResponse | None:
        """The provider's value that somebody else put here than a generation of ours; None without one."""
        return self._raw if self._output.raw is None and self._raw.response is not None else None

    @property
    def error(self) -> BaseException | None:
        """Why the generation failed; None while it has not."""
        return self._output.error

    @property
    def cancelled(self) -> bool:
        """Whether the generation was cancelled."""
        return isinstance(self._output.error, GenerationCancelledError)

    @property
    def schema(self) -> OutputSchema | None:
        """What the text has to look like; None for any text."""
        return self._schema

    @property
    def parsed_repr(self) -> S | None:
        """What the text means to the component that asked for it; the text itself when it asked for text.

        Raises:
            ComponentParseError: The component could not parse it.
        """
        if self._parsed_repr is None and self.is_computed():
            self._parsed_repr = (
                self._action.parse(self) if self._action is not None else cast("S", self.value)
            )
        return self._parsed_repr

    @parsed_repr.setter
    def parsed_repr(self, meant: S | None) -> None:
        self._parsed_repr, self._repr_given = meant, True

    @property
    def no_answer(self) -> str | None:
        """Why the text is no answer, such as that the model reasoned and said nothing; None for an answer."""
        return None if self._output.no_answer is None else self._output.no_answer[0]

    @property
    def parsed(self) -> S:
        """The typed result: an instance of ``format`` when one was given, else ``parsed_repr``.

        Raises:
            OutputParseError: The text does not fit the format or the component; a ``NoAnswerError`` if the
                model only reasoned.
            UsageError: The text is not complete yet.
        """
        if not self.is_computed():
            raise self.error or UsageError("The output is not complete yet.", hint="Await the thunk first.")
        if self._schema is None:
            return cast("S", self.parsed_repr)
        if self._output.no_answer is not None:
            message, hint = self._output.no_answer
            raise NoAnswerError(message, hint=hint)
        if self._parsed is None:
            self._parsed = self._schema.parse(self.value or "")
        return cast("S", self._parsed)

    @property
    def met(self) -> bool:
        """Whether every requirement that was checked is met; true where none was checked."""
        return self._met

    @property
    def sampling(self) -> Sampled | None:
        """Every attempt of the call that this is the chosen output of; None where no strategy checked it."""
        return self._sampling

    @property
    def sent(self) -> SentRequest | None:
        """The request as it was sent; None for a thunk that no backend made, or whose prompt was released."""
        return self._output.request

    @property
    def generate_log(self) -> GenerateLog | None:
        """The record of the generation.

        None for a thunk that no backend made, or whose prompt was released.
        """
        return self._generate_log or self._output.log(self._action, self)

    @generate_log.setter
    def generate_log(self, log: GenerateLog | None) -> None:
        self._generate_log = log

    def __str__(self) -> str:
        if not self._output.done:
            return run_sync(self.avalue())
        self._output.raise_error()
        return self.value or ""

    def __len__(self) -> int:
        if not self._output.done:
            raise NoLengthError("The output is not complete yet: it has no length.", hint="Await it first.")
        return len(str(self))

    def _repr_html_(self) -> str | None:
        return html_text(self.value or "") if self.is_computed() else None

    def __bool__(self) -> bool:
        return not self.is_computed() or bool(self.value)

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not self.is_computed() or not isinstance(other, str | ModelOutputThunk):
            return NotImplemented
        if isinstance(other, ModelOutputThunk):
            return other.is_computed() and self.value == other.value
        return self.value == other

    def __hash__(self) -> int:
        if self._hash is None:  # remembered: what was put into a set on its way is still found there
            self._hash = hash(self.value) if self.is_computed() else object.__hash__(self)
        return self._hash

    def __repr__(self) -> str:
        state = "failed" if self.error else "computed" if self._output.done else "pending"
        return f"<{type(self).__name__} {state}: {self.text[:60]!r}>"

    # Copies

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle what came of a generation; not the request, the attempts, nor the provider's own value."""
        if not self.is_computed():
            raise self.error or NotComputedError(
                "A thunk that is not computed yet cannot be pickled.", hint="Await it first."
            )
        with suppress(OutputParseError):
            self.parsed  # noqa: B018  what reads the text may not exist where it is unpickled
        output = self._output.copied(self.value)
        known = (output.value, self._meta, self._parsed_repr, output.tool_calls)
        more = {"schema": self._schema, "thinking": self.thinking, "generation": output.generation}
        state = {"_parsed": self._parsed, "_met": self.met, "sources": output.sources}
        return _rebuilt, (type(self), known, more, state)

    def __copy__(self) -> Self:
        return self._twin(_sampling=self._sampling, _met=self._met)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        twin = self._twin(_sampling=None)
        shared = ("_output", "_action", "_schema", "_raw", "_generate_log", "_sampling")
        kept = {name: value for name, value in vars(self).items() if name not in shared}
        vars(twin).update(copy.deepcopy(kept, memo))
        return twin

    def with_text(self, text: str) -> ComputedModelOutputThunk[S]:
        """Return a computed copy with another text, for whoever mends an output."""
        return cast(
            "ComputedModelOutputThunk[S]",
            self._twin(_output=self._output.copied(text), _parsed_repr=None, _repr_given=False, _parsed=None),
        )

    def with_format(self, schema: OutputSchema, parsed: Any = None) -> Self:
        """Return a computed copy that is read by another schema: as ``parsed``, where that is known."""
        return self._twin(_schema=schema, _parsed=parsed)

    def _twin(self, **changes: Any) -> Self:
        if not self.is_computed():
            raise self.error or NotComputedError(
                "A thunk that is not computed yet cannot be copied.", hint="Await it first."
            )
        twin = object.__new__(type(self))
        own = {
            "_output": changes.get("_output") or self._output.copied(self.value),
            "_meta": dict(self._meta),
            "_raw": evolve(self._raw),
            "_generate_log": copy.copy(self._generate_log),
            "_hash": None,
            "_unread": None,
            "_read": 0,
        }
        vars(twin).update({**vars(self), **own, **changes})
        return twin

    # Reading

    async def avalue(self) -> str:
        """Return the text once it is complete.

        Raises:
            MelleaError: The generation failed; the same error for every reader.
        """
        await self._output.finish()
        return self.value or ""

    async def result(self) -> ComputedModelOutputThunk[S]:
        """Return this thunk once it is computed."""
        await self._output.finish()
        return cast("ComputedModelOutputThunk[S]", self)

    async def astream(self) -> str:
        """Return the text that came since the last call, waiting for some; empty at the end.

        Raises:
            MelleaError: The generation failed.
        """
        output = self._output
        if self._unread is None:
            self._unread = output.pieces
        while len(self._unread) == self._read and not output.done:
            await output.progress(self._read)
        new = self._unread[self._read :]
        if not new:
            output.raise_error()
        self._read += len(new)
        if output.done:
            self._unread, self._read = [], 0
        return "".join(new)

    def __aiter__(self) -> AsyncIterator[str]:
        return self._output.read()

    def __iter__(self) -> Iterator[str]:
        pieces = aiter(self)

        async def next_piece() -> str | None:
            return await anext(pieces, None)

        try:
            while (piece := run_sync(next_piece())) is not None:
                yield piece
        except (GeneratorExit, KeyboardInterrupt, SystemExit):  # the reader wants no more of it
            self._output.abandon()
            raise

    # Ending

    async def cancel_generation(self, error: BaseException | None = None) -> None:
        """Stop the generation and wait until the provider's work has ended. Does nothing to a finished one.

        Args:
            error: What later readers get; by default a ``GenerationCancelledError``.
        """
        await self._output.stop(self._output.fail, error)

    async def aclose(self) -> None:
        """Cancel the generation if it still runs."""
        await self.cancel_generation()

    def cancel(self) -> None:
        """Synchronous twin of ``cancel_generation``."""
        run_sync(self.cancel_generation())

    def on_failure(self, callback: Callable[[], None]) -> None:
        """Call something when the generation fails or is cancelled, before any reader sees it."""
        self._output.on_failure(callback)

    def watch(self, watcher: Watcher) -> bool:
        """Let somebody know how the generation ends, before any reader does; tell if that is to come."""
        return self._output.watch(watcher)

    def note_no_answer(self, message: str, hint: str) -> None:
        """Say why the text is no answer, and what to do about it."""
        self._output.no_answer = message, hint

    def note_sampling(self, sampling: Sampled) -> None:
        """Say which attempts this output was chosen from."""
        self._sampling, self._met = sampling, sampling.success

    def attach_parsers(self, action: Parser[S] | None, schema: OutputSchema | None) -> None:
        """Say what reads the text, where the backend that made the thunk by itself did not."""
        self._action = self._action or action
        self._schema = self._schema or schema

    def read_by(self, action: Parser[S] | None) -> None:
        """Say what reads the text in place of what asked for it, such as a message with a tool's result."""
        self._action, self._parsed_repr, self._repr_given = action, None, False

    def release_prompt(self) -> None:
        """Forget what was, or will be, sent: it holds the whole conversation so far."""
        self._output.release_prompt()
        if self._sampling is not None:
            self._sampling = self._sampling.without_prompts()


def _rebuilt(
    kind: type[ModelOutputThunk[Any]], known: tuple[Any, ...], more: dict[str, Any], state: dict[str, Any]
) -> ModelOutputThunk[Any]:
    thunk = object.__new__(kind)
    ModelOutputThunk.__init__(thunk, *known, **more)
    thunk.sources = state.pop("sources", None)
    vars(thunk).update(state)
    return thunk


class ComputedModelOutputThunk(ModelOutputThunk[S]):
    """A thunk whose text is complete; what synchronous verbs return.

    Making one of a thunk returns that thunk itself, which is of this class from then on.

    Args:
        thunk: The thunk.

    Raises:
        UsageError: It is not computed, or (also a TypeError) no thunk.
    """

    def __new__(cls, thunk: ModelOutputThunk[S]) -> Self:
        """Return the thunk, as one whose text is complete."""
        if not isinstance(thunk, ModelOutputThunk):
            raise NoThunkError(
                f"{type(thunk).__name__} is no thunk.", hint="Make one of a text with ModelOutputThunk(text)."
            )
        if not thunk.is_computed() or thunk.value is None:
            raise thunk.error or UsageError("The thunk is not computed yet.", hint="Await it first.")
        if not isinstance(thunk, cls):
            thunk.__class__ = cls
        return cast("Self", thunk)

    def __init__(self, thunk: ModelOutputThunk[S]) -> None:
        """Keep the thunk as it is."""

    @property
    def value(self) -> str:
        """The text; may be replaced by another one."""
        return self._output.value or ""

    @value.setter
    def value(self, text: str) -> None:
        if not isinstance(text, str):
            raise NoTextError(
                f"A computed output holds text, not {type(text).__name__}; nothing was changed.",
                hint="Assign a str.",
            )
        self._output.value, self._output.pieces = text, [text]
        self._parsed = self._hash = None
        if not self._repr_given:
            self._parsed_repr = None
