"""Adapters as values: their folders, the registry of a backend, and the request that names one."""

import json

import pytest

from mellea import MelleaSession
from mellea.core import (
    Adapter,
    Backend,
    CapabilityError,
    ChatRequest,
    Message,
    ModelOption,
    UsageError,
)
from mellea.core.request_key import chat_request
from mellea.testing import ScriptedBackend
from tests.adapted import Adapted

SCHEMA = {"type": "object", "properties": {"score": {"type": "number"}}, "required": ["score"]}


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "tone"
    path.mkdir()
    (path / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": "org/base"}))
    (path / "adapter_model.safetensors").write_bytes(b"")
    return path


def asking(backend, **options):
    return MelleaSession(backend).instruct("Hi.", strategy=None, model_options=options)


def test_adapter_is_what_its_folder_says(folder):
    saved = Adapter("judge", folder, "org/base", "Is {{ what }}?", SCHEMA, "<judge>", {"loss": 0.5}).save()

    assert Adapter.read(folder) == saved
    assert Adapter.read(str(folder)).notes == {"loss": 0.5}


def test_folder_that_peft_alone_has_written_is_an_adapter_of_its_name(folder):
    assert Adapter.read(folder) == Adapter("tone", folder, "org/base")


@pytest.mark.parametrize(
    ("manifest", "why"),
    [
        ("{", "cannot be read"),
        ("[]", "holds no object"),
        ('{"name": ""}', "its name is ''"),
        ('{"prompt": 3}', "prompt is no text but 3"),
        ('{"schema": "text"}', "schema is no object"),
        ('{"promt": "Hi"}', "it says promt, which nothing reads"),
    ],
)
def test_manifest_that_makes_no_sense_is_refused(folder, manifest, why):
    (folder / "mellea-adapter.json").write_text(manifest)
    with pytest.raises(UsageError, match=why):
        Adapter.read(folder)


def test_folder_without_weights_is_refused(folder):
    (folder / "adapter_model.safetensors").unlink()
    with pytest.raises(UsageError, match=r"has no adapter_model\.safetensors"):
        Adapter.read(folder)


def test_prompt_is_the_template_with_its_arguments():
    assert Adapter("a", prompt="Is {{ it }} so?").prompt_for({"it": "this"}) == "Is this so?"
    assert Adapter("a").prompt_for({"it": "this"}) == "<a>\nit: this"


def test_request_carries_the_adapter():
    backend = Adapted("x")
    backend.add_adapter(Adapter("check-it"))

    asking(backend, **{ModelOption.ADAPTER: "check_it"})
    asking(backend, **{ModelOption.ADAPTER: None})

    assert [request.adapter for request in backend.requests] == ["check-it", None]


def test_adapter_tells_requests_apart():
    one = ChatRequest("m", (Message("user", "Hi."),))
    other = ChatRequest("m", one.messages, adapter="a")

    assert chat_request(one) != chat_request(other)
    assert other.with_messages(()).adapter == "a"


@pytest.mark.parametrize("name", ["other", "", 3])
def test_adapter_that_is_not_there_is_refused_before_anything_is_sent(name):
    backend = Adapted("x")
    with pytest.raises(UsageError, match="[Nn]othing was sent"):
        asking(backend, **{ModelOption.ADAPTER: name})
    assert not backend.requests


def test_backend_that_takes_no_adapters_says_so():
    backend = ScriptedBackend("x")
    with pytest.raises(CapabilityError, match="does not declare 'adapters', and ADAPTER asks for 'tone'"):
        asking(backend, **{ModelOption.ADAPTER: "tone"})
    assert not backend.requests


def test_same_adapter_may_be_taken_in_again_and_no_other_of_its_name(folder):
    backend = Adapted()

    assert backend.add_adapter(folder) == backend.add_adapter(folder)
    with pytest.raises(UsageError, match="There is an adapter 'tone' already"):
        backend.add_adapter(Adapter("tone"))
    assert backend.list_adapters() == ["tone"]


def test_adapter_that_cannot_be_loaded_is_not_there():
    backend = Adapted()
    with pytest.raises(UsageError, match="another model"):
        backend.add_adapter(Adapter("tone", base_model="org/other"))
    assert backend.list_adapters() == []


def test_removed_adapter_is_freed_and_its_name_is_free():
    backend = Adapted()
    backend.add_adapter(Adapter("tone"))

    backend.remove_adapter("tone")
    backend.add_adapter(Adapter("tone", prompt="Another one."))

    assert (backend.freed, backend.list_adapters()) == (["tone"], ["tone"])
    assert isinstance(backend, Backend)


async def test_judges_are_asked_without_the_adapter_of_the_answer():
    backend = Adapted(["An answer.", "yes"])
    await backend.aadd_adapter(Adapter("tone"))
    options = {ModelOption.ADAPTER: "tone"}

    await MelleaSession(backend, model_options=options).ainstruct("Hi.", requirements=["It is short."])

    assert [request.adapter for request in backend.requests] == ["tone", None]
