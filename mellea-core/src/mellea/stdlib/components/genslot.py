"""The former name of ``mellea.stdlib.components.genstub``."""

import warnings

from mellea.stdlib.components.genstub import (
    ArgPreconditionRequirement,
    AsyncGenerativeStub,
    GenerativeStub,
    PreconditionException,
    SyncGenerativeStub,
    generative,
)

warnings.warn(
    "mellea.stdlib.components.genslot is now called mellea.stdlib.components.genstub.",
    DeprecationWarning,
    stacklevel=2,
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
