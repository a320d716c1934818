"""Backends in front of backends: another where one fails or suits better, limits, answers that are kept."""

from typing import TYPE_CHECKING

from mellea._lazy import lazy_names

if TYPE_CHECKING:
    from mellea.composition.caching import CachedBackend, cached
    from mellea.composition.fallbacks import FallbackBackend, fallback
    from mellea.composition.limits import LimitedBackend, limited
    from mellea.composition.names import BackendLeftOutWarning
    from mellea.composition.routing import RouterBackend, router
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "BackendLeftOutWarning": "mellea.composition.names",
            "CachedBackend": "mellea.composition.caching",
            "FallbackBackend": "mellea.composition.fallbacks",
            "LimitedBackend": "mellea.composition.limits",
            "RouterBackend": "mellea.composition.routing",
            "cached": "mellea.composition.caching",
            "fallback": "mellea.composition.fallbacks",
            "limited": "mellea.composition.limits",
            "router": "mellea.composition.routing",
        },
    )

__all__ = [
    "BackendLeftOutWarning",
    "CachedBackend",
    "FallbackBackend",
    "LimitedBackend",
    "RouterBackend",
    "cached",
    "fallback",
    "limited",
    "router",
]
