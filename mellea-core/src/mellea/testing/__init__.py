"""What programs and plugins are tested with, offline.

Scripted answers and faults, recorded sessions played again, and the kit that judges plugins.
"""

from typing import TYPE_CHECKING

from mellea._lazy import lazy_names

if TYPE_CHECKING:
    from mellea.testing.instances import minimal_instance
    from mellea.testing.recording import RecordingBackend, ReplayBackend, recorded
    from mellea.testing.replies import Fault, Reply, filled
    from mellea.testing.scripted import ScriptedBackend
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "Fault": "mellea.testing.replies",
            "RecordingBackend": "mellea.testing.recording",
            "ReplayBackend": "mellea.testing.recording",
            "Reply": "mellea.testing.replies",
            "ScriptedBackend": "mellea.testing.scripted",
            "filled": "mellea.testing.replies",
            "minimal_instance": "mellea.testing.instances",
            "recorded": "mellea.testing.recording",
        },
    )

__all__ = [
    "Fault",
    "RecordingBackend",
    "ReplayBackend",
    "Reply",
    "ScriptedBackend",
    "filled",
    "minimal_instance",
    "recorded",
]
