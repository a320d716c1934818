"""What programs and plugins are tested with, offline.

Scripted answers and faults, recorded sessions played again.
"""

from mellea.testing.instances import minimal_instance
from mellea.testing.recording import RecordingBackend, ReplayBackend, recorded
from mellea.testing.replies import Fault, Reply, filled
from mellea.testing.scripted import ScriptedBackend

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
