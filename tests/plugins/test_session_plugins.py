"""Plugins that a session brings along."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from mellea import SimpleContext, start_session
from mellea.core import PluginApiError, PluginLoadError, UnknownPluginError
from mellea.plugins import BackendManifest, ContextManifest, hookimpl

SCRIPTED = "mellea.testing:ScriptedBackend"


class LocalPlugin:
    """Provides one backend and one context type under given names."""

    def __init__(self, name: str, factory: str = SCRIPTED, api_version: int = 1) -> None:
        self.manifest = BackendManifest(name=name, summary="Local.", factory=factory, api_version=api_version)

    @hookimpl
    def mellea_register_backends(self, register):
        register(self.manifest)

    @hookimpl
    def mellea_register_contexts(self, register):
        register(ContextManifest(name="local", summary="Local.", factory="mellea:SimpleContext"))


class RaisingPlugin:
    """Raises in its hook."""

    @hookimpl
    def mellea_register_backends(self, register):
        raise RuntimeError("the hook raised")


def test_sessions_own_plugin_provides_backend_and_context():
    with start_session("mine", ctx="local", plugins=[LocalPlugin("mine")], answers="hello") as m:
        answer = m.chat("hi")

    assert answer.content == "hello"
    assert isinstance(m.ctx, SimpleContext)


def test_sessions_own_plugin_goes_before_what_is_installed(install):
    install("toy-backend")

    with start_session("toy", plugins=[LocalPlugin("toy")], answers="from the session") as m:
        assert m.chat("hi").content == "from the session"


def test_sessions_own_plugin_ends_a_collision(install):
    install("twin-north", "twin-south")

    with start_session("twin", plugins=[LocalPlugin("twin")]) as m:
        assert m.backend.provider == "scripted"


def test_another_session_does_not_see_it():
    with start_session("mine", plugins=[LocalPlugin("mine")]), pytest.raises(UnknownPluginError):
        start_session("mine")


def test_another_session_gets_the_installed_one(install):
    install("toy-backend")

    with start_session("toy", plugins=[LocalPlugin("toy")]), start_session("toy") as other:
        assert other.backend.provider == "toy"


def test_one_plugin_serves_many_sessions():
    plugin = LocalPlugin("mine")

    with start_session("mine", plugins=[plugin]) as first, start_session("mine", plugins=[plugin]) as second:
        assert first.backend is not second.backend


def test_installed_manifest_module_may_be_brought_along(install):
    install("toy-backend")
    from toy import plugin

    with start_session("toy", plugins=[plugin]) as m:
        assert m.backend.provider == "toy"


def test_hook_that_raises_is_an_error_with_its_cause():
    with pytest.raises(
        PluginLoadError, match=r"Plugin 'RaisingPlugin' of this session failed .*the hook raised"
    ) as caught:
        start_session("mine", plugins=[RaisingPlugin()])

    assert isinstance(caught.value.__cause__, RuntimeError)


def test_wrong_interface_is_refused():
    with pytest.raises(PluginApiError, match="made for plugin interface 99"):
        start_session("mine", plugins=[LocalPlugin("mine", api_version=99)])


def test_object_without_a_hook_is_refused():
    with pytest.raises(PluginLoadError, match="it implements no hook"):
        start_session("mine", plugins=[SimpleNamespace()])


def test_factory_that_does_not_exist_is_named():
    with pytest.raises(PluginLoadError, match="has no attribute 'Missing'"):
        start_session("mine", plugins=[LocalPlugin("mine", factory="mellea.testing:Missing")])
