"""The manifest of this plugin; it imports nothing of the backend."""

from collections.abc import Callable

from mellea.plugins import BackendManifest, Capability, hookimpl

MANIFEST = BackendManifest(
    name="hf",
    summary="Local weights in this process: hub id, folder or GGUF file, on CUDA, MPS or CPU.",
    factory="mellea_hf.backend:LocalHFBackend",
    aliases=("huggingface",),
    capabilities=(
        Capability.STREAMING,
        Capability.JSON_SCHEMA,
        Capability.TOOLS,
        Capability.REGEX,
        Capability.RAW,
        Capability.SEED,
        Capability.LOGPROBS,
        Capability.LOGITS,
        Capability.THINKING,
        Capability.BATCH,
        Capability.ADAPTERS,
        Capability.TOKEN_COUNT,
        Capability.PREFIX_CACHE,
    ),
    default_model_id="HuggingFaceTB/SmolLM2-135M-Instruct",
)

DEFAULT_EMBEDDER = "sentence-transformers/all-MiniLM-L6-v2"
"""The model that embeds when none is named."""

EMBEDDINGS_MANIFEST = BackendManifest(
    name="hf-embeddings",
    summary="Embeddings by local weights: an encoder, or any language model, by hub id or folder.",
    factory="mellea_hf.embedding:LocalHFEmbedder",
    capabilities=(Capability.EMBEDDINGS,),
    default_model_id=DEFAULT_EMBEDDER,
)


@hookimpl
def mellea_register_backends(register: Callable[[BackendManifest], None]) -> None:
    """Register ``hf`` and ``hf-embeddings``."""
    register(MANIFEST)
    register(EMBEDDINGS_MANIFEST)
