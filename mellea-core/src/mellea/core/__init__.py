"""Values and contracts: what a prompt is made of, what a backend is asked and answers, what can go wrong."""

from mellea.core import errors
from mellea.core.attempt import Attempt
from mellea.core.backend import Backend, FormatterBackend
from mellea.core.blocks import AudioBlock, AudioUrlBlock, CBlock, ImageBlock, ImageUrlBlock, make_image_block
from mellea.core.call_site import RequirementsNotMetWarning
from mellea.core.capabilities import Capabilities, Capability, SchemaDialect
from mellea.core.component import (
    Component,
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
from mellea.core.message import Message
from mellea.core.metadata import GenerateLog, GenerateType, GenerationMetadata, RawProviderResponse
from mellea.core.model_identifier import ModelIdentifier
from mellea.core.options import ModelOption, OptionNotSupportedWarning, OptionTable, UnknownOptionWarning
from mellea.core.prompt_cut import PromptCutWarning
from mellea.core.reasoning import NoAnswerWarning
from mellea.core.request import ChatRequest, CompletionRequest
from mellea.core.requirement import (
    PartialValidationResult,
    Requirement,
    ValidationResult,
    default_output_to_bool,
)
from mellea.core.response import Chunk, Completion, Usage
from mellea.core.sampling import Budget, SamplingResult, SamplingStrategy
from mellea.core.schema import OutputSchema
from mellea.core.thunk import ComputedModelOutputThunk, ModelOutputThunk
from mellea.core.tool_call import ModelToolCall

__all__ = [
    "Attempt",
    "AudioBlock",
    "AudioUrlBlock",
    "Backend",
    "Budget",
    "CBlock",
    "Capabilities",
    "Capability",
    "ChatFormatter",
    "ChatRequest",
    "Chunk",
    "Completion",
    "CompletionRequest",
    "Component",
    "ComputedModelOutputThunk",
    "Context",
    "ContextTurn",
    "Formatter",
    "FormatterBackend",
    "GenerateLog",
    "GenerateType",
    "GenerationMetadata",
    "ImageBlock",
    "ImageUrlBlock",
    "Message",
    "ModelIdentifier",
    "ModelOption",
    "ModelOutputThunk",
    "ModelToolCall",
    "NoAnswerWarning",
    "OptionNotSupportedWarning",
    "OptionTable",
    "OutputSchema",
    "PartialValidationResult",
    "PromptCutWarning",
    "RawProviderResponse",
    "Requirement",
    "RequirementsNotMetWarning",
    "SamplingResult",
    "SamplingStrategy",
    "SchemaDialect",
    "Span",
    "TemplateRepresentation",
    "UnknownOptionWarning",
    "Usage",
    "ValidationResult",
    "blockify",
    "default_output_to_bool",
    "generate_walk",
    "get_audio_from_component",
    "get_images_from_component",
    "make_image_block",
]
__all__ += errors.__all__
