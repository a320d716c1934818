"""Components: what a prompt is composed of."""

from mellea.core.blocks import AudioBlock, AudioUrlBlock, CBlock, ImageBlock, ImageUrlBlock
from mellea.core.component import Component, TemplateRepresentation, blockify
from mellea.core.message import Message
from mellea.core.thunk import ModelOutputThunk
from mellea.stdlib.components.chat import as_chat_history, as_generic_chat_history
from mellea.stdlib.components.docs import Document
from mellea.stdlib.components.instruction import Instruction
from mellea.stdlib.components.simple import SimpleComponent

__all__ = [
    "AudioBlock",
    "AudioUrlBlock",
    "CBlock",
    "Component",
    "Document",
    "ImageBlock",
    "ImageUrlBlock",
    "Instruction",
    "Message",
    "ModelOutputThunk",
    "SimpleComponent",
    "TemplateRepresentation",
    "as_chat_history",
    "as_generic_chat_history",
    "blockify",
]
