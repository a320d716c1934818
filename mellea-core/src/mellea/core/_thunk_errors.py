"""What goes wrong with a thunk itself, each also as the builtin that fits."""

from mellea.core.errors import UsageError

__all__ = ["NoLengthError", "NoTextError", "NoThunkError", "NotComputedError"]


class NotComputedError(UsageError, RuntimeError):
    """What cannot be done with a thunk that is on its way."""


class NoTextError(UsageError, AttributeError):
    """What a thunk that is computed cannot be given in place of its text."""


class NoThunkError(UsageError, TypeError):
    """What is no thunk, and cannot be taken for a computed one."""


class NoLengthError(UsageError, TypeError):
    """A TypeError, so that ``list`` of what is on its way goes on to iterate over it."""
