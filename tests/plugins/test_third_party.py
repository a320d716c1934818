"""A backend and a context type of somebody else, installed with pip and used by name."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from mellea import ModelOption, start_backend, start_session
from mellea.core import ModelNotFoundError, OptionNotSupportedWarning, UnknownPluginError
from mellea.plugins.factory import load_factory
from mellea.plugins.registry import PluginRegistry


@pytest.mark.parametrize(
    "name", ["toy", "parrot", "toy-backend:toy", "toy_backend:toy", "toy-backend:parrot"]
)
def test_backend_is_used_by_name_alias_or_distribution(install, name):
    install("toy-backend")

    with start_session(name) as m:
        answer = m.chat("one two three")

    assert answer.content == "one two three"
    assert m.backend.model_id == "parrot-1"


def test_backend_is_used_by_the_environment_variable(install, monkeypatch):
    install("toy-backend")
    monkeypatch.setenv("MELLEA_BACKEND", "toy")

    with start_session() as m:
        assert m.backend.provider == "toy"


@pytest.mark.parametrize("chosen", [{"ctx": "lasttwo"}, {"context_type": "lasttwo"}, {"ctx": "last-two"}])
def test_context_type_is_used_by_name(install, chosen):
    install("toy-backend", "lasttwo-context")

    with start_session("toy", **chosen) as m:
        answers = [m.chat(word).content for word in ("one", "two", "three")]

    assert answers == ["one", "one two", "two three"]


def test_backend_and_context_type_are_used_without_a_session(install):
    install("toy-backend", "lasttwo-context")

    context, backend = start_backend("toy", ctx="lasttwo")

    assert type(context).__name__ == "LastTwoContext"
    assert backend.provider == "toy"


def test_answer_streams_word_by_word(install):
    install("toy-backend")

    with start_session("toy") as m:
        output = m.stream_chat("one two three", model_options={"delay": 3600})
        first = next(iter(output))

    assert first == "one"
    assert output.cancelled


def test_streamed_answer_is_complete(install):
    install("toy-backend")

    with start_session("toy") as m:
        pieces = list(m.stream_chat("one two three"))

    assert "".join(pieces) == "one two three"


def test_common_option_reaches_the_provider_under_its_own_name(install):
    install("toy-backend")

    with start_session("toy") as m:
        output = m.act("one two three", model_options={ModelOption.MAX_NEW_TOKENS: 2})

    assert output.value == "one two"
    assert output.generation.finish_reasons == ("length",)
    assert output.generation.usage.completion_tokens == 2


def test_option_that_the_backend_cannot_honour_is_reported(install):
    install("toy-backend")

    with start_session("toy") as m, pytest.warns(OptionNotSupportedWarning, match="'toy' cannot honour SEED"):
        m.chat("one", model_options={ModelOption.SEED: 1})


def test_error_of_the_providers_library_becomes_ours_with_the_original_chained(install):
    install("toy-backend")

    with (
        start_session("toy", model_id="cockatoo") as m,
        pytest.raises(ModelNotFoundError, match=r"Its only model is parrot-1") as caught,
    ):
        m.chat("one")

    assert type(caught.value.__cause__).__name__ == "NoSuchParrotError"


def test_manifest_agrees_with_the_class(install):
    install("toy-backend")

    registration = PluginRegistry({}).resolve("backend", "toy")

    assert load_factory(registration).capabilities == registration.manifest.capabilities


def test_plugin_installed_after_the_first_look_is_found(install, samples, tmp_path: Path):
    install(tmp_path)
    with pytest.raises(UnknownPluginError):
        start_session("toy")

    shutil.copytree(samples.path("toy-backend"), tmp_path, dirs_exist_ok=True)

    with start_session("toy") as m:
        assert m.chat("one").content == "one"


def test_installed_core_and_toy_work_without_anything_else(samples):
    program = (
        "from mellea import start_session\n"
        "with start_session('toy', ctx='chat') as m: print(m.chat('one'), m.chat('two'))"
    )

    done = samples.python("-c", program, names=("toy-backend",))

    assert (done.stdout, done.stderr) == ("one one two\n", "")
