"""Mellea: generative programs in Python.

Ordinary Python in which some steps are done by a language model::

    from mellea import start_session

    with start_session(backend="hf") as m:
        mail = m.instruct("Write to {{name}} about the delay.", user_variables={"name": "Olivia"})

Names are imported when they are first used, so that ``import mellea`` costs next to nothing.
"""

from typing import TYPE_CHECKING

from mellea._lazy import lazy_names

if TYPE_CHECKING:
    from mellea.backends import model_ids
    from mellea.core.backend import Backend
    from mellea.core.blocks import CBlock
    from mellea.core.component import Component, TemplateRepresentation
    from mellea.core.context import Context
    from mellea.core.message import Message
    from mellea.core.options import ModelOption
    from mellea.core.thunk import ModelOutputThunk
    from mellea.stdlib import functional as mfuncs
    from mellea.stdlib.components.docs.document import Document
    from mellea.stdlib.components.instruction import Instruction
    from mellea.stdlib.components.simple import SimpleComponent
    from mellea.stdlib.context.chat import ChatContext
    from mellea.stdlib.context.simple import SimpleContext
    from mellea.stdlib.session import MelleaSession, get_session, start_backend, start_session

__version__ = "0.9.0"

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "Backend": "mellea.core.backend",
        "CBlock": "mellea.core.blocks",
        "ChatContext": "mellea.stdlib.context.chat",
        "Component": "mellea.core.component",
        "Context": "mellea.core.context",
        "Document": "mellea.stdlib.components.docs.document",
        "Instruction": "mellea.stdlib.components.instruction",
        "MelleaSession": "mellea.stdlib.session",
        "Message": "mellea.core.message",
        "ModelOption": "mellea.core.options",
        "ModelOutputThunk": "mellea.core.thunk",
        "SimpleComponent": "mellea.stdlib.components.simple",
        "SimpleContext": "mellea.stdlib.context.simple",
        "TemplateRepresentation": "mellea.core.component",
        "get_session": "mellea.stdlib.session",
        "mfuncs": "mellea.stdlib.functional:",
        "model_ids": "mellea.backends.model_ids:",
        "start_backend": "mellea.stdlib.session",
        "start_session": "mellea.stdlib.session",
    },
)

__all__ = [
    "Backend",
    "CBlock",
    "ChatContext",
    "Component",
    "Context",
    "Document",
    "Instruction",
    "MelleaSession",
    "Message",
    "ModelOption",
    "ModelOutputThunk",
    "SimpleComponent",
    "SimpleContext",
    "TemplateRepresentation",
    "__version__",
    "get_session",
    "mfuncs",
    "model_ids",
    "start_backend",
    "start_session",
]
