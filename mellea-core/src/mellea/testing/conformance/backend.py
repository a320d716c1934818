"""A backend under test: how sessions on it are opened, on the scripted provider and on a real model."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Literal

import pytest

from mellea.core.capabilities import Capability
from mellea.core.event_loop import run_sync
from mellea.core.options import ModelOption
from mellea.testing.conformance.plugin import PluginUnderTest
from mellea.testing.conformance.provider import Provider
from mellea.testing.conformance.terms import Level, Term

__all__ = ["BackendUnderTest"]


class BackendUnderTest(PluginUnderTest):
    """A backend that the kit judges; the tests come with the subclasses."""

    kind: ClassVar[Literal["backend"]] = "backend"
    provider_type: ClassVar[type[Provider] | None] = None
    """The scripted provider that takes the place of the real one."""
    silence: ClassVar[float] = 0.3
    """Seconds of silence: before an answer that is late, and until one is given up."""
    patience: ClassVar[float] = 5.0
    """Seconds after which the provider is taken to go on with its work."""

    @classmethod
    def follow(cls, config: pytest.Config) -> None:
        """Take from the command line what is judged, if that is where it stands."""
        super().follow(config)
        if cls.follows_options and (path := config.getoption("--mellea-provider")):
            module, _, name = path.partition(":")
            cls.provider_type = getattr(importlib.import_module(module), name)

    @pytest.fixture(scope="class")
    @classmethod
    def provider(cls) -> Iterator[Provider]:
        """The scripted provider, running."""
        assert cls.provider_type is not None
        with cls.provider_type() as provider:
            yield provider

    @pytest.fixture
    def arguments(self) -> Mapping[str, Any]:
        """Arguments of the backend that lead to a real model."""
        return self.options

    @pytest.fixture(autouse=True)
    def _sessions(self, _judged: None, request: pytest.FixtureRequest) -> Iterator[None]:
        self._request = request
        self._opened: list[Any] = []
        self._pretended: Capability | None = None
        yield
        for session in self._opened:
            session.close()

    def open(self, **arguments: Any) -> Any:
        """Return a session on what the test is about; it is closed when the test ends."""
        from mellea.stdlib.session import start_session  # noqa: PLC0415  a run of the manifest level needs none

        given = {**self._leading(), **arguments}
        if self._level == "contract":  # a failure that is played is seen, and not tried again
            given["model_options"] = {ModelOption.MAX_RETRIES: 0, **(given.get("model_options") or {})}
        session = start_session(self.name, plugins=self.plugins, **given)
        self._opened.append(session)
        if self._pretended is not None:
            run_sync(session.backend.supports(self._pretended))
            session.backend.capabilities = session.backend.capabilities | {self._pretended}
        return session

    @property
    def _level(self) -> Level:
        known: Term = self._request.function.conformance
        return known.level

    def _leading(self) -> Mapping[str, Any]:
        if self._level == "live":
            found: Mapping[str, Any] = self._request.getfixturevalue("arguments")
            return found
        provider: Provider = self._request.getfixturevalue("provider")
        return {**self.options, **provider.arguments}

    def declares(self, capability: Capability) -> bool:
        """Tell whether the backend, opened, declares a capability."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            backend = self.open().backend
            return bool(run_sync(backend.supports(capability)))

    def pretend(self, capability: Capability) -> None:
        """Open sessions from now on as if the backend declared a capability."""
        self._pretended = capability

    @classmethod
    def reason_against(cls, known: Term) -> str | None:
        """Return why a test does not apply, or None where it does."""
        reason = super().reason_against(known)
        if reason is not None or known.level != "contract":
            return reason
        if cls.provider_type is None:
            return "there is no scripted provider"
        if lacking := sorted(known.plays - cls.provider_type.plays):
            return f"its scripted provider plays no {', '.join(lacking)}"
        return None
