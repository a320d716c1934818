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
    from mellea import serve
    from mellea.backends import model_ids
    from mellea.core.adapter_action import Intrinsic
    from mellea.core.backend import Backend
    from mellea.core.blocks import CBlock
    from mellea.core.component import Component, TemplateRepresentation
    from mellea.core.context import Context
    from mellea.core.logs import MelleaLogger
    from mellea.core.message import Message
    from mellea.core.options import ModelOption
    from mellea.core.quote import Quote
    from mellea.core.requirement import Requirement, ValidationResult
    from mellea.core.sampling import SamplingResult
    from mellea.core.thunk import ModelOutputThunk
    from mellea.mapping.mapping import amap
    from mellea.mapping.mapping import map as map  # noqa: A004  it is read as mellea.map
    from mellea.stdlib import functional as mfuncs
    from mellea.stdlib.components.docs.document import Document
    from mellea.stdlib.components.genstub import generative
    from mellea.stdlib.components.instruction import Instruction
    from mellea.stdlib.components.mify import mify
    from mellea.stdlib.components.mobject import MObject
    from mellea.stdlib.components.simple import SimpleComponent
    from mellea.stdlib.context.chat import ChatContext
    from mellea.stdlib.context.simple import SimpleContext
    from mellea.stdlib.prompts import load_prompts
    from mellea.stdlib.requirements.requirement import check, req, simple_validate
    from mellea.stdlib.sampling.repair import RejectionSamplingStrategy
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
        "Intrinsic": "mellea.core.adapter_action",
        "MObject": "mellea.stdlib.components.mobject",
        "MelleaLogger": "mellea.core.logs",
        "MelleaSession": "mellea.stdlib.session",
        "Message": "mellea.core.message",
        "ModelOption": "mellea.core.options",
        "ModelOutputThunk": "mellea.core.thunk",
        "Quote": "mellea.core.quote",
        "RejectionSamplingStrategy": "mellea.stdlib.sampling.repair",
        "Requirement": "mellea.core.requirement",
        "SamplingResult": "mellea.core.sampling",
        "SimpleComponent": "mellea.stdlib.components.simple",
        "SimpleContext": "mellea.stdlib.context.simple",
        "TemplateRepresentation": "mellea.core.component",
        "ValidationResult": "mellea.core.requirement",
        "check": "mellea.stdlib.requirements.requirement",
        "amap": "mellea.mapping.mapping",
        "generative": "mellea.stdlib.components.genstub",
        "get_session": "mellea.stdlib.session",
        "map": "mellea.mapping.mapping",
        "load_prompts": "mellea.stdlib.prompts",
        "mfuncs": "mellea.stdlib.functional:",
        "mify": "mellea.stdlib.components.mify",
        "model_ids": "mellea.backends.model_ids:",
        "req": "mellea.stdlib.requirements.requirement",
        "serve": "mellea.serve:",
        "simple_validate": "mellea.stdlib.requirements.requirement",
        "start_backend": "mellea.stdlib.session.start",
        "start_session": "mellea.stdlib.session.start",
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
    "Intrinsic",
    "MObject",
    "MelleaLogger",
    "MelleaSession",
    "Message",
    "ModelOption",
    "ModelOutputThunk",
    "Quote",
    "RejectionSamplingStrategy",
    "Requirement",
    "SamplingResult",
    "SimpleComponent",
    "SimpleContext",
    "TemplateRepresentation",
    "ValidationResult",
    "__version__",
    "amap",
    "check",
    "generative",
    "get_session",
    "load_prompts",
    "mfuncs",
    "mify",
    "model_ids",
    "req",
    "serve",
    "simple_validate",
    "start_backend",
    "start_session",
]
