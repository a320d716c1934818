"""The core's values under the path that programs import them from."""

from typing import TypeVar

from mellea.core.blocks import AudioBlock, AudioUrlBlock, CBlock, ImageBlock, ImageUrlBlock
from mellea.core.component import Component, Span, TemplateRepresentation, blockify
from mellea.core.context import Context, ContextTurn
from mellea.core.metadata import GenerateLog, GenerateType, GenerationMetadata
from mellea.core.thunk import ComputedModelOutputThunk, ModelOutputThunk
from mellea.core.tool_call import ModelToolCall

C = TypeVar("C")

__all__ = [
    "AudioBlock",
    "AudioUrlBlock",
    "C",
    "CBlock",
    "Component",
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
    "Span",
    "TemplateRepresentation",
    "blockify",
]
