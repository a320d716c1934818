"""Components: what a prompt is composed of."""

import sys as _sys
import types as _types
from typing import TYPE_CHECKING

from mellea._lazy import lazy_names

if TYPE_CHECKING:
    from mellea.core.adapter_action import Intrinsic
    from mellea.core.blocks import AudioBlock, AudioUrlBlock, CBlock, ImageBlock, ImageUrlBlock
    from mellea.core.component import Component, TemplateRepresentation, blockify
    from mellea.core.message import Message
    from mellea.core.thunk import ModelOutputThunk
    from mellea.core.tool_message import ToolMessage
    from mellea.stdlib.components.chat import as_chat_history, as_generic_chat_history
    from mellea.stdlib.components.docs import Document
    from mellea.stdlib.components.instruction import Instruction
    from mellea.stdlib.components.mify import mify
    from mellea.stdlib.components.mobject import MObject, MObjectProtocol, Query, Transform
    from mellea.stdlib.components.retrieval import DocumentIndex, Hit
    from mellea.stdlib.components.simple import SimpleComponent
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "AudioBlock": "mellea.core.blocks",
            "AudioUrlBlock": "mellea.core.blocks",
            "CBlock": "mellea.core.blocks",
            "Component": "mellea.core.component",
            "Document": "mellea.stdlib.components.docs.document",
            "DocumentIndex": "mellea.stdlib.components.retrieval",
            "Hit": "mellea.stdlib.components.retrieval",
            "ImageBlock": "mellea.core.blocks",
            "ImageUrlBlock": "mellea.core.blocks",
            "Instruction": "mellea.stdlib.components.instruction",
            "Intrinsic": "mellea.core.adapter_action",
            "MObject": "mellea.stdlib.components.mobject",
            "MObjectProtocol": "mellea.stdlib.components.mobject",
            "Message": "mellea.core.message",
            "ModelOutputThunk": "mellea.core.thunk",
            "Query": "mellea.stdlib.components.mobject",
            "SimpleComponent": "mellea.stdlib.components.simple",
            "TemplateRepresentation": "mellea.core.component",
            "ToolMessage": "mellea.core.tool_message",
            "Transform": "mellea.stdlib.components.mobject",
            "as_chat_history": "mellea.stdlib.components.chat",
            "as_generic_chat_history": "mellea.stdlib.components.chat",
            "blockify": "mellea.core.component",
            "mify": "mellea.stdlib.components.mify",
        },
    )

    class _Components(_types.ModuleType):
        """Gives the function ``mify`` where the import system would put the module of the same name."""

        @property
        def mify(self) -> object:
            from mellea.stdlib.components.mify import mify  # noqa: PLC0415  few programs need it

            return mify

        @mify.setter
        def mify(self, module: _types.ModuleType) -> None:
            pass

    _sys.modules[__name__].__class__ = _Components

__all__ = [
    "AudioBlock",
    "AudioUrlBlock",
    "CBlock",
    "Component",
    "Document",
    "DocumentIndex",
    "Hit",
    "ImageBlock",
    "ImageUrlBlock",
    "Instruction",
    "Intrinsic",
    "MObject",
    "MObjectProtocol",
    "Message",
    "ModelOutputThunk",
    "Query",
    "SimpleComponent",
    "TemplateRepresentation",
    "ToolMessage",
    "Transform",
    "as_chat_history",
    "as_generic_chat_history",
    "blockify",
    "mify",
]
