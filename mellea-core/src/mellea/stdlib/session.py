"""Sessions: a backend and a context, with the verbs threaded through them.

A session adds no semantics of its own. A call that fails leaves its context as it was; calls that overlap are added in the
order in which they end, and none is lost.
"""

from __future__ import annotations

import copy
import uuid
from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack, cast, overload

from mellea.core.backend import Backend
from mellea.core.component import Component, Span
from mellea.core.context import Context
from mellea.core.errors import ClosedError, UsageError
from mellea.core.loop import run_sync
from mellea.core.message import Message, Role
from mellea.core.options import OptionTable, merge_options
from mellea.core.thunk import ComputedModelOutputThunk, ModelOutputThunk
from mellea.stdlib import functional
from mellea.stdlib.components.instruction import Instruction
from mellea.stdlib.context.simple import SimpleContext
from mellea.stdlib.lease import Lease
from mellea.stdlib.opening import open_backend, open_context
from mellea.stdlib.parts import ActParts, ChatParts, InstructionParts, InstructParts
from mellea.stdlib.turns import Turns

__all__ = ["MelleaSession", "get_session", "start_backend", "start_session"]

S = TypeVar("S")
M = TypeVar("M")

_NO_TABLE = OptionTable({}, {})
_current: ContextVar[MelleaSession | None] = ContextVar("mellea_session", default=None)


def get_session() -> MelleaSession:
    """Return the session whose ``with`` block this code runs in.

    Raises:
        UsageError: (also a RuntimeError) There is none.
    """
    session = _current.get()
    if session is None:
        raise _NoSessionError("No session is open here.", hint="Call it inside `with start_session(...):`.")
    return session


class _NoSessionError(UsageError, RuntimeError):
    pass


def _checked(ctx: object) -> Context:
    if not isinstance(ctx, Context):
        raise UsageError(f"{ctx!r} is no context.", hint="Pass an instance such as ChatContext().")
    return ctx


class MelleaSession:
    """A backend and a context.

    Use it as a context manager, synchronous or asynchronous; leaving the block closes it. Subclasses keep their class and
    attributes when they are cloned.

    Args:
        backend: What generates.
        ctx: What is remembered; by default a ``SimpleContext``.
        session_id: A name for logs; by default a new UUID.
        model_options: Options of every call of this session, over the backend's and under the call's own.
        owns_backend: Whether closing the session closes the backend. ``start_session`` says True for a backend that it made.
    """

    def __init__(
        self,
        backend: Backend,
        ctx: Context | None = None,
        *,
        session_id: str | None = None,
        model_options: Mapping[str, Any] | None = None,
        owns_backend: bool = False,
    ) -> None:
        if not hasattr(backend, "generate_from_context"):
            raise UsageError(
                f"{type(backend).__name__} is no backend.", hint="Pass an instance of a Backend, or use start_session."
            )
        self.id = session_id or str(uuid.uuid4())
        self.backend = backend
        self.model_options = self._canonical(model_options)
        self._turns = Turns(_checked(ctx) if ctx is not None else SimpleContext())
        self._lease = Lease(owns_backend=owns_backend)
        self._lease.take(self)
        self._closed = False
        self._outer: list[MelleaSession | None] = []

    # State

    @property
    def ctx(self) -> Context:
        """What is remembered. Setting it replaces it; calls under way are then not added."""
        return self._turns.ctx

    @ctx.setter
    def ctx(self, ctx: Context) -> None:
        self._turns.replace(_checked(ctx))

    @property
    def closed(self) -> bool:
        """Whether the session was closed."""
        return self._closed

    def reset(self) -> None:
        """Forget everything; the context's settings stay."""
        self._turns.replace(self.ctx.new_instance())

    def clone(self) -> Self:
        """Return a session of the same class that shares the backend and begins with the same context."""
        self._check_open()
        return copy.copy(self)

    def __copy__(self) -> Self:
        twin = type(self).__new__(type(self))
        twin.__dict__.update(self.__dict__)
        twin.id = str(uuid.uuid4())
        twin.model_options = dict(self.model_options)
        twin._turns = Turns(self.ctx)
        twin._outer = []
        if not self._closed:
            self._lease.take(twin)
        return twin

    def last_prompt(self) -> list[dict[str, Any]] | None:
        """Return the messages of the last request as they were sent, or None before the first."""
        last = self._turns.last
        log = last.generate_log if last is not None else None
        return log.prompt if log is not None else None

    # Life

    def close(self) -> None:
        """Cancel what is under way and release what the session owns. Closing again does nothing."""
        if not self._closed:
            run_sync(self.aclose())

    cleanup = close

    async def aclose(self) -> None:
        """Asynchronous twin of ``close``."""
        if self._closed:
            return
        self._closed = True
        for thunk in self._turns.pending():
            await thunk.cancel_generation()
        if self._lease.give_back(self):
            await self.backend.aclose()

    def __enter__(self) -> Self:
        self._check_open()
        self._outer.append(_current.get())
        _current.set(self)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        _current.set(self._outer.pop())
        self.close()

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        _current.set(self._outer.pop())
        await self.aclose()

    def _check_open(self) -> None:
        if self._closed:
            raise ClosedError("This session is closed.", hint="Start another one with start_session.")

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.backend!r}, {self.ctx!r}{', closed' if self._closed else ''}>"

    def _canonical(self, options: Mapping[str, Any] | None) -> dict[str, Any]:
        """Return options under common names: a call's native spelling overrides the session's common one, and the reverse."""
        table: OptionTable = getattr(self.backend, "options", _NO_TABLE)
        return table.canonical(options)

    # Verbs

    async def _turn(
        self, action: Span | str, *, model_options: Mapping[str, Any] | None, await_result: bool, **kwargs: Any
    ) -> ModelOutputThunk[Any]:
        """Carry out one turn: start it, wait for it if asked to, and remember it."""
        self._check_open()
        begun = self._turns.begin()
        options = merge_options(self._canonical(self.model_options), self._canonical(model_options))
        thunk, after = await functional.start(action, begun.ctx, self.backend, model_options=options, **kwargs)
        if self._closed:
            await thunk.cancel_generation()
            self._check_open()
        if await_result:
            with self._turns.watching(thunk):
                await functional.finished(thunk)
        self._turns.commit(begun, after, thunk)
        return thunk

    @overload
    async def aact(
        self, action: Span | str, *, format: type[M], await_result: bool = False, **parts: Unpack[ActParts]
    ) -> ModelOutputThunk[M]: ...
    @overload
    async def aact(
        self, action: Component[S], *, format: None = None, await_result: bool = False, **parts: Unpack[ActParts]
    ) -> ModelOutputThunk[S]: ...
    @overload
    async def aact(
        self, action: Span | str, *, format: Any = None, await_result: bool = False, **parts: Unpack[ActParts]
    ) -> ModelOutputThunk[Any]: ...
    async def aact(
        self,
        action: Any,
        *,
        format: Any = None,
        model_options: Mapping[str, Any] | None = None,
        tool_calls: bool = False,
        await_result: bool = False,
    ) -> ModelOutputThunk[Any]:
        """Ask the model for one component, block or text.

        Args:
            action: What the model is asked.
            format: A pydantic class or JSON schema that the output must fit; ``.parsed`` of the result is the instance.
            model_options: Options of this call.
            tool_calls: Whether the model may call tools.
            await_result: Whether to wait for the output. Otherwise the thunk is on its way, so that calls run side by side
                and pieces can be read as they come.

        Raises:
            ClosedError: The session is closed.
            UsageError: The call cannot be carried out; nothing was sent.
            ProviderError: The provider failed.
        """
        return await self._turn(
            action, format=format, model_options=model_options, tool_calls=tool_calls, await_result=await_result
        )

    @overload
    def act(self, action: Span | str, *, format: type[M], **parts: Unpack[ActParts]) -> ComputedModelOutputThunk[M]: ...
    @overload
    def act(self, action: Component[S], *, format: None = None, **parts: Unpack[ActParts]) -> ComputedModelOutputThunk[S]: ...
    @overload
    def act(self, action: Span | str, *, format: Any = None, **parts: Unpack[ActParts]) -> ComputedModelOutputThunk[Any]: ...
    def act(self, action: Any, *, format: Any = None, **parts: Unpack[ActParts]) -> Any:
        """Synchronous twin of ``aact``; waits for the output."""
        return run_sync(self.aact(action, format=format, **parts, await_result=True))

    @overload
    async def ainstruct(
        self, description: str | Span, *, format: type[M], await_result: bool = True, **parts: Unpack[InstructParts]
    ) -> ModelOutputThunk[M]: ...
    @overload
    async def ainstruct(
        self, description: str | Span, *, format: None = None, await_result: bool = True, **parts: Unpack[InstructParts]
    ) -> ModelOutputThunk[str]: ...
    @overload
    async def ainstruct(
        self, description: str | Span, *, format: Any, await_result: bool = True, **parts: Unpack[InstructParts]
    ) -> ModelOutputThunk[Any]: ...
    async def ainstruct(
        self,
        description: str | Span,
        *,
        images: Iterable[Any] | None = None,
        audio: Iterable[Any] | None = None,
        requirements: Iterable[str | Span] | None = None,
        icl_examples: Iterable[str | Span] | None = None,
        grounding_context: Mapping[str, str | Span] | None = None,
        user_variables: Mapping[str, Any] | None = None,
        prefix: str | Span | None = None,
        output_prefix: str | Span | None = None,
        format: Any = None,
        model_options: Mapping[str, Any] | None = None,
        tool_calls: bool = False,
        await_result: bool = True,
    ) -> ModelOutputThunk[Any]:
        """Give the model a task.

        Args:
            description: The task; with ``user_variables`` a template (``{{name}}``).
            images: Images to look at.
            audio: Audio to listen to.
            requirements: What the output must respect; shown to the model.
            icl_examples: Examples of good outputs.
            grounding_context: Facts to use, by name; may contain outputs that are still on their way.
            user_variables: Values of the template variables.
            prefix: Text before the task.
            output_prefix: Text that the answer should begin with.
            format: A pydantic class or JSON schema that the output must fit; ``.parsed`` of the result is the instance.
            model_options: Options of this call.
            tool_calls: Whether the model may call tools.
            await_result: Whether to wait for the output.

        Raises:
            ClosedError: The session is closed.
            TemplateError: A template variable is not given.
            UsageError: The call cannot be carried out; nothing was sent.
            ProviderError: The provider failed.
        """
        instruction = Instruction(
            description, requirements, icl_examples, grounding_context, user_variables, prefix, output_prefix, images, audio
        )
        return await self._turn(
            instruction, format=format, model_options=model_options, tool_calls=tool_calls, await_result=await_result
        )

    @overload
    def instruct(
        self, description: str | Span, *, format: type[M], **parts: Unpack[InstructParts]
    ) -> ComputedModelOutputThunk[M]: ...
    @overload
    def instruct(
        self, description: str | Span, *, format: None = None, **parts: Unpack[InstructParts]
    ) -> ComputedModelOutputThunk[str]: ...
    @overload
    def instruct(
        self, description: str | Span, *, format: Any, **parts: Unpack[InstructParts]
    ) -> ComputedModelOutputThunk[Any]: ...
    def instruct(self, description: str | Span, *, format: Any = None, **parts: Unpack[InstructParts]) -> Any:
        """Synchronous twin of ``ainstruct``, with the same arguments."""
        return run_sync(self.ainstruct(description, format=format, **parts))

    async def achat(
        self,
        content: str,
        role: Role = "user",
        *,
        images: Iterable[Any] | None = None,
        audio: Iterable[Any] | None = None,
        documents: Iterable[Span | str] | None = None,
        user_variables: Mapping[str, Any] | None = None,
        format: Any = None,
        model_options: Mapping[str, Any] | None = None,
        tool_calls: bool = False,
    ) -> Message:
        """Say something to the model and return its answer as an assistant message.

        Args:
            content: What to say; with ``user_variables`` a template.
            role: Who says it.
            images: Images that go along.
            audio: Audio that goes along.
            documents: Documents that go along, below the text.
            user_variables: Values of the template variables.
            format: A pydantic class or JSON schema that the answer must fit.
            model_options: Options of this call.
            tool_calls: Whether the model may call tools.

        Raises:
            ClosedError: The session is closed.
            UsageError: The call cannot be carried out; nothing was sent.
            ProviderError: The provider failed.
        """
        message = functional.user_message(
            content, role, images=images, audio=audio, documents=documents, user_variables=user_variables
        )
        thunk = await self._turn(message, format=format, model_options=model_options, tool_calls=tool_calls, await_result=True)
        return cast("Message", thunk.parsed_repr)

    def chat(self, content: str, role: Role = "user", **parts: Unpack[ChatParts]) -> Message:
        """Synchronous twin of ``achat``, with the same arguments."""
        return run_sync(self.achat(content, role, **parts))

    async def astream_chat(
        self,
        content: str,
        role: Role = "user",
        *,
        images: Iterable[Any] | None = None,
        audio: Iterable[Any] | None = None,
        documents: Iterable[Span | str] | None = None,
        user_variables: Mapping[str, Any] | None = None,
        format: Any = None,
        model_options: Mapping[str, Any] | None = None,
        tool_calls: bool = False,
    ) -> ModelOutputThunk[Message]:
        """Say something to the model and return its answer while it is being written: ``async for piece in ...``.

        The arguments are those of ``achat``.

        Raises:
            ClosedError: The session is closed.
            UsageError: The call cannot be carried out; nothing was sent.
        """
        message = functional.user_message(
            content, role, images=images, audio=audio, documents=documents, user_variables=user_variables
        )
        return await self._turn(
            message, format=format, model_options=model_options, tool_calls=tool_calls, await_result=False, stream=True
        )

    def stream_chat(self, content: str, role: Role = "user", **parts: Unpack[ChatParts]) -> ModelOutputThunk[Message]:
        """Synchronous twin of ``astream_chat``: ``for piece in session.stream_chat(...)``."""
        return run_sync(self.astream_chat(content, role, **parts), starts_only=True)

    @overload
    async def astream_instruct(
        self, description: str | Span, *, format: type[M], **parts: Unpack[InstructParts]
    ) -> ModelOutputThunk[M]: ...
    @overload
    async def astream_instruct(
        self, description: str | Span, *, format: None = None, **parts: Unpack[InstructParts]
    ) -> ModelOutputThunk[str]: ...
    @overload
    async def astream_instruct(
        self, description: str | Span, *, format: Any, **parts: Unpack[InstructParts]
    ) -> ModelOutputThunk[Any]: ...
    async def astream_instruct(
        self,
        description: str | Span,
        *,
        format: Any = None,
        model_options: Mapping[str, Any] | None = None,
        tool_calls: bool = False,
        **parts: Unpack[InstructionParts],
    ) -> ModelOutputThunk[Any]:
        """Give the model a task and return the output while it is being written. The arguments are those of ``ainstruct``."""
        return await self._turn(
            Instruction(description, **parts),
            format=format,
            model_options=model_options,
            tool_calls=tool_calls,
            await_result=False,
            stream=True,
        )

    @overload
    def stream_instruct(
        self, description: str | Span, *, format: type[M], **parts: Unpack[InstructParts]
    ) -> ModelOutputThunk[M]: ...
    @overload
    def stream_instruct(
        self, description: str | Span, *, format: None = None, **parts: Unpack[InstructParts]
    ) -> ModelOutputThunk[str]: ...
    @overload
    def stream_instruct(self, description: str | Span, *, format: Any, **parts: Unpack[InstructParts]) -> ModelOutputThunk[Any]: ...
    def stream_instruct(
        self, description: str | Span, *, format: Any = None, **parts: Unpack[InstructParts]
    ) -> ModelOutputThunk[Any]:
        """Synchronous twin of ``astream_instruct``: ``for piece in session.stream_instruct(...)``."""
        return run_sync(self.astream_instruct(description, format=format, **parts), starts_only=True)


def start_session(
    backend: str | Backend | None = None,
    model_id: Any = None,
    ctx: Context | str | None = None,
    *,
    context_type: str | None = None,
    model_options: Mapping[str, Any] | None = None,
    plugins: Iterable[Any] | None = None,
    backend_name: str | None = None,
    **backend_kwargs: Any,
) -> MelleaSession:
    """Open a session.

    Args:
        backend: Name of an installed backend (also ``distribution:name``), or an instance. By default ``MELLEA_BACKEND``, else
            ``ollama``.
        model_id: The model, as text or ``ModelIdentifier``. By default ``MELLEA_MODEL``, else the backend's own default.
        ctx: A context, or the name of a context type. By default a ``SimpleContext``.
        context_type: The name of a context type; another way to say ``ctx``.
        model_options: Options of every call of this session.
        plugins: Modules or objects with hook implementations, for this session only; they go before what is installed.
        backend_name: Another name for ``backend``.
        backend_kwargs: Passed on to the backend.

    Raises:
        UnknownPluginError: No installed plugin has that name.
        BackendNotInstalledError: It is a well-known backend that is not installed; the message has the install command.
        PluginError: The plugin is ambiguous or broken.
        UsageError: The arguments contradict each other.
        ProviderError: The backend checks its server or weights when it opens, and they are not there.
    """
    options = _NO_TABLE.canonical(model_options)  # what is wrong shows before a backend opens
    context = open_context(ctx, context_type, plugins)
    opened = open_backend(backend, backend_name, model_id, plugins, backend_kwargs)
    made_here = not any(opened is given for given in (backend, backend_name))
    return MelleaSession(opened, context, model_options=options, owns_backend=made_here)


def start_backend(
    backend_name: str | None = None,
    model_id: Any = None,
    ctx: Context | str | None = None,
    *,
    context_type: str | None = None,
    model_options: Mapping[str, Any] | None = None,
    **backend_kwargs: Any,
) -> tuple[Context, Backend]:
    """Open a context and a backend, for programs that thread their state themselves. See ``start_session``."""
    context = open_context(ctx, context_type, None)
    return context, open_backend(None, backend_name, model_id, None, {**backend_kwargs, "model_options": model_options})
