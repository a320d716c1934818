"""An observer that keeps what it hears."""

from mellea.core.hook_payloads import PAYLOADS
from mellea.plugins import PluginMode, hook

__all__ = ["Heard", "handler"]


class Heard(list):
    """The payloads that its handlers were given, in order."""

    def __call__(self, *names, mode=PluginMode.AUDIT):
        """Return an observer of some hooks; of all without a name."""

        def listen(payload, ctx):
            self.append(payload)

        for name in names or PAYLOADS:
            listen = hook(name, mode=mode)(listen)
        return listen

    @property
    def names(self):
        """The hooks, in order."""
        return [payload.hook for payload in self]

    def of(self, name):
        """Return the payloads of one hook."""
        return [payload for payload in self if payload.hook == name]


def handler(name, result=None, **settings):
    """Return a handler that returns, or raises, the same each time."""

    @hook(name, **settings)
    async def decide(payload, ctx):
        if isinstance(result, BaseException):
            raise result
        return result(payload) if callable(result) else result

    return decide
