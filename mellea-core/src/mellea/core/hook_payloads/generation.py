"""Payloads of the hooks of generations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from attrs import frozen

from mellea.core.hook_names import HookName
from mellea.core.hook_payloads.base import MelleaBasePayload, list_field, mapping_field

if TYPE_CHECKING:
    from mellea.core.component import Span
    from mellea.core.context import Context
    from mellea.core.request import ChatRequest, CompletionRequest
    from mellea.core.response import Usage
    from mellea.core.thunk import ModelOutputThunk

__all__ = [
    "GenerationBatchErrorPayload",
    "GenerationBatchPostCallPayload",
    "GenerationBatchPreCallPayload",
    "GenerationErrorPayload",
    "GenerationEventPayload",
    "GenerationPostCallPayload",
    "GenerationPreCallPayload",
]


@frozen(kw_only=True)
class GenerationPreCallPayload(MelleaBasePayload):
    """A backend is about to be asked for an answer.

    Args:
        generation_id: The generation; the same in the hook that ends it.
        action: What is asked.
        context: The conversation that led here.
        model_options: Options of the call.
        format: What the output has to look like.
        tool_calls: Whether the model may call tools.
        model: The model.
        provider: The provider.
        backend: What is asked.
        sample_index: Which of several answers that are drawn in one request.
        samples: How many answers are drawn in that request.
    """

    hook: ClassVar[HookName] = "generation_pre_call"
    writable: ClassVar[tuple[str, ...]] = ("model_options", "format", "tool_calls")

    generation_id: str = ""
    action: Span | None = None
    context: Context | None = None
    model_options: Mapping[str, Any] | None = mapping_field()
    format: Any = None
    tool_calls: bool = False
    model: str | None = None
    provider: str | None = None
    backend: Any = None
    sample_index: int = 0
    samples: int = 1


@frozen(kw_only=True)
class GenerationPostCallPayload(MelleaBasePayload):
    """An answer is there, and nobody has it yet. Instead of `generation_error`.

    Args:
        generation_id: The generation.
        action: What was asked.
        context: The conversation that led here.
        prompt: The messages that were sent, or the text; None where nobody knows.
        model_output: The answer.
        latency_ms: Milliseconds since the call.
        model: The model.
        provider: The provider.
        backend: What was asked.
        request: The request that was sent; None for a backend that sends its own.
        sample_index: Which of several answers that were drawn in one request. The first one has what they
            spent.
        samples: How many answers were drawn in that request.
    """

    hook: ClassVar[HookName] = "generation_post_call"

    generation_id: str = ""
    action: Span | None = None
    context: Context | None = None
    prompt: Any = None
    model_output: ModelOutputThunk[Any] | None = None
    latency_ms: float = 0.0
    model: str | None = None
    provider: str | None = None
    backend: Any = None
    request: ChatRequest | None = None
    sample_index: int = 0
    samples: int = 1


@frozen(kw_only=True)
class GenerationErrorPayload(MelleaBasePayload):
    """There is no answer: an error, a cancellation, or a handler that stops it.

    Args:
        generation_id: The generation.
        action: What was asked.
        context: The conversation that led here.
        exception: Why.
        model_output: What there is of it.
        latency_ms: Milliseconds since the call.
        model: The model.
        provider: The provider.
        backend: What was asked.
        request: The request that was sent; None where none was.
        sample_index: Which of several answers that are drawn in one request.
        samples: How many answers are drawn in that request.
    """

    hook: ClassVar[HookName] = "generation_error"

    generation_id: str = ""
    action: Span | None = None
    context: Context | None = None
    exception: BaseException | None = None
    model_output: ModelOutputThunk[Any] | None = None
    latency_ms: float = 0.0
    model: str | None = None
    provider: str | None = None
    backend: Any = None
    request: ChatRequest | None = None
    sample_index: int = 0
    samples: int = 1


@frozen(kw_only=True)
class GenerationBatchPreCallPayload(MelleaBasePayload):
    """A backend is about to complete plain texts.

    Args:
        generation_id: The batch; the same in the hook that ends it.
        actions: What is completed.
        num_actions: How many that are.
        model_options: Options of the call.
        format: What each output has to look like.
        tool_calls: Whether the model may call tools.
        model: The model.
        provider: The provider.
        backend: What is asked.
    """

    hook: ClassVar[HookName] = "generation_batch_pre_call"
    writable: ClassVar[tuple[str, ...]] = ("model_options", "format", "tool_calls")

    generation_id: str = ""
    actions: Sequence[Span] = list_field()
    num_actions: int = 0
    model_options: Mapping[str, Any] | None = mapping_field()
    format: Any = None
    tool_calls: bool = False
    model: str | None = None
    provider: str | None = None
    backend: Any = None


@frozen(kw_only=True)
class GenerationBatchPostCallPayload(MelleaBasePayload):
    """A batch of plain texts is complete. Instead of `generation_batch_error`.

    Args:
        generation_id: The batch.
        actions: What was completed.
        model_outputs: The outputs, in order.
        usage: What they spent in all.
        model: The model.
        provider: The provider.
        latency_ms: Milliseconds since the call.
        backend: What was asked.
        request: The request that was sent; None for a backend that sends its own.
    """

    hook: ClassVar[HookName] = "generation_batch_post_call"

    generation_id: str = ""
    actions: Sequence[Span] = list_field()
    model_outputs: Sequence[ModelOutputThunk[Any]] = list_field()
    usage: Usage | None = None
    model: str | None = None
    provider: str | None = None
    latency_ms: float = 0.0
    backend: Any = None
    request: CompletionRequest | None = None


@frozen(kw_only=True)
class GenerationBatchErrorPayload(MelleaBasePayload):
    """A batch of plain texts has failed, or was stopped.

    Args:
        generation_id: The batch.
        actions: What was to be completed.
        exception: Why.
        model: The model.
        provider: The provider.
        latency_ms: Milliseconds since the call.
        backend: What was asked.
        request: The request that was sent; None where none was.
    """

    hook: ClassVar[HookName] = "generation_batch_error"

    generation_id: str = ""
    actions: Sequence[Span] = list_field()
    exception: BaseException | None = None
    model: str | None = None
    provider: str | None = None
    latency_ms: float = 0.0
    backend: Any = None
    request: CompletionRequest | None = None


@frozen(kw_only=True)
class GenerationEventPayload(MelleaBasePayload):
    """Something happens in a generation: a chunk of the answer has come; or vectors of texts are there.

    Args:
        generation_id: The generation.
        event_name: What: `chunk`, or `embeddings`.
        model: The model.
        provider: The provider.
        data: For a chunk its `text`, `thinking` and `index`, and the `chunk` itself. For embeddings the
            `request`, the `backend`, the `usage`, the `seconds` that they took, and the `exception`.
    """

    hook: ClassVar[HookName] = "generation_event"

    generation_id: str = ""
    event_name: str = ""
    model: str | None = None
    provider: str | None = None
    data: Mapping[str, Any] | None = mapping_field()
