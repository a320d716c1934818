"""The core's values under the path that programs import them from."""

from typing import TypeVar

from mellea.core.blocks import AudioBlock, AudioUrlBlock, CBlock, ImageBlock, ImageUrlBlock, make_image_block
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
from mellea.core.errors import ComponentParseError
from mellea.core.metadata import GenerateLog, GenerateType, GenerationMetadata, RawProviderResponse
from mellea.core.thunk import ComputedModelOutputThunk, ModelOutputThunk
from mellea.core.tool_call import AbstractMelleaTool, ModelToolCall

C = TypeVar("C")
S = TypeVar("S")

__all__ = [
    "AbstractMelleaTool",
    "AudioBlock",
    "AudioUrlBlock",
    "C",
    "CBlock",
    "Component",
    "ComponentParseError",
    "ComputedModelOutputThunk",
    "Context",
    "ContextTurn",
    "GenerateLog",
    "GenerateType",
    "GenerationMetadata",
    "ImageBlock",
    "ImageUrlBlock",
    "ModelOutputThunk",
    "ModelToolCall",
    "RawProviderResponse",
    "S",
    "SampleActionType",
    "Span",
    "TemplateRepresentation",
    "blockify",
    "generate_walk",
    "get_audio_from_component",
    "get_images_from_component",
    "make_image_block",
]
