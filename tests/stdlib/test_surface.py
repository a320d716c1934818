import importlib
import inspect
import pkgutil
import subprocess
import sys
import types

import pytest

import mellea

PACKAGES = [
    "mellea",
    "mellea.backends",
    "mellea.core",
    "mellea.core.base",
    "mellea.decompose",
    "mellea.evaluation",
    "mellea.formatters",
    "mellea.improving",
    "mellea.plugins",
    "mellea.serve",
    "mellea.stdlib.components",
    "mellea.stdlib.components.docs",
    "mellea.stdlib.context",
    "mellea.testing",
]
MODULES = [
    name
    for package in (
        "mellea.core",
        "mellea.stdlib",
        "mellea.plugins",
        "mellea.evaluation",
        "mellea.improving",
        "mellea.serve",
        "mellea.decompose",
    )
    for _, name, _ in pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}.")
    if name != "mellea.stdlib.components.genslot"  # a former name, which warns when it is imported
]

SHARED = {  # with one other module of the same package each
    "mellea.core.chat_completions": {"malformed"},
    "mellea.plugins.discovery": {"load", "normalise", "registrations_of"},
    "mellea.stdlib.context.plugin": {"mellea_register_contexts"},
}

PUBLIC = {
    "mellea": "MelleaSession start_backend start_session",
    "mellea.backends": "Backend ModelOption model_ids",
    "mellea.backends.model_ids": "IBM_GRANITE_4_1_3B IBM_GRANITE_4_1_8B ModelIdentifier",
    "mellea.backends.model_options": "ModelOption",
    "mellea.core": (
        "AudioBlock AudioUrlBlock Backend CBlock Component ComponentParseError ComputedModelOutputThunk "
        "Context GenerateLog GenerateType ImageBlock ImageUrlBlock ModelOutputThunk ModelToolCall "
        "RawProviderResponse Span TemplateRepresentation blockify get_audio_from_component "
        "make_image_block"
    ),
    "mellea.core.backend": "Backend BaseModelSubclass generate_walk",
    "mellea.core.base": (
        "AudioBlock AudioUrlBlock C CBlock Component ComputedModelOutputThunk Context GenerateLog "
        "GenerateType GenerationMetadata ImageBlock ImageUrlBlock ModelOutputThunk ModelToolCall "
        "TemplateRepresentation"
    ),
    "mellea.formatters": "TemplateFormatter",
    "mellea.formatters.chat_formatter": "ChatFormatter",
    "mellea.formatters.template_formatter": "TemplateFormatter",
    "mellea.stdlib.components": (
        "AudioBlock AudioUrlBlock Document ImageBlock ImageUrlBlock Instruction Message ModelOutputThunk"
    ),
    "mellea.stdlib.components.chat": "Message as_chat_history as_generic_chat_history",
    "mellea.stdlib.components.docs.document": "Document",
    "mellea.stdlib.components.instruction": "Instruction",
    "mellea.stdlib.components.simple": "SimpleComponent",
    "mellea.stdlib.context": (
        "ChatContext Compactor Context InlineCompactor LLMSummarizeCompactor PinPredicate SimpleContext "
        "ThresholdCompactor WindowCompactor pin_nothing pin_system pin_system_and_initial_user"
    ),
    "mellea.stdlib.functional": "aact chat",
    "mellea.stdlib.session": "MelleaSession start_session",
}


def public_names(module):
    """Return the names that a reader may take for public: not underscored, and no module."""
    return {
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and not isinstance(value, types.ModuleType)
        and name not in {"TYPE_CHECKING", "annotations"}
    }


@pytest.mark.parametrize("name", PACKAGES)
def test_all_is_what_a_package_shows(name):
    module = importlib.import_module(name)
    for public in module.__all__:
        getattr(module, public)
    hidden = {"lazy_names", "names_of_old", "Any", "Callable", "TypeVar", "map"}
    assert public_names(module) - hidden <= set(module.__all__)
    assert len(module.__all__) == len(set(module.__all__))


@pytest.mark.parametrize("name", MODULES)
def test_all_of_a_module_names_everything_that_it_defines_for_others(name):
    module = importlib.import_module(name)
    defined = {
        key
        for key, value in vars(module).items()
        if not key.startswith("_")
        and (inspect.isclass(value) or inspect.isfunction(value))
        and getattr(value, "__module__", None) == name
    }
    undeclared = defined - set(getattr(module, "__all__", ()))
    assert undeclared <= SHARED.get(name, set())


@pytest.mark.parametrize(
    ("path", "name"), [(path, name) for path, names in PUBLIC.items() for name in names.split()]
)
def test_names_of_the_reference_are_importable_from_their_paths(path, name):
    assert getattr(importlib.import_module(path), name) is not None


def test_lazy_names_are_the_ones_listed():
    assert set(dir(mellea)) == set(mellea.__all__) - {"__version__"} | {"map"}
    with pytest.raises(AttributeError, match="has no attribute 'nonsense'"):
        _ = mellea.nonsense


def test_star_import_leaves_the_builtin_alone():
    names = {}
    exec("from mellea import *", names)
    assert "map" not in names
    assert callable(mellea.map)


def test_functional_verbs_are_a_module_of_the_package():
    assert mellea.mfuncs is importlib.import_module("mellea.stdlib.functional")
    assert mellea.model_ids is importlib.import_module("mellea.backends.model_ids")


def loaded_by(statement):
    """Return the modules that a fresh interpreter has after a statement."""
    program = f"import sys\n{statement}\nprint(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    return set(done.stdout.split())


HEAVY = {"pydantic", "jinja2", "openai", "ollama", "litellm", "torch", "transformers", "PIL", "httpx"}


def test_importing_the_package_loads_nothing_heavy():
    assert not loaded_by("import mellea") & (HEAVY | {"asyncio", "pluggy", "attr", "attrs"})


def test_importing_a_session_loads_nothing_heavy():
    assert not loaded_by("from mellea import start_session") & (HEAVY | {"pluggy"})


def test_a_whole_offline_chat_loads_no_template_engine_and_no_schemas():
    statement = (
        "from mellea import MelleaSession\nfrom mellea.testing import ScriptedBackend\n"
        "MelleaSession(ScriptedBackend('x')).chat('hi')"
    )
    assert not loaded_by(statement) & (HEAVY | {"pluggy", "mellea.core.hook_payloads"})


def test_manifest_of_the_contexts_loads_no_context():
    assert "mellea.stdlib.session" not in loaded_by("import mellea.stdlib.context.plugin")


@pytest.mark.parametrize(
    ("module", "name", "package", "extra"),
    [
        ("ollama", "OllamaModelBackend", "mellea_ollama", "ollama"),
        ("openai", "OpenAIBackend", "mellea_openai", "openai"),
        ("huggingface", "LocalHFBackend", "mellea_hf", "hf"),
        ("litellm", "LiteLLMBackend", "mellea_litellm", "litellm"),
    ],
)
def test_backend_that_is_not_installed_names_the_command_that_installs_it(module, name, package, extra):
    program = (
        f"import sys\nsys.modules[{package!r}] = None\n"
        f"try:\n    from mellea.backends.{module} import {name}\n"
        "except ImportError as error:\n    print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip().endswith(f'pip install "mellea-core[{extra}]"')
