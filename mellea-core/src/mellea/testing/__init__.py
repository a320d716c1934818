"""What programs and plugins are tested with, offline."""

from mellea.testing.scripted import ScriptedBackend

__all__ = ["ScriptedBackend"]
