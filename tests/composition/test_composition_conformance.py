"""Compositions are backends: the kit judges them as it judges any."""

from __future__ import annotations

import itertools
import tempfile
from pathlib import Path
from typing import Any

from mellea.composition import (
    CachedBackend,
    FallbackBackend,
    LimitedBackend,
    RouterBackend,
    cached,
    fallback,
    limited,
    router,
)
from mellea.testing import RecordingBackend
from mellea.testing.conformance import BackendConformance
from tests.testing.conformance.scripted_provider import (
    CAPABILITIES,
    RightBackend,
    ScriptedProvider,
    manifest_of,
)

FOLDER = tempfile.TemporaryDirectory(prefix="mellea-cassettes-")
NUMBERS = itertools.count()


def _inner(provider: Any, options: Any) -> RightBackend:
    return RightBackend(provider, **options)


def made_fallback(provider: Any = None, **options: Any) -> FallbackBackend:
    return fallback(_inner(provider, options), pause=0)


def made_router(provider: Any = None, **options: Any) -> RouterBackend:
    return router(_inner(provider, options), _inner(provider, options))


def made_cached(provider: Any = None, **options: Any) -> CachedBackend:
    return cached(_inner(provider, options))


def made_recorded(provider: Any = None, **options: Any) -> RecordingBackend:
    folder = Path(FOLDER.name)
    return RecordingBackend(_inner(provider, options), folder / f"{next(NUMBERS)}.json")


def made_limited(provider: Any = None, **options: Any) -> LimitedBackend:
    return limited(_inner(provider, options), concurrency=100)


class _Composed(BackendConformance):
    name = "scripted"
    provider_type = ScriptedProvider
    patience = 0.5
    silence = 0.1


class TestFallback(_Composed):
    label = "fallback"
    plugins = (manifest_of(made_fallback, capabilities=CAPABILITIES),)


class TestRouter(_Composed):
    label = "router"
    plugins = (manifest_of(made_router, capabilities=CAPABILITIES),)


class TestCached(_Composed):
    label = "cached"
    plugins = (manifest_of(made_cached, capabilities=CAPABILITIES),)


class TestLimited(_Composed):
    label = "limited"
    plugins = (manifest_of(made_limited, capabilities=CAPABILITIES),)


class TestRecorded(_Composed):
    label = "recorded"
    plugins = (manifest_of(made_recorded, capabilities=CAPABILITIES),)
