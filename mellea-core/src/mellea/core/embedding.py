"""Vectors of texts: those of texts of similar meaning point in similar directions.

What ``Backend.embed`` does around the author's ``embed_texts``: checks, requests of a bounded size side by
side, vectors of length 1. NumPy holds them (extra ``embeddings``): all of them are compared in one product.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from attrs import field, frozen

from mellea.core._chunk_stream import InTime, answer_of
from mellea.core.budget import check_affordable, pay
from mellea.core.call_site import warn_caller
from mellea.core.capabilities import Capability
from mellea.core.errors import CapabilityError, ContextWindowError, MalformedResponseError, UsageError
from mellea.core.event_loop import gather_or_cancel
from mellea.core.half_characters import refuse_half_characters
from mellea.core.hooks import listens
from mellea.core.model_api import ModelAPI, missing_capability
from mellea.core.prompt_cut import check_prompt_read
from mellea.core.request import EmbeddingRequest
from mellea.core.request_log import RequestLog
from mellea.core.response import EmbeddingResponse, Usage, total_usage
from mellea.core.time_limits import TimeLimits

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Embeddings", "embed"]


@frozen(eq=False)
class Embeddings(Sequence[Any]):
    """The vectors of some texts, in the order of the texts: a sequence, and an array for NumPy.

    Args:
        vectors: float32 of shape (n, d); each row is of length 1, so that the dot product of two is their
            cosine.
        model_id: The model. Vectors of two models cannot be compared.
        usage: The tokens that were read, if the provider tells.
    """

    vectors: NDArray[np.float32] = field(repr=lambda vectors: f"<float32 {vectors.shape}>")
    model_id: str
    usage: Usage | None = None

    def __len__(self) -> int:
        return len(self.vectors)

    def __getitem__(self, index: Any) -> Any:
        return self.vectors[index]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        return _numpy().array(self.vectors, dtype=dtype, copy=copy)


async def embed(backend: ModelAPI, texts: Sequence[str], *, dimensions: int | None = None) -> Embeddings:
    """Return a vector for each text. See ``Backend.embed``."""
    _numpy()
    if Capability.EMBEDDINGS not in backend.capabilities:
        raise missing_capability(backend, Capability.EMBEDDINGS)
    _check(texts, dimensions)
    check_affordable(backend)
    requests = list(_requests(backend, texts, dimensions))
    for request in requests:
        refuse_half_characters(request)
    limits = TimeLimits.of({}, stream=False)
    if backend.concurrent:
        answers = await gather_or_cancel(_answered(backend, request, limits) for request in requests)
    else:
        answers = [await _answered(backend, request, limits) for request in requests]
    vectors = _unit_vectors([row for answer in answers for row in answer.vectors], backend)
    if dimensions is not None and answers and vectors.shape[1] != dimensions:
        raise CapabilityError(
            f"{backend.model_id} gives vectors of length {vectors.shape[1]}; {dimensions} was asked for.",
            missing="dimensions",
            hint="Leave dimensions out, or choose a model that shortens its vectors.",
            backend=backend.provider,
            model_id=backend.model_id,
        )
    return Embeddings(
        vectors,
        backend.model_id,
        total_usage([answer.usage for answer in answers])
        if any(answer.usage is not None for answer in answers)
        else None,
    )


def _requests(backend: ModelAPI, texts: Sequence[str], dimensions: int | None) -> Iterator[EmbeddingRequest]:
    size = backend.texts_per_embedding
    for start in range(0, len(texts), size):
        yield EmbeddingRequest(backend.model_id, tuple(texts[start : start + size]), dimensions)


async def _answered(backend: ModelAPI, request: EmbeddingRequest, limits: TimeLimits) -> EmbeddingResponse:
    if not listens("generation_event"):
        return await _vectors(backend, request, limits)
    from mellea.core.generation_hooks import EmbeddingCall  # noqa: PLC0415  only where somebody listens

    call = EmbeddingCall(backend, request)
    try:
        answer = await _vectors(backend, request, limits)
    except BaseException as error:
        await call.failed(error)
        raise
    await call.ended(answer.usage)
    return answer


async def _vectors(backend: ModelAPI, request: EmbeddingRequest, limits: TimeLimits) -> EmbeddingResponse:
    with RequestLog(backend, request) as log:
        try:
            with InTime(backend, limits):
                answer = await answer_of(backend, lambda: backend.embed_texts(request))
        except ContextWindowError as error:
            raise ContextWindowError(
                f"A text is too long for {backend.model_id}; none was embedded.",
                hint="Cut it into parts and embed each: see mellea.core.chunking.",
                backend=backend.provider,
                model_id=backend.model_id,
            ) from error
        log.answered((), answer.usage, None)
        pay(answer.usage, backend)
    check_prompt_read(request.prompts, answer.usage, backend, warn_caller)
    if len(answer.vectors) != len(request.prompts):
        raise _malformed(backend, f"gave {len(answer.vectors)} vectors for {len(request.prompts)} texts")
    return answer


def _check(texts: Sequence[str], dimensions: int | None) -> None:
    if isinstance(texts, str):
        raise UsageError("texts is one text.", hint="Pass a list: embed([...]).")
    for number, text in enumerate(texts, start=1):
        if not isinstance(text, str):
            raise UsageError(
                f"Text {number} is {type(text).__name__}; nothing was sent.", hint="Pass texts (str)."
            )
        if not text.strip():
            raise UsageError(
                f"Text {number} is empty; nothing was sent.", hint="Leave it out: nothing has no meaning."
            )
    if dimensions is not None and (
        isinstance(dimensions, bool) or not isinstance(dimensions, int) or dimensions < 1
    ):
        raise UsageError(f"dimensions is {dimensions!r}.", hint="Pass a number from 1 on, or leave it out.")


def _unit_vectors(rows: Sequence[Sequence[float]], backend: ModelAPI) -> Any:
    """Return rows as an array of vectors of length 1."""
    np = _numpy()
    try:
        vectors = np.array(rows, dtype=np.float32)
    except (ValueError, TypeError) as error:
        raise _malformed(backend, "gave vectors of several lengths, or of what is no number") from error
    if not len(rows):
        return vectors.reshape(0, 0)
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True) if vectors.ndim == 2 else np.zeros(1)
    if not (np.isfinite(lengths).all() and lengths.all()):
        raise _malformed(backend, "gave a vector that points nowhere")
    vectors /= lengths
    vectors.setflags(write=False)
    return vectors


def _malformed(backend: ModelAPI, what: str) -> MalformedResponseError:
    return MalformedResponseError(
        f"Backend {backend.provider!r} {what}.",
        hint="Look whether the model is one that embeds texts.",
        backend=backend.provider,
        model_id=backend.model_id,
    )


def _numpy() -> Any:
    try:
        import numpy as np  # noqa: PLC0415  an extra
    except ImportError as error:
        raise UsageError(
            "Embeddings need NumPy, which is not installed.",
            hint='Install it with: pip install "mellea-core[embeddings]"',
        ) from error
    return np
