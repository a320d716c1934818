"""What a backend can do, as data."""

from __future__ import annotations

import enum

__all__ = ["Capabilities", "Capability", "SchemaDialect"]


class Capability(enum.StrEnum):
    """One thing that a backend may be able to do. A backend declares a frozen set of these."""

    STREAMING = "streaming"
    """Hands text on piece by piece.

    A backend without it is asked for everything at once, and streams are of one piece.
    """
    JSON_SCHEMA = "json_schema"
    """Constrains the output to a JSON schema while decoding."""
    REGEX = "regex"
    """Holds text to a regular expression while decoding, given as the pattern of a JSON string."""
    RAW = "raw"
    """Completes plain text, without a chat template."""
    SEED = "seed"
    """Draws the same text for the same seed."""
    IMAGES = "images"
    """Reads images."""
    AUDIO = "audio"
    """Reads audio."""
    TOOLS = "tools"
    """Calls tools, by the provider's protocol or by a JSON schema."""
    THINKING = "thinking"
    """Shows its reasoning apart from the answer."""
    LOGPROBS = "logprobs"
    """Gives the log-probabilities of tokens."""
    LOGITS = "logits"
    """Gives the scores of the whole vocabulary."""
    GRAMMAR = "grammar"
    """Constrains the output to a grammar."""
    N_SAMPLES = "n_samples"
    """Draws several samples in one request."""
    BATCH = "batch"
    """Runs several prompts in one step."""
    ADAPTERS = "adapters"
    """Switches low-rank adapters by request."""
    PREFIX_CACHE = "prefix_cache"
    """Computes a shared prefix once."""
    EMBEDDINGS = "embeddings"
    """Gives a vector for each text."""
    TOKEN_COUNT = "token_count"  # noqa: S105  tokens of text, no password
    """Counts the tokens of a conversation exactly."""


Capabilities = frozenset[Capability]


class SchemaDialect(enum.StrEnum):
    """What an engine understands of JSON schemas."""

    PLAIN = "plain"
    """Everything, as far as is known: schemas are sent as they are."""
    OPENAI_STRICT = "openai-strict"
    """OpenAI's strict mode."""
    LLAMA_CPP = "llama-cpp"
    """The grammar of llama.cpp's own server and of Ollama."""
    LLGUIDANCE = "llguidance"
    """llguidance, which the local backend constrains by."""
