"""A session's verbs: each is the functional verb of the same name, with the context threaded through."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal, TypeVar, Unpack, cast, overload

from mellea.core.component import Component, Span
from mellea.core.errors import UsageError
from mellea.core.event_loop import run_sync, synchronous
from mellea.core.message import Message, Role
from mellea.core.requirement import Requirement, ValidationResult
from mellea.core.sampling import SamplingResult, SamplingStrategy
from mellea.core.thunk import ComputedModelOutputThunk, ModelOutputThunk
from mellea.stdlib import functional
from mellea.stdlib._signatures import (
    ActOptions,
    ChatOptions,
    ExplainOptions,
    InstructOptions,
    MessageOptions,
    QueryOptions,
    ReactOptions,
    SampledInstructOptions,
    StrategyOptions,
    StreamOptions,
    TransformOptions,
    ValidateOptions,
    waiting,
    with_options,
)
from mellea.stdlib.sampling._default_strategy import DEFAULT_STRATEGY
from mellea.stdlib.sampling._steering import SteeringReport
from mellea.stdlib.session._state import SessionState, open_blocks

if TYPE_CHECKING:
    from mellea.stdlib.frameworks.agent_run import AgentRun

__all__ = ["MelleaSession", "get_session"]

S = TypeVar("S")
M = TypeVar("M")


def get_session() -> MelleaSession:
    """Return the session whose ``with`` block this code runs in.

    Raises:
        UsageError: (also a RuntimeError) There is none.
    """
    blocks = open_blocks.get()
    if not blocks:
        raise _NoSessionError("No session is open here.", hint="Call it inside `with start_session(...):`.")
    return cast("MelleaSession", blocks[-1][0])


class _NoSessionError(UsageError, RuntimeError):
    pass


class MelleaSession(SessionState):
    """A backend and a context, with the verbs.

    Use it as a context manager, synchronous or asynchronous; leaving the block closes it, and every verb then
    raises a ``ClosedError``. Subclasses keep their class and attributes when they are cloned.

    Args:
        backend: What generates.
        ctx: What is remembered; by default a ``SimpleContext``.
        session_id: A name for logs; by default a new UUID.
        model_options: Options of every call of this session, over the backend's and under the call's own.
        strict: Whether it is an error that no attempt of an instruction meets every requirement.
        steer: Whether requirements that have a form steer the decoding, where the backend can.
        judge: Judges requirements that name no judge, nor does their strategy: a backend, a ``Judge``, or
            ``score`` for a ``ScoringJudge()``; by default the backend that writes. It is not closed here.
        plugins: Handlers of hooks for its calls, and modules with manifests, whose strategies go first.
        owns_backend: Whether closing the session closes the backend. ``start_session`` says True for a
            backend that it made.
        allow_context_type_change: Kept for programs that pass it; any type of context may come back.
    """

    @overload
    async def aact(
        self, action: Span | str, *, return_sampling_results: Literal[True],
        requirements: Iterable[str | Requirement] | None = None, format: Any = None,
        **options: Unpack[StrategyOptions],
    ) -> SamplingResult[Any]: ...  # fmt: skip
    @overload
    async def aact(
        self, action: Span | str, *, format: type[M], requirements: Iterable[str | Requirement] | None = None,
        await_result: bool = False, **options: Unpack[StrategyOptions],
    ) -> ModelOutputThunk[M]: ...  # fmt: skip
    @overload
    async def aact(
        self, action: Component[S], *, format: None = None,
        requirements: Iterable[str | Requirement] | None = None,
        await_result: bool = False, **options: Unpack[StrategyOptions],
    ) -> ModelOutputThunk[S]: ...  # fmt: skip
    @overload
    async def aact(
        self, action: Span | str, *, format: Any = None,
        requirements: Iterable[str | Requirement] | None = None,
        await_result: bool = False, **options: Unpack[StrategyOptions],
    ) -> ModelOutputThunk[Any]: ...  # fmt: skip
    @with_options(ActOptions)
    async def aact(
        self,
        action: Any,
        *,
        strategy: str | SamplingStrategy | None = None,
        await_result: bool = False,
        **options: Any,
    ) -> Any:
        """Ask the model for one component, block or text.

        Args:
            action: What the model is asked.

        Returns:
            The output, or with ``return_sampling_results`` every attempt.

        Raises:
            RequirementsNotMetError: With ``strict``, no attempt met every requirement.
            UsageError: The call cannot be carried out; nothing was sent.
            ProviderError: The provider failed.
        """
        return await self._turn(functional.aact, action, strategy=strategy, waits=await_result, **options)

    @overload
    def act(
        self, action: Span | str, *, return_sampling_results: Literal[True],
        requirements: Iterable[str | Requirement] | None = None, format: Any = None,
        **options: Unpack[StrategyOptions],
    ) -> SamplingResult[Any]: ...  # fmt: skip
    @overload
    def act(
        self, action: Span | str, *, format: type[M], requirements: Iterable[str | Requirement] | None = None,
        **options: Unpack[StrategyOptions],
    ) -> ComputedModelOutputThunk[M]: ...  # fmt: skip
    @overload
    def act(
        self, action: Component[S], *, format: None = None,
        requirements: Iterable[str | Requirement] | None = None,
        **options: Unpack[StrategyOptions],
    ) -> ComputedModelOutputThunk[S]: ...  # fmt: skip
    @overload
    def act(
        self, action: Span | str, *, format: Any = None,
        requirements: Iterable[str | Requirement] | None = None,
        **options: Unpack[StrategyOptions],
    ) -> ComputedModelOutputThunk[Any]: ...  # fmt: skip
    @with_options(ActOptions)
    def act(self, action: Any, **options: Any) -> Any:
        """Synchronous twin of ``aact``; it waits for the output."""
        return run_sync(self.aact(action, **waiting(options)))

    @overload
    async def ainstruct(
        self,
        description: str | Span,
        *,
        return_sampling_results: Literal[True],
        format: Any = None,
        **options: Unpack[InstructOptions],
    ) -> SamplingResult[Any]: ...
    @overload
    async def ainstruct(
        self,
        description: str | Span,
        *,
        format: type[M],
        await_result: bool | None = None,
        **options: Unpack[InstructOptions],
    ) -> ModelOutputThunk[M]: ...
    @overload
    async def ainstruct(
        self,
        description: str | Span,
        *,
        format: None = None,
        await_result: bool | None = None,
        **options: Unpack[InstructOptions],
    ) -> ModelOutputThunk[str]: ...
    @overload
    async def ainstruct(
        self,
        description: str | Span,
        *,
        format: Any,
        await_result: bool | None = None,
        **options: Unpack[InstructOptions],
    ) -> ModelOutputThunk[Any]: ...
    @with_options(SampledInstructOptions)
    async def ainstruct(
        self,
        description: str | Span,
        *,
        strategy: str | SamplingStrategy | None = DEFAULT_STRATEGY,
        await_result: bool | None = None,
        **options: Any,
    ) -> Any:
        """Give the model a task.

        By default a second attempt is made if the first one fails; there is one attempt when there is nothing
        to check.

        Args:
            description: The task; with ``user_variables`` a template (``{{name}}``).

        Returns:
            The output, or with ``return_sampling_results`` every attempt.

        Raises:
            TemplateError: A template variable is not given.
            RequirementsNotMetError: With ``strict``, no attempt met every requirement.
            UsageError: The call cannot be carried out; nothing was sent.
            ProviderError: The provider failed.
        """
        waits = strategy is not None if await_result is None else await_result
        return await self._turn(
            functional.ainstruct, description, strategy=strategy, await_result=False, waits=waits, **options
        )

    @overload
    def instruct(
        self,
        description: str | Span,
        *,
        return_sampling_results: Literal[True],
        format: Any = None,
        **options: Unpack[InstructOptions],
    ) -> SamplingResult[Any]: ...
    @overload
    def instruct(
        self, description: str | Span, *, format: type[M], **options: Unpack[InstructOptions]
    ) -> ComputedModelOutputThunk[M]: ...
    @overload
    def instruct(
        self, description: str | Span, *, format: None = None, **options: Unpack[InstructOptions]
    ) -> ComputedModelOutputThunk[str]: ...
    @overload
    def instruct(
        self, description: str | Span, *, format: Any, **options: Unpack[InstructOptions]
    ) -> ComputedModelOutputThunk[Any]: ...
    @with_options(SampledInstructOptions, strategy=DEFAULT_STRATEGY)
    def instruct(self, description: str | Span, **options: Any) -> Any:
        """Synchronous twin of ``ainstruct``; it waits for the output."""
        return run_sync(self.ainstruct(description, **waiting(options)))

    @with_options(ExplainOptions)
    async def aexplain(self, description: str | Span, **options: Unpack[ExplainOptions]) -> SteeringReport:
        """Return how the requirements of a task would steer the answer; no model is asked.

        A server may be asked what it is. Printed, the report says the plan in words, what is left to checking
        and why, and the pattern.

        Args:
            description: The task; with ``user_variables`` a template (``{{name}}``).

        Raises:
            TemplateError: A template variable is not given.
            ContradictionError: No text can meet two of the requirements.
            UsageError: The task is empty.
        """
        return await self._look(functional.aexplain, description, **options)

    explain = synchronous(aexplain)

    @with_options(ValidateOptions)
    async def avalidate(
        self, reqs: str | Requirement | Iterable[str | Requirement], **options: Unpack[ValidateOptions]
    ) -> list[ValidationResult]:
        """Return what each requirement says of the last output, or of another one; nothing is remembered.

        Args:
            reqs: One requirement or several; a model judges those given as text.

        Raises:
            UsageError: There is no output, or a requirement is none.
            ProviderError: A judge could not be asked.
        """
        return await self._look(functional.avalidate, reqs, **options)

    validate = synchronous(avalidate)

    @with_options(QueryOptions, strategy=DEFAULT_STRATEGY)
    async def aquery(
        self, obj: Any, query: str, *, await_result: bool = False, **options: Unpack[QueryOptions]
    ) -> ModelOutputThunk[Any]:
        """Ask something about an object.

        With ``tool_calls`` the model may call the object's methods; with ``tool_loop`` the calls are carried
        out.

        By default a second attempt is made if the first one fails; there is one attempt when there is nothing
        to check.

        Args:
            obj: The object: any at all. What is no component is mified with the defaults.
            query: The question.

        Raises:
            RequirementsNotMetError: With ``strict``, no attempt met every requirement.
            UsageError: The object cannot be asked about, or the call cannot be carried out; nothing was sent.
            ProviderError: The provider failed.
        """
        options.setdefault("strategy", DEFAULT_STRATEGY)
        output: ModelOutputThunk[Any] = await self._turn(
            functional.aquery, obj, query, waits=await_result, **options
        )
        return output

    @with_options(QueryOptions, strategy=DEFAULT_STRATEGY)
    def query(self, obj: Any, query: str, **options: Unpack[QueryOptions]) -> ModelOutputThunk[Any]:
        """Synchronous twin of ``aquery``; it waits for the answer."""
        return run_sync(self.aquery(obj, query, **waiting(options)))

    @with_options(TransformOptions, strategy=DEFAULT_STRATEGY)
    async def atransform(self, obj: Any, transformation: str, **options: Unpack[TransformOptions]) -> Any:
        """Change an object, and return what came of it.

        The object itself changes only if the model calls its methods.

        The model may call them where the backend can. By default a second attempt is made if the answer
        cannot be read.

        Args:
            obj: The object: any at all. What is no component is mified with the defaults.
            transformation: What to change, in words.

        Raises:
            OutputParseError: No attempt gave an answer that the object can read.
            RequirementsNotMetError: With ``strict``, no attempt met every requirement.
            UsageError: The object cannot be changed, or the call cannot be carried out; nothing was sent.
            ProviderError: The provider failed.
        """
        options.setdefault("strategy", DEFAULT_STRATEGY)
        return await self._turn(functional.atransform, obj, transformation, **options)

    transform = synchronous(atransform)

    @with_options(ChatOptions)
    async def achat(self, content: str, role: Role = "user", **options: Unpack[ChatOptions]) -> Message:
        """Say something to the model and return its answer as an assistant message.

        Args:
            content: What to say; with ``user_variables`` a template.
            role: Who says it.

        Raises:
            TemplateError: A template variable is not given.
            UsageError: The call cannot be carried out; nothing was sent.
            ProviderError: The provider failed.
        """
        thunk = await self._turn(functional.send_message, content, role=role, waits=True, **options)
        return cast("Message", thunk.parsed_repr)

    chat = synchronous(achat)

    @with_options(MessageOptions)
    async def astream_chat(
        self, content: str, role: Role = "user", **options: Unpack[MessageOptions]
    ) -> ModelOutputThunk[Message]:
        """Say something to the model and return its answer while it is being written.

        ``async for piece in ...``.

        Args:
            content: What to say; with ``user_variables`` a template.
            role: Who says it.

        Raises:
            TemplateError: A template variable is not given.
            UsageError: The call cannot be carried out; nothing was sent.
        """
        return cast(
            "ModelOutputThunk[Message]",
            await self._turn(functional.astream_chat, content, role=role, **options),
        )

    stream_chat = synchronous(astream_chat, starts_only=True)

    @overload
    async def astream_instruct(
        self, description: str | Span, *, format: type[M], **options: Unpack[StreamOptions]
    ) -> ModelOutputThunk[M]: ...
    @overload
    async def astream_instruct(
        self, description: str | Span, *, format: None = None, **options: Unpack[StreamOptions]
    ) -> ModelOutputThunk[str]: ...
    @overload
    async def astream_instruct(
        self, description: str | Span, *, format: Any, **options: Unpack[StreamOptions]
    ) -> ModelOutputThunk[Any]: ...
    @with_options(StreamOptions)
    async def astream_instruct(
        self, description: str | Span, *, format: Any = None, **options: Unpack[StreamOptions]
    ) -> ModelOutputThunk[Any]:
        """Give the model a task and return the output while it is being written.

        The requirements are shown, and steer where they have a form and the backend can; they are not
        checked.

        Args:
            description: The task; with ``user_variables`` a template (``{{name}}``).

        Raises:
            TemplateError: A template variable is not given.
            UsageError: The call cannot be carried out; nothing was sent.
        """
        return cast(
            "ModelOutputThunk[Any]",
            await self._turn(functional.astream_instruct, description, format=format, **options),
        )

    @overload
    def stream_instruct(
        self, description: str | Span, *, format: type[M], **options: Unpack[StreamOptions]
    ) -> ModelOutputThunk[M]: ...
    @overload
    def stream_instruct(
        self, description: str | Span, *, format: None = None, **options: Unpack[StreamOptions]
    ) -> ModelOutputThunk[str]: ...
    @overload
    def stream_instruct(
        self, description: str | Span, *, format: Any, **options: Unpack[StreamOptions]
    ) -> ModelOutputThunk[Any]: ...
    @with_options(StreamOptions)
    def stream_instruct(
        self, description: str | Span, *, format: Any = None, **options: Any
    ) -> ModelOutputThunk[Any]:
        """Synchronous twin of ``astream_instruct``: ``for piece in session.stream_instruct(...)``."""
        return run_sync(self.astream_instruct(description, format=format, **options), starts_only=True)

    @overload
    async def areact(
        self, goal: str | Span, *, format: type[M], **options: Unpack[ReactOptions]
    ) -> ComputedModelOutputThunk[M]: ...
    @overload
    async def areact(
        self, goal: str | Span, *, format: None = None, **options: Unpack[ReactOptions]
    ) -> ComputedModelOutputThunk[str]: ...
    @overload
    async def areact(
        self, goal: str | Span, *, format: Any, **options: Unpack[ReactOptions]
    ) -> ComputedModelOutputThunk[Any]: ...
    @with_options(ReactOptions)
    async def areact(self, goal: str | Span, *, format: Any = None, **options: Any) -> Any:
        """Let an agent come to a goal: the model calls tools, turn by turn, until an answer stands.

        Without a budget there are ten turns, in the last of which the model is made to answer, where the
        backend can.

        Args:
            goal: What is to be done.

        Returns:
            The answer, whose ``sampling`` has every turn.

        Raises:
            BudgetError: The budget is spent; its ``result`` has every turn, and the best attempt.
            UsageError: The agent cannot be carried out as it was written; nothing was sent.
            ProviderError: The provider failed.
        """
        return await self._turn(functional.areact, goal, format=format, **options)

    @overload
    def react(
        self, goal: str | Span, *, format: type[M], **options: Unpack[ReactOptions]
    ) -> ComputedModelOutputThunk[M]: ...
    @overload
    def react(
        self, goal: str | Span, *, format: None = None, **options: Unpack[ReactOptions]
    ) -> ComputedModelOutputThunk[str]: ...
    @overload
    def react(
        self, goal: str | Span, *, format: Any, **options: Unpack[ReactOptions]
    ) -> ComputedModelOutputThunk[Any]: ...
    @with_options(ReactOptions)
    def react(self, goal: str | Span, *, format: Any = None, **options: Any) -> Any:
        """Synchronous twin of ``areact``."""
        return run_sync(self.areact(goal, format=format, **options))

    @with_options(ReactOptions)
    async def astream_react(
        self, goal: str | Span, *, format: Any = None, **options: Unpack[ReactOptions]
    ) -> AgentRun[Any]:
        """Return the run of an agent, to be read by its events; its answer is remembered once it stands.

        ``async for event in ...``. The agent goes on only while somebody reads.

        Args:
            goal: What is to be done.

        Raises:
            UsageError: The agent cannot be carried out as it was written; nothing was sent.
        """
        return await self._begin(functional.astream_react, goal, format=format, **options)

    stream_react = synchronous(astream_react, starts_only=True)
