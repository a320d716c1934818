"""The backend for local weights."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mellea.core import (
    FREE,
    Adapter,
    AdapterMixin,
    Backend,
    Capability,
    CapabilityError,
    ChatFormatter,
    ChatRequest,
    Chunk,
    Completion,
    CompletionRequest,
    GenerationCancelledError,
    LimitTooSmallError,
    MelleaError,
    Message,
    ModelIdentifier,
    ModelOption,
    OptionNotSupportedWarning,
    OutputSchema,
    SchemaDialect,
    Score,
    ScoreRequest,
    ScoringAPI,
    Usage,
)
from mellea.core.adapter import refuse_embedded_adapters
from mellea.core.event_loop import run_sync
from mellea.core.model_names import model_name
from mellea_hf._engine import engine
from mellea_hf.answer import Answer
from mellea_hf.holding import Holder, out_of_memory
from mellea_hf.interrupt import Interrupt
from mellea_hf.job import Job, Pieces, off_loop
from mellea_hf.model import LoadedModel
from mellea_hf.options import DEFAULT_MAX_NEW_TOKENS, OPTIONS, DecodingSettings, served_by_generate
from mellea_hf.plugin import MANIFEST
from mellea_hf.precision import Precision
from mellea_hf.row import Request, Row
from mellea_hf.settings import DEFAULT_CACHE_BYTES, EngineSettings
from mellea_hf.sharing import shared_model
from mellea_hf.stats import EngineStats
from mellea_hf.thinking import opening_of, table_for, without_thinking
from mellea_hf.training import AdapterTrainer
from mellea_hf.weights import DEFAULT_MODEL_ID

if TYPE_CHECKING:
    from mellea.core.steering import Form
    from mellea_hf.constraint import RowConstraint
    from mellea_hf.engines import ServedModel
    from mellea_hf.lora import LoraWeights
    from mellea_hf.steering.row import SteeredRow

__all__ = ["LocalHFBackend"]


class LocalHFBackend(Backend, ScoringAPI, AdapterMixin, AdapterTrainer):
    """Runs a causal language model in this process.

    The constructor loads the model, or shares it with another backend of this process that has it open; the
    last one to be closed frees it. Everything that touches torch runs in one thread of the process. Requests
    of any number of event loops and threads are computed together, and what they begin with is computed once.

    Args:
        model_id: Hub id, local folder, or path of a ``.gguf`` file; by default a small model that runs on any
            machine.
        formatter: Turns spans into messages; by default a ``TemplateFormatter`` for the model.
        model_options: Options of every call.
        device: A torch device; by default CUDA, else MPS, else the CPU.
        custom_config: Tokenizer, model and device that are already there, in place of loading them.
        strict_options: Whether an option that cannot be honoured is an error instead of a warning.
        max_retries: How often a request is sent again after a failure that may pass, which is a full queue
            alone; 2 for None.
        dtype: ``float32``, ``bfloat16``, ``float16``, or ``auto`` for the weights as they were saved; by
            default float32 on the CPU and ``auto`` elsewhere.
        quantization: ``int8`` for weights of 8 bits, on the CPU.
        cache_bytes: The most bytes of prefixes that are kept, beside the weights; 0 keeps none.
        max_batch: The most answers that are computed together.
        max_queue: The most answers that wait for their turn; one more is an error.
        reproducible: Whether a seeded or greedy answer must not depend on what else is computed or kept, to
            the last bit; every pass then has one of two fixed shapes, which costs speed.
        use_caches: False is ``cache_bytes=0``, as in programs of the 0.8 line.
        cache: Accepted for such programs, with a warning: the cache is the engine's own.
        adapters: Folders of adapters to take in at once; ``add_adapter`` takes in others later.
        load_embedded_adapters: Refused: it is about models that have adapters inside.
        adapter_source: Refused, as well.
        default_to_constraint_checking_alora: Kept for programs that pass it.

    Raises:
        ModelNotFoundError: There is no such model, or no way to the hub.
        ProviderError: The model cannot be loaded.
        UsageError: The model id is empty, there is no such device, it has no such dtype or
            quantization, or an adapter is none for the model.
    """

    provider = "hf"
    price = FREE
    capabilities = MANIFEST.capabilities
    schema_dialect = SchemaDialect.LLGUIDANCE
    plain_patterns = True
    options = OPTIONS
    default_max_new_tokens = DEFAULT_MAX_NEW_TOKENS

    def __init__(
        self,
        model_id: str | ModelIdentifier | None = None,
        formatter: ChatFormatter | None = None,
        *,
        model_options: Mapping[str, Any] | None = None,
        device: str | None = None,
        custom_config: tuple[Any, Any, Any] | None = None,
        strict_options: bool = False,
        max_retries: int | None = None,
        dtype: str | None = None,
        quantization: str | None = None,
        cache_bytes: int = DEFAULT_CACHE_BYTES,
        max_batch: int = 16,
        max_queue: int = 4096,
        reproducible: bool = False,
        adapters: Sequence[Adapter | str | Path] = (),
        use_caches: bool | None = None,
        cache: Any = None,
        default_to_constraint_checking_alora: bool = True,
        load_embedded_adapters: bool = False,
        adapter_source: str | None = None,
    ) -> None:
        refuse_embedded_adapters(
            "hf", load_embedded_adapters=load_embedded_adapters, adapter_source=adapter_source
        )
        if model_id is None:
            model_id = DEFAULT_MODEL_ID
        name = model_name(model_id, "hf_model_name", backend="hf")
        tokenizer_id = model_id.hf_tokenizer_name if isinstance(model_id, ModelIdentifier) else None
        super().__init__(
            name,
            formatter,
            model_options=model_options,
            strict_options=strict_options,
            max_retries=max_retries,
        )
        if cache is not None:
            what = "Backend 'hf' has a cache of its own: cache has no effect; cache_bytes bounds it."
            warnings.warn(what, OptionNotSupportedWarning, stacklevel=2)
        knobs = EngineSettings(0 if use_caches is False else cache_bytes, max_batch, max_queue, reproducible)
        parts = custom_config
        precision = Precision(dtype, quantization)
        if parts is not None:
            precision.refuse(name)

        def load(interrupt: Interrupt) -> ServedModel:
            from mellea_hf.engines import serve  # noqa: PLC0415  heavy

            if parts is None:
                return serve(shared_model(name, device, tokenizer_id, interrupt, precision), knobs)
            return serve(LoadedModel.of(*parts[:2], name), knobs)

        def let_go(served: ServedModel) -> bool:
            from mellea_hf.engines import let_go  # noqa: PLC0415  heavy

            return let_go(served)

        self._jobs: set[Job] = set()
        self._loras: dict[str, LoraWeights] = {}
        self._holder = Holder("hf", name, load, let_go)
        served = self._holder.now()
        if served.scheduler is None:  # a class variable, because hardly any model runs alone
            vars(self).update(concurrent=False)
        self.options = table_for(served.loaded.switches)
        missing = set() if served.loaded.switches else {Capability.THINKING}
        if served.scheduler is None or not knobs.cache_bytes:
            missing.add(Capability.PREFIX_CACHE)
        if missing:
            self.capabilities = type(self).capabilities - missing
        self._take_in(adapters)

    def _take_in(self, adapters: Sequence[Adapter | str | Path]) -> None:
        """Take in adapters, or close again."""
        try:
            for adapter in adapters:
                self.add_adapter(adapter)
        except BaseException:
            run_sync(self.aclose())
            raise

    async def load_adapter(self, adapter: Adapter) -> None:
        """Read the weights of an adapter. What runs goes on meanwhile.

        Raises:
            UsageError: They are for another model, or no LoRA.
        """
        served = await self._holder.get()

        def read() -> LoraWeights:
            from mellea_hf.lora_loading import shared_lora  # noqa: PLC0415  heavy

            return shared_lora(adapter, served.loaded, self.model_id)

        await asyncio.to_thread(import_module, "peft")
        self._loras[adapter.name] = await asyncio.wrap_future(engine.submit(read))

    async def unload_adapter(self, adapter: Adapter) -> None:
        """Free the weights of an adapter, once no request runs with them."""
        self._loras.pop(adapter.name, None)

    def _invoked(self, adapter: str | None, prompt: list[int]) -> tuple[LoraWeights | None, list[int]]:
        """Return the weights of an adapter, and a prompt from which they act."""
        if adapter is None:
            return None, prompt
        lora = self._loras[self.adapter(adapter).name]
        return lora, lora.invoked(prompt)[0]

    async def calls_tools(self, choice: str, *, with_schema: bool) -> bool:
        """Return False: what a model calls is held to the tools' schemas, whatever its template knows."""
        return False

    async def stream_chat(self, request: ChatRequest) -> AsyncIterator[Chunk]:
        """Continue a conversation."""
        served = await self._holder.get()
        loaded, options = served.loaded, request.options
        if (
            request.schema is not None
        ):  # it holds the model from the first token on: there is no room to reason
            options = without_thinking(loaded.switches, options)
        settings = loaded.settings(options, loaded.encoder.template)
        size = sum(len(message.content) for message in request.messages)
        prompt = await off_loop(size, lambda: loaded.encoder.chat(request.messages, settings.template))
        lora, prompt = self._invoked(request.adapter, prompt)
        pieces = Pieces() if request.stream else None
        opening = opening_of(loaded.tokenizer, prompt) if request.schema is None else ""
        answer = self._answer(
            loaded, settings, emit=pieces.put if pieces else None, marks=loaded.marks, opening=opening
        )
        job = await self._start(
            served, [prompt], [answer], settings, schema=request.schema, lora=lora, pieces=pieces
        )
        try:
            if pieces is not None:
                async for piece in pieces:
                    yield Chunk(piece)
            await self._end(job, answer)
            yield Chunk(
                "" if request.stream else answer.text,
                usage=_usage(prompt, answer),
                response_model=self.model_id,
                **answer.known,
            )
        finally:
            await self._stop(job)

    async def complete(self, request: CompletionRequest) -> Sequence[Completion]:
        """Complete plain texts in one batch."""
        served = await self._holder.get()
        loaded = served.loaded
        if not request.prompts:
            return []
        settings = loaded.settings(request.options)
        encode = loaded.encoder.text
        prompts = await off_loop(
            sum(map(len, request.prompts)), lambda: [encode(prompt) for prompt in request.prompts]
        )
        lora = None
        for index, prompt in enumerate(prompts):
            lora, prompts[index] = self._invoked(request.adapter, prompt)
        answers = [self._answer(loaded, settings, continued=prompt) for prompt in prompts]
        job = await self._start(served, prompts, answers, settings, schema=request.schema, lora=lora)
        try:
            await self._end(job, *answers)
        finally:
            await self._stop(job)
        return [
            Completion(answer.text, usage=_usage(prompt, answer), **answer.known)
            for prompt, answer in zip(prompts, answers, strict=True)
        ]

    async def score(self, request: ScoreRequest) -> Sequence[Score]:
        """Return how likely continuations are behind their prefix.

        A continuation is encoded by itself: begin it with the blank that the model would write.

        Raises:
            CapabilityError: The engine cannot run the model; the message says why.
        """
        served = await self._holder.get()
        loaded, scheduler = served.loaded, served.scheduler
        if scheduler is None:
            raise CapabilityError(
                f"{self.model_id} cannot score: {loaded.alone}.",
                missing="score",
                hint="Choose another model.",
                backend="hf",
                model_id=self.model_id,
            )
        prefix, texts = request.prefix, request.continuations
        encode = loaded.encoder
        if isinstance(prefix, str):
            tokens = await off_loop(len(prefix), lambda: encode.text(prefix))
        else:
            settings = loaded.settings(request.options, encode.template)
            size = sum(len(message.content) for message in prefix)
            tokens = await off_loop(size, lambda: encode.chat(prefix, settings.template))
        lora, tokens = self._invoked(request.adapter, tokens)
        acts_from = 0 if lora is None else lora.invoked(tokens)[1]
        ids = [loaded.tokenizer(text, add_special_tokens=False).input_ids for text in texts]
        encode.room(len(tokens), max(map(len, ids), default=0))
        job = Job()
        future = scheduler.score(tokens, ids, job.must_stop, lora, acts_from)
        self._jobs.add(job)
        job.follow(future)
        try:
            await job.result()
        except GenerationCancelledError:
            if self._holder.is_closed:
                raise self._holder.closed_error() from None
            raise
        finally:
            await self._stop(job)
        return [Score(text, tuple(values)) for text, values in zip(texts, future.result(), strict=True)]

    def draws_for_patterns(self, temperature: float, repetition_penalty: float) -> Mapping[str, Any]:
        """Return the options of a call that is held to a pattern and says nothing else."""
        return {ModelOption.TEMPERATURE: temperature, "repetition_penalty": repetition_penalty}

    async def holds(self, forms: Sequence[Form]) -> Sequence[str] | None:
        """Return for each form why no automaton holds a text to it beside those before."""
        loaded = (await self._holder.get()).loaded
        return await asyncio.to_thread(lambda: loaded.forms().outcomes(forms))

    async def count_tokens(self, messages: Sequence[Message]) -> int:
        """Return the tokens of the prompt that a conversation makes.

        Exactly, unless the chat template refuses it, as many refuse a single message.
        """
        encoder = (await self._holder.get()).loaded.encoder
        size = sum(len(message.content) for message in messages)
        return await off_loop(size, lambda: encoder.count(messages))

    async def whole_words(self, words: Collection[str]) -> Collection[str]:
        """Return those of some words that the model's tokenizer has whole."""
        return (await self._holder.get()).loaded.whole_words(words)

    def stats(self) -> EngineStats:
        """Return what the engine has done for backends of this model and these knobs, in figures.

        It counts from when the model was loaded, and nothing while it is unloaded.

        Raises:
            ClosedError: The backend was closed.
            UsageError: It was made in the parent of this process.
        """
        self._holder.check()
        served = self._holder.held
        if served is None:
            return EngineStats()
        scheduler = served.scheduler
        return EngineStats(runs_alone=served.loaded.alone) if scheduler is None else scheduler.stats()

    async def aunload(self) -> None:
        """Free the model's memory, unless another backend holds it; the next request loads it again.

        What runs goes on, and keeps it so long. What the engine has kept of prompts goes with it.

        Raises:
            ClosedError: The backend was closed.
            UsageError: It was made in the parent of this process.
        """
        self._holder.check()
        await self._holder.unload()

    def unload(self) -> None:
        """Free the model's memory; see ``aunload``."""
        run_sync(self.aunload())

    def translate_error(self, error: Exception) -> MelleaError | None:
        """Return our error for torch's running out of memory."""
        return out_of_memory(error, "hf", self.model_id)

    async def aclose(self) -> None:
        """Stop what runs and free the model. Calling it again does nothing."""
        await self._holder.aclose(list(self._jobs))

    def _answer(self, loaded: LoadedModel, settings: DecodingSettings, **parts: Any) -> Answer:
        return Answer(
            loaded.tokenizer.backend_tokenizer, loaded.end_tokens_for(settings), settings.stops, **parts
        )

    async def _start(
        self,
        served: ServedModel,
        prompts: Sequence[Sequence[int]],
        answers: Sequence[Answer],
        settings: DecodingSettings,
        *,
        schema: OutputSchema | None,
        lora: LoraWeights | None = None,
        pieces: Pieces | None = None,
    ) -> Job:
        """Check what can be checked beforehand, and queue the generation."""
        loaded, scheduler = served.loaded, served.scheduler
        room = loaded.encoder.room(max(map(len, prompts)), settings.max_new_tokens)
        constraints: Sequence[RowConstraint] | None = None
        steered: Sequence[SteeredRow] | None = None
        by_generate = served_by_generate(settings, loaded.defaults)
        alone = scheduler is None or bool(by_generate)
        settings.check_scores(alone, by_generate)
        if schema is not None and schema.forms and not schema.forms[0].gives_whole:
            forms, count = schema.forms, len(prompts)
            steered = await asyncio.to_thread(lambda: loaded.forms().rows(forms, room, count, proven=alone))
        elif schema is not None:
            constraints = await asyncio.to_thread(
                lambda: loaded.constraints().for_rows(schema, self.schema_dialect, len(prompts))
            )
            self._check_room(schema, constraints[0].home if constraints else None, room)
        vocabulary = None
        if settings.logprobs is not None:
            vocabulary = await asyncio.to_thread(lambda: loaded.constraints().vocabulary)
        job = Job()
        if scheduler is None or alone:

            def work() -> None:
                from mellea_hf.decoding import generate  # noqa: PLC0415  heavy

                generate(
                    loaded,
                    prompts,
                    answers,
                    settings,
                    max_new_tokens=room,
                    constraints=constraints,
                    steered=steered,
                    vocabulary=vocabulary,
                    must_stop=job.must_stop,
                    shows_progress=pieces is None,
                    lora=lora,
                )

            self._holder.check()
            future = engine.submit(work, is_long=True)
        else:
            may_skip = not settings.looks_at_scores and not scheduler.settings.reproducible
            request = Request(settings, room, job.must_stop, vocabulary, may_skip, pieces is None)
            for index, (prompt, answer) in enumerate(zip(prompts, answers, strict=True)):
                row = Row(request, prompt, answer, lora=lora)
                row.constraint = None if constraints is None else constraints[index]
                row.steered = None if steered is None else steered[index]
                row.acts_from = 0 if lora is None else lora.invoked(prompt)[1]
            self._holder.check()
            future = scheduler.submit(request)
        self._jobs.add(job)
        job.follow(future, pieces)
        return job

    def _check_room(self, schema: OutputSchema, shortest: Sequence[int] | None, room: int) -> None:
        """Refuse a limit into which not even the shortest output known fits.

        Raises:
            LimitTooSmallError: It does not.
        """
        if shortest is not None and len(shortest) > room:
            raise LimitTooSmallError(
                f"The shortest {schema.name} known takes {len(shortest)} tokens, and the answer may have "
                f"{room}.",
                least=len(shortest),
                hint=f"Set MAX_NEW_TOKENS to {len(shortest)} or more; if the context window is full, shorten "
                "the prompt.",
                backend="hf",
                model_id=self.model_id,
            )

    async def _end(self, job: Job, *answers: Answer) -> None:
        """Wait until the answers are complete."""
        await job.result()
        if any(answer.finish_reason is None for answer in answers):
            raise (
                self._holder.closed_error()
                if self._holder.is_closed
                else GenerationCancelledError("The process is ending.", backend="hf")
            )

    async def _stop(self, job: Job) -> None:
        try:
            await job.stop()
        finally:
            self._jobs.discard(job)


def _usage(prompt: Sequence[int], answer: Answer) -> Usage:
    return Usage(len(prompt), len(answer.tokens), answer.cached_tokens)
