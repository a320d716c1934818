"""The former name of ``mellea.stdlib.components.genstub``."""

from mellea.stdlib.components.genstub import (
    ArgPreconditionRequirement,
    AsyncGenerativeStub,
    GenerativeStub,
    PreconditionException,
    SyncGenerativeStub,
    generative,
)

GenerativeSlot = GenerativeStub
SyncGenerativeSlot = SyncGenerativeStub
AsyncGenerativeSlot = AsyncGenerativeStub

__all__ = [
    "ArgPreconditionRequirement",
    "AsyncGenerativeSlot",
    "AsyncGenerativeStub",
    "GenerativeSlot",
    "GenerativeStub",
    "PreconditionException",
    "SyncGenerativeSlot",
    "SyncGenerativeStub",
    "generative",
]
