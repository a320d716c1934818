"""The verbs of a session: each written once, as a coroutine, with a synchronous twin."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any, Literal, TypeVar, Unpack, cast, overload

from mellea.core.backend import Backend
from mellea.core.component import Component, Span
from mellea.core.event_loop import run_sync
from mellea.core.message import Message, Role
from mellea.core.requirement import Requirement, ValidationResult
from mellea.core.sampling import SamplingResult, SamplingStrategy
from mellea.core.thunk import ComputedModelOutputThunk, ModelOutputThunk
from mellea.stdlib import functional
from mellea.stdlib._signatures import ChatParts, InstructionParts, InstructParts, StrategyParts, TaskParts
from mellea.stdlib.components.instruction import Instruction

__all__ = ["Verbs"]

S = TypeVar("S")
M = TypeVar("M")


class Verbs(ABC):
    """The verbs, over a turn, a sampled turn and a validation that a session carries out."""

    backend: Backend

    @abstractmethod
    async def _turn(
        self,
        action: Span | str,
        *,
        model_options: Mapping[str, Any] | None,
        await_result: bool,
        **kwargs: Any,
    ) -> ModelOutputThunk[Any]:
        """Carry out one turn without a strategy."""

    @abstractmethod
    async def _sampled_turn(
        self,
        action: Span | str,
        *,
        model_options: Mapping[str, Any] | None,
        strict: bool | None,
        **kwargs: Any,
    ) -> SamplingResult[Any]:
        """Carry out one turn as a strategy says."""

    async def _act(
        self,
        action: Span | str,
        *,
        requirements: Iterable[str | Requirement] | None,
        strategy: str | SamplingStrategy | None,
        return_sampling_results: bool,
        strict: bool | None,
        await_result: bool,
        **kwargs: Any,
    ) -> Any:
        if strategy is None:
            functional.check_no_strategy(
                requirements, return_sampling_results=return_sampling_results, strict=bool(strict)
            )
            return await self._turn(action, await_result=await_result, **kwargs)
        result = await self._sampled_turn(
            action, requirements=requirements, strategy=strategy, strict=strict, **kwargs
        )
        return result if return_sampling_results else result.result

    @overload
    async def aact(
        self, action: Span | str, *, return_sampling_results: Literal[True],
        requirements: Iterable[str | Requirement] | None = None, format: Any = None, **parts: Unpack[StrategyParts],
    ) -> SamplingResult[Any]: ...  # fmt: skip
    @overload
    async def aact(
        self, action: Span | str, *, format: type[M], requirements: Iterable[str | Requirement] | None = None,
        await_result: bool = False, **parts: Unpack[StrategyParts],
    ) -> ModelOutputThunk[M]: ...  # fmt: skip
    @overload
    async def aact(
        self, action: Component[S], *, format: None = None, requirements: Iterable[str | Requirement] | None = None,
        await_result: bool = False, **parts: Unpack[StrategyParts],
    ) -> ModelOutputThunk[S]: ...  # fmt: skip
    @overload
    async def aact(
        self, action: Span | str, *, format: Any = None, requirements: Iterable[str | Requirement] | None = None,
        await_result: bool = False, **parts: Unpack[StrategyParts],
    ) -> ModelOutputThunk[Any]: ...  # fmt: skip
    async def aact(
        self,
        action: Any,
        *,
        requirements: Iterable[str | Requirement] | None = None,
        strategy: str | SamplingStrategy | None = None,
        return_sampling_results: bool = False,
        strict: bool | None = None,
        format: Any = None,
        model_options: Mapping[str, Any] | None = None,
        tool_calls: bool = False,
        await_result: bool = False,
    ) -> Any:
        """Ask the model for one component, block or text.

        Args:
            action: What the model is asked.
            requirements: What the output must respect; needs a strategy.
            strategy: How attempts are made until one meets every requirement, or the name of a strategy; None makes one attempt.
            return_sampling_results: Whether to return every attempt, as a ``SamplingResult``; needs a strategy.
            strict: Whether it is an error that no attempt meets every requirement; by default as the session says.
            format: A pydantic class or JSON schema that the output must fit; ``.parsed`` of the result is the instance.
            model_options: Options of this call.
            tool_calls: Whether the model may call tools.
            await_result: Whether to wait for the output. Otherwise the thunk is on its way, so that calls run side by side
                and pieces can be read as they come. A strategy always waits.

        Raises:
            ClosedError: The session is closed.
            RequirementsNotMetError: With ``strict``, no attempt met every requirement.
            UsageError: The call cannot be carried out; nothing was sent.
            ProviderError: The provider failed.
        """
        return await self._act(
            action,
            requirements=requirements,
            strategy=strategy,
            return_sampling_results=return_sampling_results,
            strict=strict,
            await_result=await_result,
            format=format,
            model_options=model_options,
            tool_calls=tool_calls,
        )

    @overload
    def act(
        self, action: Span | str, *, return_sampling_results: Literal[True],
        requirements: Iterable[str | Requirement] | None = None, format: Any = None, **parts: Unpack[StrategyParts],
    ) -> SamplingResult[Any]: ...  # fmt: skip
    @overload
    def act(
        self, action: Span | str, *, format: type[M], requirements: Iterable[str | Requirement] | None = None,
        **parts: Unpack[StrategyParts],
    ) -> ComputedModelOutputThunk[M]: ...  # fmt: skip
    @overload
    def act(
        self, action: Component[S], *, format: None = None, requirements: Iterable[str | Requirement] | None = None,
        **parts: Unpack[StrategyParts],
    ) -> ComputedModelOutputThunk[S]: ...  # fmt: skip
    @overload
    def act(
        self, action: Span | str, *, format: Any = None, requirements: Iterable[str | Requirement] | None = None,
        **parts: Unpack[StrategyParts],
    ) -> ComputedModelOutputThunk[Any]: ...  # fmt: skip
    def act(self, action: Any, *, format: Any = None, **parts: Any) -> Any:
        """Synchronous twin of ``aact``; waits for the output."""
        return run_sync(self.aact(action, format=format, **parts, await_result=True))

    @overload
    async def ainstruct(
        self,
        description: str | Span,
        *,
        return_sampling_results: Literal[True],
        format: Any = None,
        **parts: Unpack[InstructParts],
    ) -> SamplingResult[Any]: ...
    @overload
    async def ainstruct(
        self,
        description: str | Span,
        *,
        format: type[M],
        await_result: bool = True,
        **parts: Unpack[InstructParts],
    ) -> ModelOutputThunk[M]: ...
    @overload
    async def ainstruct(
        self,
        description: str | Span,
        *,
        format: None = None,
        await_result: bool = True,
        **parts: Unpack[InstructParts],
    ) -> ModelOutputThunk[str]: ...
    @overload
    async def ainstruct(
        self,
        description: str | Span,
        *,
        format: Any,
        await_result: bool = True,
        **parts: Unpack[InstructParts],
    ) -> ModelOutputThunk[Any]: ...
    async def ainstruct(
        self,
        description: str | Span,
        *,
        strategy: str | SamplingStrategy | None = functional.DEFAULT_STRATEGY,
        return_sampling_results: bool = False,
        strict: bool | None = None,
        format: Any = None,
        model_options: Mapping[str, Any] | None = None,
        tool_calls: bool = False,
        await_result: bool = True,
        **parts: Unpack[InstructionParts],
    ) -> Any:
        """Give the model a task.

        Args:
            description: The task; with ``user_variables`` a template (``{{name}}``).
            strategy: How attempts are made until one meets every requirement, or the name of a strategy; by default rejection
                with two attempts. With None the requirements are shown to the model and not checked.
            return_sampling_results: Whether to return every attempt, as a ``SamplingResult``.
            strict: Whether it is an error that no attempt meets every requirement; by default as the session says.
            format: A pydantic class or JSON schema that the output must fit; ``.parsed`` of the result is the instance.
            model_options: Options of this call.
            tool_calls: Whether the model may call tools.
            await_result: Whether to wait for the output. A strategy always waits, unless there is nothing to check.
            parts: What the task is composed of; see ``Instruction``: ``requirements``, ``icl_examples``,
                ``grounding_context``, ``user_variables``, ``prefix``, ``output_prefix``, ``images``, ``audio``.

        Raises:
            ClosedError: The session is closed.
            TemplateError: A template variable is not given.
            RequirementsNotMetError: With ``strict``, no attempt met every requirement.
            UsageError: The call cannot be carried out; nothing was sent.
            ProviderError: The provider failed.
        """
        instruction = Instruction(description, **parts)
        nothing_to_check = (
            strategy is functional.DEFAULT_STRATEGY and not instruction.requirements and format is None
        )
        chosen = None if nothing_to_check and not return_sampling_results else strategy
        return await self._act(
            instruction,
            requirements=instruction.requirements if chosen is not None else None,
            strategy=chosen,
            return_sampling_results=return_sampling_results,
            strict=strict if chosen is not None or not nothing_to_check else None,
            await_result=await_result,
            format=format,
            model_options=model_options,
            tool_calls=tool_calls,
        )

    @overload
    def instruct(
        self,
        description: str | Span,
        *,
        return_sampling_results: Literal[True],
        format: Any = None,
        **parts: Unpack[InstructParts],
    ) -> SamplingResult[Any]: ...
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
    def instruct(self, description: str | Span, *, format: Any = None, **parts: Any) -> Any:
        """Synchronous twin of ``ainstruct``, with the same arguments."""
        return run_sync(self.ainstruct(description, format=format, **parts))

    @abstractmethod
    async def avalidate(
        self,
        reqs: str | Requirement | Iterable[str | Requirement],
        *,
        output: ModelOutputThunk[Any] | str | None = None,
        input: Span | str | None = None,
        format: Any = None,
        model_options: Mapping[str, Any] | None = None,
    ) -> list[ValidationResult]:
        """Return what each requirement says of the last output, or of another one; nothing is remembered.

        Args:
            reqs: One requirement or several; a model judges those given as text.
            output: What to check instead of the last output.
            input: What ``output`` answers, if that is not in the conversation.
            format: What the output had to look like.
            model_options: Options of the judging calls.

        Raises:
            ClosedError: The session is closed.
            UsageError: There is no output, or a requirement is none.
            ProviderError: A judge could not be asked.
        """

    def validate(
        self, reqs: str | Requirement | Iterable[str | Requirement], **kwargs: Any
    ) -> list[ValidationResult]:
        """Synchronous twin of ``avalidate``, with the same arguments."""
        return run_sync(self.avalidate(reqs, **kwargs))

    async def aquery(
        self,
        obj: Any,
        query: str,
        *,
        requirements: Iterable[str | Requirement] | None = None,
        strategy: str | SamplingStrategy | None = None,
        strict: bool | None = None,
        format: Any = None,
        model_options: Mapping[str, Any] | None = None,
        tool_calls: bool = False,
    ) -> ModelOutputThunk[Any]:
        """Ask something about an object: an ``MObject``, a mified object, or any other, which is then mified.

        Args:
            obj: The object.
            query: The question.
            requirements: What the answer must respect; needs a strategy.
            strategy: How attempts are made until one meets every requirement; None makes one attempt.
            strict: Whether it is an error that no attempt meets every requirement; by default as the session says.
            format: A pydantic class or JSON schema that the answer must fit.
            model_options: Options of this call.
            tool_calls: Whether the model may call the object's methods.

        Raises:
            ClosedError: The session is closed.
            UsageError: The call cannot be carried out; nothing was sent.
            ProviderError: The provider failed.
        """
        from mellea.stdlib.objects import make_query  # noqa: PLC0415  few programs ask about objects

        return cast(
            "ModelOutputThunk[Any]",
            await self._act(
                make_query(obj, query),
                requirements=requirements,
                strategy=strategy,
                return_sampling_results=False,
                strict=strict,
                await_result=True,
                format=format,
                model_options=model_options,
                tool_calls=tool_calls,
            ),
        )

    def query(self, obj: Any, query: str, **parts: Any) -> ModelOutputThunk[Any]:
        """Synchronous twin of ``aquery``, with the same arguments."""
        return run_sync(self.aquery(obj, query, **parts))

    async def atransform(
        self,
        obj: Any,
        transformation: str,
        *,
        requirements: Iterable[str | Requirement] | None = None,
        strategy: str | SamplingStrategy | None = functional.DEFAULT_STRATEGY,
        strict: bool | None = None,
        format: Any = None,
        model_options: Mapping[str, Any] | None = None,
    ) -> Any:
        """Change an object, and return what came of it; the object itself is not modified unless the model calls its methods.

        Args:
            obj: The object.
            transformation: What to change, in words.
            requirements: What the answer must respect.
            strategy: How attempts are made until one can be read and meets every requirement.
            strict: Whether it is an error that no attempt meets every requirement; by default as the session says.
            format: A pydantic class or JSON schema that the answer must fit.
            model_options: Options of this call.

        Raises:
            ClosedError: The session is closed.
            OutputParseError: No attempt gave an answer that the object can read.
            UsageError: The call cannot be carried out; nothing was sent.
            ProviderError: The provider failed.
        """
        from mellea.stdlib.objects import apply_transform, has_tools, make_transform  # noqa: PLC0415  few programs ask about objects

        action = make_transform(obj, transformation)
        output = await self._act(
            action,
            requirements=requirements,
            strategy=strategy,
            return_sampling_results=False,
            strict=strict,
            await_result=True,
            format=format,
            model_options=model_options,
            tool_calls=has_tools(action, self.backend),
        )
        return await apply_transform(action, output)

    def transform(self, obj: Any, transformation: str, **parts: Any) -> Any:
        """Synchronous twin of ``atransform``, with the same arguments."""
        return run_sync(self.atransform(obj, transformation, **parts))

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
        thunk = await self._turn(
            message, format=format, model_options=model_options, tool_calls=tool_calls, await_result=True
        )
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
            message,
            format=format,
            model_options=model_options,
            tool_calls=tool_calls,
            await_result=False,
            stream=True,
        )

    def stream_chat(
        self, content: str, role: Role = "user", **parts: Unpack[ChatParts]
    ) -> ModelOutputThunk[Message]:
        """Synchronous twin of ``astream_chat``: ``for piece in session.stream_chat(...)``."""
        return run_sync(self.astream_chat(content, role, **parts), starts_only=True)

    @overload
    async def astream_instruct(
        self, description: str | Span, *, format: type[M], **parts: Unpack[TaskParts]
    ) -> ModelOutputThunk[M]: ...
    @overload
    async def astream_instruct(
        self, description: str | Span, *, format: None = None, **parts: Unpack[TaskParts]
    ) -> ModelOutputThunk[str]: ...
    @overload
    async def astream_instruct(
        self, description: str | Span, *, format: Any, **parts: Unpack[TaskParts]
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
        self, description: str | Span, *, format: type[M], **parts: Unpack[TaskParts]
    ) -> ModelOutputThunk[M]: ...
    @overload
    def stream_instruct(
        self, description: str | Span, *, format: None = None, **parts: Unpack[TaskParts]
    ) -> ModelOutputThunk[str]: ...
    @overload
    def stream_instruct(
        self, description: str | Span, *, format: Any, **parts: Unpack[TaskParts]
    ) -> ModelOutputThunk[Any]: ...
    def stream_instruct(
        self, description: str | Span, *, format: Any = None, **parts: Unpack[TaskParts]
    ) -> ModelOutputThunk[Any]:
        """Synchronous twin of ``astream_instruct``: ``for piece in session.stream_instruct(...)``."""
        return run_sync(self.astream_instruct(description, format=format, **parts), starts_only=True)
