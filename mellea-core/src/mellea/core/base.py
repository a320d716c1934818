"""The core's values under the path that programs import them from."""

from mellea.core.blocks import AudioBlock, AudioUrlBlock, CBlock, ImageBlock, ImageUrlBlock
from mellea.core.component import Component, Span, TemplateRepresentation, blockify
from mellea.core.context import Context, ContextTurn
from mellea.core.message import ModelToolCall
from mellea.core.thunk import ComputedModelOutputThunk, GenerateLog, GenerationMetadata, ModelOutputThunk

__all__ = [
    "AudioBlock",
    "AudioUrlBlock",
    "CBlock",
    "Component",
    "ComputedModelOutputThunk",
    "Context",
    "ContextTurn",
    "GenerateLog",
    "GenerationMetadata",
    "ImageBlock",
    "ImageUrlBlock",
    "ModelOutputThunk",
    "ModelToolCall",
    "Span",
    "TemplateRepresentation",
    "blockify",
]
