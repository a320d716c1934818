"""Values and contracts: what a prompt is made of, what a backend is asked and answers, what can go wrong."""

from mellea.core.backend import Backend, FormatterBackend
from mellea.core.blocks import AudioBlock, AudioUrlBlock, CBlock, ImageBlock, ImageUrlBlock, make_image_block
from mellea.core.capabilities import Capabilities, Capability
from mellea.core.component import Component, Span, TemplateRepresentation, blockify, generate_walk
from mellea.core.context import Context, ContextTurn
from mellea.core.errors import *  # noqa: F403  the whole error tree is public
from mellea.core.errors import __all__ as _errors
from mellea.core.formatter import ChatFormatter, Formatter
from mellea.core.message import Message, ModelToolCall
from mellea.core.models import ModelIdentifier
from mellea.core.options import ModelOption, OptionNotSupportedWarning, OptionTable
from mellea.core.request import ChatRequest, Chunk, Completion, CompletionRequest, OutputSchema, Usage
from mellea.core.thunk import ComputedModelOutputThunk, GenerateLog, GenerationMetadata, ModelOutputThunk

__all__ = [
    "AudioBlock",
    "AudioUrlBlock",
    "Backend",
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
    "GenerationMetadata",
    "ImageBlock",
    "ImageUrlBlock",
    "Message",
    "ModelIdentifier",
    "ModelOption",
    "ModelOutputThunk",
    "ModelToolCall",
    "OptionNotSupportedWarning",
    "OptionTable",
    "OutputSchema",
    "Span",
    "TemplateRepresentation",
    "Usage",
    "blockify",
    "generate_walk",
    "make_image_block",
    *_errors,
]
