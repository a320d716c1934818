"""Plugins with one flaw each: an error names plugin, distribution and remedy, and a check finds it."""

from __future__ import annotations

import json

import pytest

from mellea import start_session
from mellea.cli import main
from mellea.core import CapabilityError, MalformedResponseError, PluginLoadError, ProviderError, UsageError
from mellea.plugins.checks import checked_listing
from mellea.plugins.registry import PluginRegistry
from tests.plugins.samples import make_distribution

MANIFEST = """
from mellea.plugins import BackendManifest, ContextManifest, StrategyManifest, hookimpl

@hookimpl
def mellea_register_{kind}(register):
    register({manifest})
"""
HEAD = """
from mellea.core import Backend, Capability, Chunk, Context, SamplingStrategy, UsageError
"""
CHAT = """
    async def stream_chat(self, request):
        yield Chunk(text="yes", finish_reason="stop")
"""
GOOD = f"class Good(Backend):{CHAT}"


@pytest.fixture
def odd(install, tmp_path):
    """Install a distribution ``odd-plugin`` with the backend ``odd``, whose module is given."""

    def put(source: str, factory: str = "odd_backend:Odd", more: str = "", kind: str = "Backend") -> None:
        manifest = f"{kind}Manifest(name='odd', summary='', factory={factory!r}, {more})"
        hook = {"Backend": "backends", "Context": "contexts", "Strategy": "strategies"}[kind]
        modules = {
            "odd_plugin": MANIFEST.format(kind=hook, manifest=manifest),
            "odd_backend": HEAD + source,
        }
        install(make_distribution(tmp_path, "odd-plugin", {"odd": "odd_plugin"}, modules))

    return put


def found(kind="backend"):
    return next(row for row in checked_listing(PluginRegistry({}), kind) if row.name == "odd")


@pytest.mark.parametrize(
    ("factory", "reason", "remedy"),
    [
        ("odd_backend:Goood", "no attribute 'Goood'", "Did you mean 'Good'? Correct the factory in the mani"),
        ("odd_backend:Good.Inner", "no attribute 'Inner'", "Correct the factory in the manifest, or update"),
        ("odd_backends:Good", "No module named 'odd_backends'", "Correct the factory in the manifest, or up"),
        (
            "odd_backend.deep:Good",
            "No module named 'odd_backend.deep'",
            "Correct the factory in the manifest",
        ),
    ],
)
def test_factory_that_is_not_there_is_a_fault_of_the_manifest(odd, factory, reason, remedy):
    odd(GOOD, factory)

    with pytest.raises(PluginLoadError, match=r"^Plugin 'odd' of odd-plugin 1.0 failed") as caught:
        start_session("odd")

    assert reason in caught.value.message
    assert caught.value.hint.startswith(remedy)
    assert caught.value.__cause__ is not None
    assert (found().status, found().problem) == ("broken", caught.value.message)


@pytest.mark.parametrize("factory", ["odd_backend:Goood", "odd_backend.deep:Good"])
def test_typo_in_a_manifest_has_no_install_command_as_its_remedy(odd, factory):
    odd(GOOD, factory, "install_hint='Install it with: pip install odd-sdk'")

    with pytest.raises(PluginLoadError) as caught:
        start_session("odd")

    assert "pip install" not in str(caught.value)


@pytest.mark.parametrize("source", ["import odd_sdk", "from odd_backend_sdk.client import Client"])
def test_missing_library_has_the_authors_install_command_as_its_remedy(odd, source):
    odd(source, more="install_hint='Install it with: pip install odd-sdk'")

    with pytest.raises(PluginLoadError, match=r"Install it with: pip install odd-sdk$"):
        start_session("odd")


@pytest.mark.parametrize(
    ("source", "what"),
    [
        ("class Odd: pass", "is Odd, which is no Backend"),
        ("class Odd(Context): pass", "is Odd, which is no Backend"),
        ("Odd = 3", "is a int, which cannot be called"),
        ("def Odd() -> Context: pass", "is Context, which is no Backend"),
        ("def Odd(): return 3", "made a int"),
    ],
)
def test_factory_of_something_else_is_named_with_plugin_and_distribution(odd, source, what):
    odd(source)

    with pytest.raises(PluginLoadError) as caught:
        start_session("odd")

    assert caught.value.message == (
        f"Plugin 'odd' of odd-plugin 1.0 cannot be used: its factory 'odd_backend:Odd' {what}."
    )
    assert "Backend" in caught.value.hint


def test_backend_without_stream_chat_is_found_by_a_check_and_named_by_a_call(odd):
    odd("class Odd(Backend): pass")

    assert (found().status, found().remedy[:9]) == ("broken", "Write it.")
    with (
        start_session("odd") as m,
        pytest.raises(
            CapabilityError,
            match=r"'odd' \(plugin 'odd' of odd-plugin 1.0\) does not chat: Odd has no stream_chat\.",
        ),
    ):
        m.chat("hi")


@pytest.mark.parametrize(
    ("body", "what"),
    [
        ("async def stream_chat(self, request): return Chunk('x')", "is a coroutine function"),
        ("def stream_chat(self, request): yield Chunk('x')", "is a plain generator"),
    ],
)
def test_stream_chat_of_another_kind_is_found_by_a_check_and_named_by_a_call(odd, body, what):
    odd(f"class Odd(Backend):\n    {body}")

    assert what in found().problem
    with (
        start_session("odd") as m,
        pytest.raises(MalformedResponseError, match=r"plugin 'odd' of odd-plugin 1.0.*`async def`"),
    ):
        m.chat("hi")


@pytest.mark.parametrize(
    ("declared", "what"),
    [
        ("frozenset({Capability.RAW})", "declares 'raw' and has no complete"),
        ("frozenset({'token_count'})", "declares 'token_count' and has no count_tokens"),
        ("frozenset({'streams'})", "declares 'streams'"),
        ("Capability.STREAMING", "has capabilities that are"),
        ("None", "has capabilities that are None"),
    ],
)
def test_capabilities_that_cannot_be_are_found_by_a_check(odd, declared, what):
    odd(f"class Odd(Backend):\n    capabilities = {declared}\n{CHAT}")

    assert found().status == "broken"
    assert what in found().problem


async def test_capability_that_only_the_class_declares_is_not_said_to_be_undeclared(odd):
    odd(f"class Odd(Backend):\n    capabilities = frozenset({{Capability.RAW}})\n{CHAT}")

    with start_session("odd") as m, pytest.raises(CapabilityError) as caught:
        await m.backend.generate_from_raw(["hi"])

    assert caught.value.message == (
        "Backend 'odd' (plugin 'odd' of odd-plugin 1.0) declares 'raw', and Odd has no complete; "
        "nothing was sent."
    )


async def test_capability_that_only_the_manifest_declares_is_said_to_be_so(odd):
    odd(
        "class Odd(Backend):\n    capabilities = frozenset({'streaming'})\n" + CHAT,
        more="capabilities={'raw', 'streaming'}",
    )

    assert "does not declare raw, although the manifest does" in found().problem
    with start_session("odd") as m, pytest.raises(CapabilityError) as caught:
        await m.backend.generate_from_raw(["hi"])
    assert str(caught.value) == (
        "Backend 'odd' does not declare 'raw', although the manifest of plugin 'odd' of odd-plugin 1.0 "
        "does; nothing was sent. Add it to Odd.capabilities, or take it out of the manifest."
    )


HANDS_ON = f"""
class Odd(Backend):
    def __init__(self, model_id="", *, api_key="", **others):
        super().__init__(model_id, **others)
{CHAT}"""
SDK = """
class Client:
    def __init__(self, *, region=""): pass

class Odd(Backend):
    def __init__(self, model_id="", *, api_key="", **others):
        super().__init__(model_id)
        Client(**others)
"""


@pytest.mark.parametrize(
    ("source", "argument", "hint"),
    [
        (HANDS_ON, "api_kye", "Did you mean 'api_key'? It takes model_id, api_key, formatter, model_options"),
        (HANDS_ON, "strict_option", "Did you mean 'strict_options'?"),
        (SDK, "api_kye", "Did you mean 'api_key'?"),
        (SDK, "zone", "It takes model_id, api_key"),
        (GOOD.replace("Good", "Odd"), "formater", "Did you mean 'formatter'?"),
    ],
)
def test_misspelt_argument_is_the_callers(odd, source, argument, hint):
    odd(source, more="install_hint='pip install odd-sdk'")

    with pytest.raises(
        UsageError, match=f"^'odd' of odd-plugin 1.0 takes no argument '{argument}'"
    ) as caught:
        start_session("odd", **{argument: 1})

    assert caught.value.hint.startswith(hint)
    assert "pip install" not in str(caught.value)


@pytest.mark.parametrize(
    "body",
    [
        "super().__init__(model=model_id)",
        "super().__init__(model_id, api_key=api_key)",
        "raise RuntimeError('no heart')",
        "import sys; sys.exit(3)",
    ],
)
def test_bug_in_a_constructor_is_the_plugins(odd, body):
    odd(
        f"class Odd(Backend):\n    def __init__(self, model_id='', api_key='', **others):\n        {body}",
        more="install_hint='pip install odd-sdk'",
    )

    with pytest.raises(PluginLoadError, match=r"Plugin 'odd' of odd-plugin 1.0 could not open") as caught:
        start_session("odd", api_key="k", model_options={})

    assert "pip install" not in str(caught.value)


def test_library_missed_by_a_constructor_has_the_install_command(odd):
    odd(
        "class Odd(Backend):\n    def __init__(self):\n        import odd_sdk",
        more="install_hint='Install it with: pip install odd-sdk'",
    )

    with pytest.raises(PluginLoadError, match=r"Install it with: pip install odd-sdk$"):
        start_session("odd")


def test_error_of_a_call_names_the_plugin(odd):
    odd("class Odd(Backend):\n    async def stream_chat(self, request):\n        yield {}['x']")

    with (
        start_session("odd") as m,
        pytest.raises(
            ProviderError, match=r"Backend 'odd' \(plugin 'odd' of odd-plugin 1.0\) failed: KeyErr"
        ),
    ):
        m.chat("hi")


# Checks


@pytest.mark.parametrize(
    ("kind", "source", "what"),
    [
        ("Context", "class Odd(Context):\n    pass", "does not implement add, view_for_generation"),
        ("Context", "class Odd(Backend):\n    pass", "is Odd, which is no Context"),
        ("Context", "def Odd(size) -> Context: pass", "cannot be opened without size"),
        ("Strategy", "class Odd(SamplingStrategy):\n    pass", "does not implement sample"),
        ("Strategy", "def Odd() -> int: pass", "is int, which is no SamplingStrategy"),
    ],
)
def test_contexts_and_strategies_are_checked_too(odd, kind, source, what):
    odd(source, kind=kind)

    row = found(kind.lower())

    assert row.status == "broken"
    assert what in row.problem
    assert row.remedy


def test_default_model_that_the_class_does_not_take_is_found(odd):
    odd(f"class Odd(Backend):\n    def __init__(self): pass\n{CHAT}", more="default_model_id='m'")

    assert "takes no argument 'model_id'" in found().problem


def test_function_that_does_not_say_what_it_makes_is_not_called_ok(odd):
    odd("def Odd(): raise RuntimeError")

    assert (found().status, found().remedy) == ("unknown", "Annotate what it returns: -> Backend.")


def test_backend_that_needs_a_key_is_no_broken_plugin(odd):
    odd(f"class Odd(Backend):\n    def __init__(self, *, api_key): pass\n{CHAT}")

    assert found().status == "ok"


@pytest.mark.parametrize("command", ["backends", "doctor"])
def test_check_on_the_command_line_has_status_1_for_what_is_broken(odd, capsys, command):
    odd("class Odd: pass")
    options = ["--check"] if command == "backends" else []

    status = main([command, *options, "--json"])

    printed = json.loads(capsys.readouterr().out)
    rows = printed if command == "backends" else printed["plugins"]
    assert next(row["status"] for row in rows if row["name"] == "odd") == "broken"
    assert status == 1


def test_check_on_the_command_line_has_status_0_for_what_is_not(odd, capsys):
    odd(GOOD, "odd_backend:Good")

    status = main(["backends", "--check"])

    assert (status, "odd_backend:Good" in capsys.readouterr().out) == (0, True)


@pytest.mark.parametrize("command", ["backends", "contexts", "strategies"])
def test_check_finds_nothing_wrong_with_our_own(no_settings, capsys, command):
    assert main([command, "--check"]) == 0
