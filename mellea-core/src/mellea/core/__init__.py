"""Values and contracts: what a prompt is made of, what a backend is asked and answers, what can go wrong."""

from typing import TYPE_CHECKING, Any

from mellea._lazy import lazy_names
from mellea.core import errors
from mellea.core.attempt import Attempt
from mellea.core.backend import Backend, BaseModelSubclass, FormatterBackend
from mellea.core.base import C, S
from mellea.core.billing import Spent
from mellea.core.blocks import (
    AudioBlock,
    AudioUrlBlock,
    CBlock,
    ImageBlock,
    ImageUrlBlock,
    make_audio_block,
    make_image_block,
)
from mellea.core.call_site import RequirementsNotMetWarning
from mellea.core.capabilities import Capabilities, Capability, SchemaDialect
from mellea.core.component import (
    Component,
    SampleActionType,
    Span,
    TemplateRepresentation,
    blockify,
    generate_walk,
    get_audio_from_component,
    get_images_from_component,
)
from mellea.core.context import Context, ContextTurn
from mellea.core.errors import *  # noqa: F403  the whole error tree is public
from mellea.core.formatter import ChatFormatter, Formatter
from mellea.core.logprobs import TokenLogprob
from mellea.core.message import Message
from mellea.core.metadata import GenerateLog, GenerateType, GenerationMetadata, RawProviderResponse
from mellea.core.model_identifier import ModelIdentifier
from mellea.core.options import ModelOption, OptionNotSupportedWarning, OptionTable, UnknownOptionWarning
from mellea.core.price import FREE, Price
from mellea.core.prompt_cut import PromptCutWarning
from mellea.core.reasoning import NoAnswerWarning
from mellea.core.request import ChatRequest, CompletionRequest, EmbeddingRequest
from mellea.core.requirement import (
    PartialValidationResult,
    PartialValidationSummary,
    Requirement,
    ValidationResult,
    default_output_to_bool,
)
from mellea.core.response import Chunk, Completion, EmbeddingResponse, Usage
from mellea.core.sampling import Budget, SamplingResult, SamplingStrategy
from mellea.core.schema import OutputSchema
from mellea.core.thunk import ComputedModelOutputThunk, ModelOutputThunk
from mellea.core.tool import AbstractMelleaTool
from mellea.core.tool_call import ModelToolCall, ToolCallFragment

if TYPE_CHECKING:
    from mellea.core.adapter import Adapter, AdapterMixin
    from mellea.core.chunking import (
        Chunker,
        ChunkingStrategy,
        ParagraphChunking,
        SentenceChunking,
        WordChunking,
    )
    from mellea.core.embedding import Embeddings
    from mellea.core.judges import Judge
    from mellea.core.logs import MelleaLogger, clear_log_context, log_context, set_log_context
    from mellea.core.policy import Policy
    from mellea.core.scoring import Score, ScoreRequest, ScoringAPI, score
    from mellea.core.scoring_judge import ScoringJudge
    from mellea.core.sources import CallSources, Source, Sources
    from mellea.core.tool_message import ToolMessage
    from mellea.core.training import TrainingAPI, TrainingExample, TrainingRun, TrainingSettings, train
    from mellea.core.voting_judge import VotingJudge

_seldom_used, _ = lazy_names(
    __name__,
    {
        "Adapter": "mellea.core.adapter",
        "AdapterMixin": "mellea.core.adapter",
        "CallSources": "mellea.core.sources",
        "Chunker": "mellea.core.chunking",
        "ChunkingStrategy": "mellea.core.chunking",
        "Embeddings": "mellea.core.embedding",
        "Judge": "mellea.core.judges",
        "MelleaLogger": "mellea.core.logs",
        "ParagraphChunking": "mellea.core.chunking",
        "Policy": "mellea.core.policy",
        "Score": "mellea.core.scoring",
        "ScoreRequest": "mellea.core.scoring",
        "ScoringAPI": "mellea.core.scoring",
        "ScoringJudge": "mellea.core.scoring_judge",
        "SentenceChunking": "mellea.core.chunking",
        "Source": "mellea.core.sources",
        "Sources": "mellea.core.sources",
        "ToolMessage": "mellea.core.tool_message",
        "TrainingAPI": "mellea.core.training",
        "TrainingExample": "mellea.core.training",
        "TrainingRun": "mellea.core.training",
        "TrainingSettings": "mellea.core.training",
        "VotingJudge": "mellea.core.voting_judge",
        "WordChunking": "mellea.core.chunking",
        "clear_log_context": "mellea.core.logs",
        "log_context": "mellea.core.logs",
        "score": "mellea.core.scoring",
        "set_log_context": "mellea.core.logs",
        "train": "mellea.core.training",
    },
)

__all__ = [
    "FREE",
    "AbstractMelleaTool",
    "Adapter",
    "AdapterMixin",
    "Attempt",
    "AudioBlock",
    "AudioUrlBlock",
    "Backend",
    "BaseModelSubclass",
    "Budget",
    "C",
    "CBlock",
    "CallSources",
    "Capabilities",
    "Capability",
    "ChatFormatter",
    "ChatRequest",
    "Chunk",
    "Chunker",
    "ChunkingStrategy",
    "Completion",
    "CompletionRequest",
    "Component",
    "ComputedModelOutputThunk",
    "Context",
    "ContextTurn",
    "EmbeddingRequest",
    "EmbeddingResponse",
    "Embeddings",
    "Formatter",
    "FormatterBackend",
    "GenerateLog",
    "GenerateType",
    "GenerationMetadata",
    "ImageBlock",
    "ImageUrlBlock",
    "Judge",
    "MelleaLogger",
    "Message",
    "ModelIdentifier",
    "ModelOption",
    "ModelOutputThunk",
    "ModelToolCall",
    "NoAnswerWarning",
    "OptionNotSupportedWarning",
    "OptionTable",
    "OutputSchema",
    "ParagraphChunking",
    "PartialValidationResult",
    "PartialValidationSummary",
    "Policy",
    "Price",
    "PromptCutWarning",
    "RawProviderResponse",
    "Requirement",
    "RequirementsNotMetWarning",
    "S",
    "SampleActionType",
    "SamplingResult",
    "SamplingStrategy",
    "SchemaDialect",
    "Score",
    "ScoreRequest",
    "ScoringAPI",
    "ScoringJudge",
    "SentenceChunking",
    "Source",
    "Sources",
    "Span",
    "Spent",
    "TemplateRepresentation",
    "TokenLogprob",
    "ToolCallFragment",
    "ToolMessage",
    "TrainingAPI",
    "TrainingExample",
    "TrainingRun",
    "TrainingSettings",
    "UnknownOptionWarning",
    "Usage",
    "ValidationResult",
    "VotingJudge",
    "WordChunking",
    "blockify",
    "clear_log_context",
    "default_output_to_bool",
    "generate_walk",
    "get_audio_from_component",
    "get_images_from_component",
    "log_context",
    "make_audio_block",
    "make_image_block",
    "score",
    "set_log_context",
    "train",
]
__all__ += errors.__all__


def __getattr__(name: str) -> Any:
    if name == "FancyLogger":
        from mellea.core import utils  # noqa: PLC0415  the name of the 0.8 line, which warns

        return utils.FancyLogger
    return _seldom_used(name)
