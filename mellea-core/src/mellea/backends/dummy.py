"""The stand-in for a model under the path that programs of the 0.8 line import it from."""

from mellea._lazy import lazy_names

__getattr__, __dir__ = lazy_names(__name__, {"DummyBackend": "mellea.testing.dummy"})
