"""The code on the pages runs, and their tables say what the code says."""

from __future__ import annotations

import importlib
import re
import runpy
import textwrap

import attrs
import pytest

from mellea.cli import main
from mellea.core import (
    Backend,
    Capability,
    ChatRequest,
    Chunk,
    Completion,
    CompletionRequest,
    Message,
    ModelOption,
    TemplateRepresentation,
    Usage,
    errors,
)
from mellea.core.options import CORE_OPTIONS
from mellea.plugins import BackendManifest
from mellea.plugins.registry import registry
from mellea.testing import Fault
from tests.docs.conftest import SAMPLES
from tests.docs.pages import DOCS, EXAMPLES, ROOT, blocks, code, listings, run, table, tree

PAGES = sorted(
    page.relative_to(DOCS).as_posix() for page in DOCS.rglob("*.md") if not page.is_relative_to(EXAMPLES)
)
REAL = ("backends.md", "getting-started.md", "local-models.md", "tutorial.md")
ELSEWHERE = ("write-a-backend.md",)  # with the package that the page makes, in tests/plugins
WITH_STAND_INS = [name for name in PAGES if name not in (*REAL, *ELSEWHERE)]
LOCAL_SERVER = "http://127.0.0.1:8080/v1"


@pytest.mark.filterwarnings("ignore::mellea.core.RequirementsNotMetWarning")  # stand-ins know no better
@pytest.mark.parametrize("name", WITH_STAND_INS)
def test_code_of_page_runs_in_order(name, stand_ins, sample_plugins, tmp_path):
    page = DOCS / name

    assert run(page, {'"runs.db"': repr(str(tmp_path / "runs.db"))}) == page.read_text().count("```python\n")


@pytest.mark.filterwarnings("ignore::mellea.core.RequirementsNotMetWarning")  # the model is a small one
def test_readme_runs_in_order_on_the_embedded_model(
    no_settings, embedded_model, llama_server, monkeypatch, capsys
):
    monkeypatch.setenv("MELLEA_BACKEND", "hf")
    readme = ROOT / "README.md"

    assert run(readme, {LOCAL_SERVER: llama_server.base_url}) == readme.read_text().count("```python")
    printed = capsys.readouterr().out
    assert "✓ Under 50 words" in printed
    assert {"positive", "negative"} & set(printed.splitlines())
    told = re.findall(r"# prints: (.*)$", readme.read_text(), re.MULTILINE)
    assert told
    assert [line for line in told if line not in [one.rstrip() for one in printed.splitlines()]] == []


def test_getting_started_runs_on_the_embedded_model(no_settings, embedded_model, llama_server, capsys):
    run(DOCS / "getting-started.md", {LOCAL_SERVER: llama_server.base_url})

    printed = capsys.readouterr().out
    assert printed.count("Paris") >= 2
    assert "\n34\n" in printed


def test_tutorial_runs_on_the_embedded_model(no_settings, embedded_model, capsys):
    run(DOCS / "tutorial.md")

    printed = capsys.readouterr().out
    assert "Olivia 35" in printed
    assert "it has 3 sentence marks" in printed
    assert "← chosen" in printed


def test_backends_page_runs_on_the_real_parts(
    no_settings, embedded_model, llama_server, ollama_server, monkeypatch, capsys
):
    ollama_server.reset()
    ollama_server.models["granite4.1:3b"] = ("completion",)
    monkeypatch.setenv("OLLAMA_HOST", ollama_server.base_url)

    run(DOCS / "backends.md", {LOCAL_SERVER: llama_server.base_url})

    answers = [line for line in capsys.readouterr().out.splitlines() if line]
    assert answers[0] == "The capital of France is Paris."
    assert len(answers) >= 4
    assert len(ollama_server.sent("/api/chat")) == 1
    ollama_server.reset()


def test_page_on_local_models_runs_on_the_embedded_model(no_settings, embedded_model, capsys):
    run(DOCS / "local-models.md")

    lines = [line for line in capsys.readouterr().out.splitlines() if line]
    assert lines[:2] == ["3 answers", "True True True"]
    assert lines[2].endswith("True True")
    assert lines[3] == "True 49152"
    assert lines[4:7:2] == ["['polite']", "True 0 True"]
    assert "too few answers to learn from: 1 accepted answer in 1 call. It takes 20" in lines[5]


def test_every_page_is_in_the_navigation():
    navigation = (ROOT / "mkdocs.yml").read_text().partition("theme:")[0]

    assert sorted(re.findall(r"[\w/.-]+\.md", navigation)) == PAGES


# Tables


def test_capability_table_is_generated_from_the_manifests(no_settings):
    """Where it is not, write it again: python docs/capability_table.py."""
    page = (DOCS / "backends.md").read_text()
    generated = runpy.run_path(str(DOCS / "capability_table.py"))["with_table"]

    assert generated(page) == page
    assert generated("| capability |\n") in page


@pytest.mark.parametrize(
    ("column", "module", "backend", "arguments"),
    [
        (1, "mellea_hf.backend", "LocalHFBackend", None),
        (2, "mellea_ollama.backend", "OllamaModelBackend", None),
        (3, "mellea_openai.backend", "OpenAIBackend", {"model_id": "m", "base_url": LOCAL_SERVER}),
        (4, "mellea_litellm.backend", "LiteLLMBackend", {"model_id": "ollama_chat/m"}),
    ],
)
def test_option_table_is_what_the_backend_translates(column, module, backend, arguments):
    made = getattr(importlib.import_module(module), backend)
    names = (made if arguments is None else made(**arguments)).options.names

    rows = {
        getattr(ModelOption, row[0].strip("`")): row[column] for row in table(DOCS / "backends.md", "option")
    }

    assert {option for option, cell in rows.items() if cell} == set(names)
    plain = {option: name for option, name in names.items() if isinstance(name, str)}
    assert {option: name for option, name in plain.items() if f"`{name}`" not in rows[option]} == {}


def test_model_options_are_all_explained():
    rows = table(DOCS / "sessions.md", "option")

    explained = {name for row in rows for name in re.findall(r"`(\w+)`", row[0])}
    assert explained == {name for name in vars(ModelOption) if name.isupper()}


def test_error_tree_is_the_one_in_the_code():
    drawn = tree(next(blocks(DOCS / "errors.md", "text")).text)

    classes = {name: getattr(errors, name) for name in errors.__all__ if name[0].isupper()}
    assert drawn == {name: tuple(base.__name__ for base in cls.__bases__) for name, cls in classes.items()}
    assert textwrap.indent(next(blocks(DOCS / "errors.md", "text")).text, "    ") in errors.__doc__


def test_every_error_has_its_remedy_on_the_page():
    explained = {row[0].strip("`") for row in table(DOCS / "errors.md", "error")}

    families = {"MelleaError", "ModelError", "ProviderError", "PluginError"}
    assert explained == {name for name in errors.__all__ if name[0].isupper()} - families


def test_every_environment_variable_is_explained():
    sources = "\n".join(path.read_text() for path in ROOT.glob("mellea-*/src/**/*.py"))
    used = {name for name in re.findall(r"\bMELLEA_[A-Z_]+", sources) if not name.endswith("_")}

    explained = {row[0].strip("`") for row in table(DOCS / "plugins.md", "variable")}

    constants = {"MELLEA_FINALIZER_TOOL"}
    assert explained == (used - constants) | {"MELLEA_BACKEND_<NAME>", "MELLEA_CONTEXT_<NAME>"}


def test_manifest_fields_are_all_explained():
    explained = {row[0].strip("`") for row in table(DOCS / "plugins.md", "field")}

    assert explained == {field.name for field in attrs.fields(BackendManifest)}


def test_capabilities_are_all_named_for_authors():
    text = (DOCS / "plugins.md").read_text()

    assert {name for name in Capability.__members__ if f"`{name}`" not in text} == set()


def test_command_line_page_names_every_command_and_option(capsys):
    main(["--help"])
    commands = set(re.findall(r"^ {4}([\w-]+)\b", capsys.readouterr().out, re.MULTILINE)) - {"COMMAND"}
    main(["run", "--help"])
    options = set(re.findall(r"--[a-z-]+", capsys.readouterr().out)) - {"--help"}

    assert {row[0].strip("`").split()[0] for row in table(DOCS / "cli.md", "command")} == commands
    assert (
        set(re.findall(r"--[a-z-]+", " ".join(row[0] for row in table(DOCS / "cli.md", "option")))) == options
    )


@pytest.mark.parametrize(
    "package",
    [
        "mellea",
        "mellea.core",
        "mellea.decompose",
        "mellea.evaluation",
        "mellea.improving",
        "mellea.plugins",
        "mellea.stdlib.components",
        "mellea.stdlib.context",
        "mellea.stdlib.frameworks",
        "mellea.stdlib.requirements",
        "mellea.stdlib.sampling",
        "mellea.stdlib.streaming",
        "mellea.testing",
    ],
)
def test_reference_has_every_public_name(package):
    text = (DOCS / "reference.md").read_text()
    shown_whole = re.findall(
        r"^::: (mellea[\w.]*\.[a-z_]+)\n +options: { show_root_heading: false", text, re.MULTILINE
    )
    there = {name for module in shown_whole for name in importlib.import_module(module).__all__}
    elsewhere = {"__version__", "mfuncs", "model_ids"}

    public = set(importlib.import_module(package).__all__) - elsewhere - there

    assert {name for name in public if not re.search(rf"[.`]{name}\b", text)} == set()


def test_strategies_are_all_explained(no_settings):
    known = {row.name for row in registry().listing("strategy") if row.distribution.startswith("mellea-")}

    text = (DOCS / "sampling.md").read_text()

    assert {name for name in known if f"`{name}`" not in text} == set()


def test_library_of_requirements_is_all_explained():
    library = {
        name
        for module in ("text", "structure", "tool_reqs")
        for name in _public(f"mellea.stdlib.requirements.{module}")
    }

    explained = {
        name
        for row in table(DOCS / "requirements.md", "requirement")
        for name in re.findall(r"`(\w+)", " ".join(row))
    }

    assert library - explained == set()


def test_events_of_a_stream_are_all_explained():
    explained = {row[0].strip("`") for row in table(DOCS / "streaming-with-checks.md", "event")}

    assert explained == _public("mellea.stdlib.streaming.events") - {"StreamEvent"}


def test_events_of_an_agent_are_all_explained():
    explained = {row[0].strip("`") for row in table(DOCS / "agents.md", "event")}

    assert explained == _public("mellea.stdlib.frameworks.events") - {"AgentEvent"}


def test_faults_are_all_explained():
    explained = {
        name for row in table(DOCS / "seeing-it.md", "fault") for name in re.findall(r"Fault\.(\w+)", row[0])
    }

    assert explained == {name for name in vars(Fault) if not name.startswith("_")}


def _public(module: str) -> set[str]:
    return set(importlib.import_module(module).__all__)


# What the pages show of files


@pytest.mark.parametrize("page", [*DOCS.rglob("*.md"), *ROOT.glob("*.md")], ids=lambda page: page.name)
def test_code_is_narrow_enough_for_the_site(page):
    assert [line for line in code(page) if len(line) > 88] == []


def test_getting_started_lists_every_example():
    listed = {
        name
        for row in table(DOCS / "getting-started.md", "file")
        for name in re.findall(r"`(\w+\.py)`", row[0])
    }

    assert listed == {path.name for path in EXAMPLES.glob("*.py")}


@pytest.mark.parametrize("path", [SAMPLES / "toy-backend/src/toy/backend.py", EXAMPLES / "toy_backend.py"])
def test_toy_backend_is_one_file_under_60_lines_of_code(path):
    assert sum(bool(line.strip()) for line in path.read_text().splitlines()) < 60


@pytest.mark.parametrize("title", listings(DOCS / "plugins.md"))
def test_listing_on_the_plugin_page_is_the_file(title):
    assert listings(DOCS / "plugins.md")[title] == (SAMPLES / title).read_text()


@pytest.mark.parametrize("package", ["toy-backend", "ndjson-backend"])
def test_plugin_page_shows_every_file_of_a_package(package):
    files = [path for path in (SAMPLES / package).rglob("*.py") if path.name != "__init__.py"]
    files.append(SAMPLES / package / "pyproject.toml")

    assert {str(path.relative_to(SAMPLES)) for path in files} <= listings(DOCS / "plugins.md").keys()


@pytest.mark.parametrize("cls", [ChatRequest, CompletionRequest, Message, Chunk, Completion, Usage])
def test_fields_of_requests_and_answers_are_all_explained(cls):
    explained = {row[0].strip("`") for row in table(DOCS / "plugins.md", cls.__name__)}

    assert explained == {field.name for field in attrs.fields(cls) if not field.name.startswith("_")}


def test_fields_of_a_representation_are_all_explained():
    rows = table(DOCS / "own-components.md", "TemplateRepresentation")
    explained = {name for row in rows for name in re.findall(r"`(\w+)`", row[0])}

    assert explained == {field.name for field in attrs.fields(TemplateRepresentation)}


def test_parts_of_a_backend_are_all_explained():
    attributes = table(DOCS / "plugins.md", "attribute")
    explained = {name for row in attributes for name in re.findall(r"`(\w+)`", row[0])}
    explained |= {row[0].strip("`").partition("(")[0] for row in table(DOCS / "plugins.md", "method")}

    calling = {"generate_from_context", "generate_from_raw", "embed", "close"}
    for_the_core = {"origin", "promised", "described", "reported_options"}
    assert explained == {name for name in dir(Backend) if name[0] != "_"} - calling - for_the_core


def test_options_that_a_backend_may_see_are_all_explained():
    rows = table(DOCS / "plugins.md", "common option")
    explained = {getattr(ModelOption, name) for row in rows for name in re.findall(r"`(\w+)`", row[0])}

    known = {value for name, value in vars(ModelOption).items() if name.isupper()}
    assert explained == known - CORE_OPTIONS
