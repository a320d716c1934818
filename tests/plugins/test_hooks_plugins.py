"""Handlers that a distribution, or a module of a session, brings along."""

import json
import types

import pytest

from mellea import MelleaSession, start_session
from mellea.core import PluginLoadError, PluginViolationError, UnknownPluginError
from mellea.core.hook_names import HookName
from mellea.core.hook_payloads import PAYLOADS
from mellea.plugins import BackendManifest, HookType, block, hook, hookimpl, hookpoints
from mellea.plugins.registry import registry
from mellea.testing import ScriptedBackend
from tests.plugins.samples import make_distribution

MANIFEST = """
from mellea.plugins import HooksManifest, hookimpl

@hookimpl
def mellea_register_hooks(register):
    register(HooksManifest(name="audit", summary="Counts.", factory="audit_hooks.counting:Counter"))
    register(HooksManifest(name="strange", summary="Strange.", factory="audit_hooks.counting:strange"))
"""
COUNTING = """
from mellea.plugins import HookType, Plugin, hook

class Counter(Plugin, name="audit"):
    seen = []

    @hook(HookType.GENERATION_PRE_CALL)
    def count(self, payload, ctx):
        self.seen.append(payload.session_id)

def strange():
    return 3
"""


@pytest.fixture
def audit(tmp_path, install):
    modules = {"audit_hooks/__init__": "", "audit_hooks/plugin": MANIFEST, "audit_hooks/counting": COUNTING}
    (tmp_path / "audit_hooks").mkdir()
    install(make_distribution(tmp_path, "audit-hooks", {"audit": "audit_hooks.plugin"}, modules))
    return tmp_path


def test_installed_handlers_listen_to_the_session_that_names_them_alone(audit):
    with start_session(ScriptedBackend("x"), plugins=["audit"]) as m:
        from audit_hooks.counting import Counter

        m.act("Hi")
        with start_session(ScriptedBackend("x")) as other:
            other.act("Hi")
        assert Counter.seen == [m.id]
        assert MelleaSession(ScriptedBackend("x"), plugins=["audit-hooks:audit"]).act("Hi") == "x"


def test_installed_handlers_are_listed_and_can_be_left_out(audit, monkeypatch):
    rows = [(row.name, row.distribution, row.status) for row in registry().listing("hooks")]
    assert [row for row in rows if row[1] != "mellea-core"] == [
        ("audit", "audit-hooks", "ok"),
        ("strange", "audit-hooks", "ok"),
    ]
    monkeypatch.setenv("MELLEA_PLUGINS", "-audit")
    registry.cache_clear()
    with pytest.raises(UnknownPluginError, match="left out by MELLEA_PLUGINS"):
        start_session(ScriptedBackend("x"), plugins=["audit"])


def test_what_is_no_plugin_says_so(audit):
    with pytest.raises(PluginLoadError, match="made a int"):
        start_session(ScriptedBackend("x"), plugins=["strange"])
    with pytest.raises(UnknownPluginError, match="Did you mean 'audit'"):
        start_session(ScriptedBackend("x"), plugins=["audid"])


def test_command_lists_them(audit, capsys):
    from mellea.cli import main

    assert main(["hooks", "--json", "--check"]) == 0
    rows = {row["name"]: row["status"] for row in json.loads(capsys.readouterr().out)}
    assert rows == {"audit": "ok", "costs": "ok", "strange": "unknown", "telemetry": "ok"}


def test_module_of_a_session_implements_hook_points():
    module = types.ModuleType("own")

    @hookimpl
    async def generation_pre_call(payload):
        return block("no")

    module.generation_pre_call = generation_pre_call
    with pytest.raises(PluginViolationError, match="no"):
        start_session(ScriptedBackend("x"), plugins=[module]).act("Hi")

    @hookimpl
    def generation_post_call(nonsense):
        return None

    module.generation_post_call = generation_post_call
    with pytest.raises(PluginLoadError, match="nonsense"):
        start_session(ScriptedBackend("x"), plugins=[module])


def test_handlers_and_manifests_of_a_session_stand_side_by_side():
    module = types.ModuleType("own")

    @hookimpl
    def mellea_register_backends(register):
        factory = "mellea.testing.scripted:ScriptedBackend"
        register(BackendManifest(name="own", summary="Own.", factory=factory))

    module.mellea_register_backends = mellea_register_backends
    guard = hook(HookType.COMPONENT_PRE_EXECUTE)(lambda payload, ctx: block("no"))
    with start_session("own", ctx="chat", plugins=[guard, module]) as m:
        with pytest.raises(PluginViolationError):
            m.act("Hi")
        assert m.plugins == (module,)


def test_every_hook_point_has_a_name_a_payload_and_a_documented_specification():
    assert set(PAYLOADS) == set(HookName.__args__) == {member.value for member in HookType}
    for name, kind in PAYLOADS.items():
        specification = getattr(hookpoints, name)
        assert specification.mellea_spec is not None
        assert kind.__name__ == f"{name.title().replace('_', '')}Payload"
        assert specification.__annotations__["payload"] == f"hooks.{kind.__name__}"
        assert len(specification.__doc__.strip().split("\n\n")) == 2
        documented = kind.__doc__.partition("Args:")[2]
        own = [field.name for field in kind.__attrs_attrs__ if not field.inherited]
        assert all(f"{field}: " in documented for field in own)
        assert set(kind.writable) <= set(own)
