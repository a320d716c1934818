"""The history of sessions: every request, answer, attempt and verdict, in a SQLite file."""

from typing import TYPE_CHECKING

from mellea._lazy import lazy_names

if TYPE_CHECKING:
    from mellea.history.history import History
    from mellea.history.records import FoundText, RecordedCall, RecordedRequest, RecordedSession
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "FoundText": "mellea.history.records",
            "History": "mellea.history.history",
            "RecordedCall": "mellea.history.records",
            "RecordedRequest": "mellea.history.records",
            "RecordedSession": "mellea.history.records",
        },
    )

__all__ = ["FoundText", "History", "RecordedCall", "RecordedRequest", "RecordedSession"]
