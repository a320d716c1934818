"""Broken plugins: each is kept as a problem with its remedy, and takes no other down."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from mellea import start_session
from mellea.core import PluginApiError, PluginLoadError
from mellea.plugins.registry import PluginRegistry
from tests.plugins.samples import make_distribution

BROKEN = ("broken-manifest", "missing-dependency", "refusing-constructor", "future-api")
HOOK = "from mellea.plugins import BackendManifest, ContextManifest, hookimpl\n"


def manifest(name: str, aliases: str = "()") -> str:
    return f"BackendManifest(name={name!r}, summary='', factory='nowhere:Nothing', aliases={aliases})"


def backends(*manifests: str) -> str:
    calls = "".join(f"    register({manifest})\n" for manifest in manifests)
    return f"@hookimpl\ndef mellea_register_backends(register):\n{calls}"


def test_broken_plugins_take_no_other_down(install):
    install(*BROKEN, "toy-backend", "lasttwo-context")

    with start_session("parrot", ctx="last-two") as m:  # aliases, so that every manifest is read
        assert m.chat("one two").content == "one two"


def test_listing_shows_status_problem_and_remedy(install):
    install(*BROKEN, "toy-backend")

    rows = {row.name: row for row in PluginRegistry({}).listing("backend")}

    assert rows["toy"].status == "ok"
    assert (rows["crashing"].distribution, rows["crashing"].version) == ("broken-manifest", "0.3")
    assert (rows["crashing"].status, rows["crashing"].problem) == (
        "broken",
        "RuntimeError: the manifest module raised.",
    )
    assert (
        rows["crashing"].remedy
        == "Update or uninstall broken-manifest, or leave it out with MELLEA_PLUGINS=-crashing."
    )
    assert (rows["future"].status, rows["future"].remedy) == ("incompatible", "Update mellea-core.")


def test_problems_of_what_was_looked_at_are_kept(install):
    install("broken-manifest")
    registry = PluginRegistry({})

    registry.listing("backend")

    problem = next(problem for problem in registry.problems() if problem.source.name == "crashing")
    assert (problem.source.distribution, problem.source.version, problem.stage) == (
        "broken-manifest",
        "0.3",
        "import",
    )
    assert isinstance(problem.cause, RuntimeError)


def test_manifest_that_raises_is_raised_with_its_cause_when_it_is_asked_for(install):
    install("broken-manifest")

    with pytest.raises(
        PluginLoadError, match=r"Plugin 'crashing' of broken-manifest 0.3 failed at the stage 'import'"
    ) as caught:
        start_session("crashing")

    assert isinstance(caught.value.__cause__, RuntimeError)
    assert str(caught.value).endswith("or leave it out with MELLEA_PLUGINS=-crashing.")


def test_missing_dependency_is_raised_with_its_cause_and_the_authors_remedy(install):
    install("missing-dependency")

    with pytest.raises(
        PluginLoadError, match=r"vendor_sdk_that_is_not_installed'\. Install it with: pip install vendor-sdk$"
    ) as caught:
        start_session("needy")

    assert isinstance(caught.value.__cause__, ModuleNotFoundError)


def test_constructor_that_raises_is_raised_with_its_cause(install):
    install("refusing-constructor")

    with pytest.raises(
        PluginLoadError, match=r"'refusing' of refusing-constructor 1.0 could not open"
    ) as caught:
        start_session("refusing")

    assert isinstance(caught.value.__cause__, OSError)


def test_plugin_for_a_later_interface_is_refused_with_the_remedy(install):
    install("future-api")

    with pytest.raises(PluginApiError) as caught:
        start_session("future")

    assert str(caught.value) == (
        "Plugin 'future' of future-api 9.0 was made for plugin interface 99; "
        "this core has 1. Update mellea-core."
    )


def test_plugin_for_an_earlier_interface_is_refused_with_the_remedy(install, tmp_path):
    source = HOOK + backends(
        "BackendManifest(name='old', summary='', factory='nowhere:Nothing', api_version=0)"
    )
    install(make_distribution(tmp_path, "old-plugin", {"old": "old_plugin"}, {"old_plugin": source}))

    with pytest.raises(PluginApiError, match=r"plugin interface 0; this core has 1. Update old-plugin.$"):
        PluginRegistry({}).resolve("backend", "old")


def test_strict_mode_raises_at_the_first_broken_plugin(install):
    install("broken-manifest", "toy-backend")
    registry = PluginRegistry({"MELLEA_STRICT_PLUGINS": "1"})

    with pytest.raises(PluginLoadError, match="the manifest module raised"):
        registry.listing("backend")


def test_strict_mode_raises_when_a_session_opens(install, monkeypatch):
    install("broken-manifest", "toy-backend")
    monkeypatch.setenv("MELLEA_STRICT_PLUGINS", "1")

    with pytest.raises(PluginLoadError, match="the manifest module raised"):
        start_session("parrot")


def test_strict_mode_is_off_when_it_is_zero(install):
    install("broken-manifest", "toy-backend")

    rows = PluginRegistry({"MELLEA_STRICT_PLUGINS": "0"}).listing("backend")

    assert {"toy", "crashing"} <= {row.name for row in rows}


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import sys\nsys.exit('no accelerator')", "SystemExit: no accelerator."),
        ("this is no Python", "SyntaxError"),
        ("hookless = 1", "it implements no hook"),
        (
            HOOK + "@hookimpl\ndef mellea_register_backend(register): pass",
            "unknown hook 'mellea_register_backend'",
        ),
        (HOOK + "@hookimpl\ndef mellea_register_backends(enrol): pass", "enrol"),
        (HOOK + backends("'toy'"), "TypeError: registered str instead of a BackendManifest"),
        (HOOK + backends(manifest("Odd Name")), "'Odd Name' is no plugin name"),
        (HOOK + backends(manifest("odd", "('fine')")), "Aliases are several names"),
        (HOOK + backends("{}['nothing']"), "KeyError: 'nothing'."),
    ],
)
def test_whatever_a_manifest_module_does_is_kept_as_a_problem(install, tmp_path, source, reason):
    install(
        make_distribution(tmp_path, "odd-plugin", {"odd": "odd_plugin"}, {"odd_plugin": source}),
        "toy-backend",
    )

    rows = {row.name: row for row in PluginRegistry({}).listing("backend")}

    assert rows["toy"].status == "ok"
    assert rows["odd"].status == "broken"
    assert reason in rows["odd"].problem


def test_entry_point_that_leads_nowhere_is_kept_as_a_problem(install, tmp_path):
    install(make_distribution(tmp_path, "odd-plugin", {"odd": "no_such_module_of_ours"}, {}), "toy-backend")

    with pytest.raises(PluginLoadError, match="No module named 'no_such_module_of_ours'"):
        PluginRegistry({}).resolve("backend", "odd")


def test_partial_registration_is_rolled_back(install, tmp_path):
    # The first hook is well formed and the second is not; a second entry point finds nothing left over.
    source = HOOK + backends(manifest("half")) + "@hookimpl\ndef mellea_register_contexts(enrol): pass\n"
    points = {"half": "half_plugin", "second": "half_plugin"}
    install(make_distribution(tmp_path, "half-plugin", points, {"half_plugin": source}), "toy-backend")
    registry = PluginRegistry({})

    rows = {row.name: row.status for row in registry.listing("backend")}

    assert (rows["half"], rows["second"], rows["toy"]) == ("broken", "broken", "ok")
    with pytest.raises(PluginLoadError, match="failed at the stage 'register'"):
        registry.resolve("backend", "half")


def test_manifest_registered_before_the_hook_raises_is_not_kept(install, tmp_path):
    source = HOOK + backends(manifest("early")) + "    raise RuntimeError('after the first')\n"
    install(make_distribution(tmp_path, "late-plugin", {"late": "late_plugin"}, {"late_plugin": source}))

    rows = {row.name: row.status for row in PluginRegistry({}).listing("backend")}

    assert "early" not in rows
    assert rows["late"] == "broken"


def test_two_entry_points_of_one_manifest_module_are_no_collision(install, tmp_path):
    source = HOOK + backends(manifest("one", "('uno',)"), manifest("two"), manifest("three"))
    points = {"one": "pair_plugin", "two": "pair_plugin"}
    install(make_distribution(tmp_path, "pair-plugin", points, {"pair_plugin": source}))
    registry = PluginRegistry({})

    assert registry.resolve("backend", "uno").manifest.name == "one"
    assert registry.resolve("backend", "three").manifest.name == "three"
    assert [row.name for row in registry.listing("backend") if row.distribution == "pair-plugin"] == [
        "one",
        "three",
        "two",
    ]


def test_remains_of_an_interrupted_installation_take_nothing_down(install, tmp_path):
    remains = make_distribution(tmp_path, "rest", {"rest": "no_such_module_of_ours"}, {})
    (remains / "rest-1.0.dist-info" / "METADATA").unlink()
    install(remains, "toy-backend")

    rows = {row.name: row for row in PluginRegistry({}).listing("backend")}

    assert rows["toy"].status == "ok"
    assert (rows["rest"].distribution, rows["rest"].status) == ("unknown", "broken")


def test_factory_that_ends_the_process_is_an_error_of_the_plugin(install, tmp_path):
    source = HOOK + backends("BackendManifest(name='ending', summary='', factory='ending_backend:Ending')")
    modules = {"ending_plugin": source, "ending_backend": "import sys\nsys.exit(3)"}
    install(make_distribution(tmp_path, "ending-plugin", {"ending": "ending_plugin"}, modules))

    with pytest.raises(PluginLoadError, match="failed at the stage 'factory': SystemExit: 3"):
        start_session("ending")


def test_threads_that_resolve_one_name_at_once_all_get_it(install):
    install("toy-backend")
    registry = PluginRegistry({})

    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda _: registry.resolve("backend", "toy"), range(64)))

    assert len(set(found)) == 1
