"""Adapters that a server has: how a request names one, and which servers are refused."""

import json

import pytest

from mellea import MelleaSession
from mellea.backends.openai import OpenAIBackend
from mellea.core import Adapter, ModelOption, UsageError
from tests.servers.faults import Reply, completion

LLAMA = Reply({"data": [{"id": "m", "owned_by": "llamacpp"}]})
LORAS = Reply([json.dumps([{"id": 0, "path": "/x/bark.gguf"}, {"id": 1, "path": "moss.gguf"}])])
VLLM = Reply({"data": [{"id": "m", "owned_by": "vllm"}, {"id": "moss", "parent": "m"}]})
SAID = Reply(completion("hello"))


@pytest.fixture
def backend(faults):
    with OpenAIBackend("m", base_url=faults.base_url, api_key="k", max_retries=0) as backend:
        yield backend


def asked(faults, backend):
    """Return the requests of a call with the adapter, and of one without."""
    backend.add_adapter(Adapter("moss"))
    m = MelleaSession(backend)
    m.chat("Hi.", model_options={ModelOption.ADAPTER: "moss"})
    m.chat("Hi.")
    return faults.requests[-2:]


def test_server_of_llama_cpp_is_told_the_scales(faults, backend):
    faults.answers(LLAMA, LORAS, SAID)

    with_it, without = asked(faults, backend)

    assert (with_it["model"], with_it["lora"]) == ("m", [{"id": 1, "scale": 1.0}])
    assert without["lora"] == [{"id": 0, "scale": 0.0}, {"id": 1, "scale": 0.0}]


def test_vllm_is_told_the_name_as_the_models(faults, backend):
    faults.answers(VLLM, VLLM, SAID)

    with_it, without = asked(faults, backend)

    assert [with_it["model"], without["model"]] == ["moss", "m"]
    assert "lora" not in with_it | without


@pytest.mark.parametrize(
    ("replies", "why"),
    [
        ((LLAMA, LORAS), "has no adapter 'oak'; it has: bark, moss"),
        ((LLAMA, Reply(status=404)), "has no adapter 'oak'; it has: none"),
        ((VLLM, VLLM), "has no adapter 'oak'; it has: moss"),
        ((Reply({"data": [{"id": "m", "owned_by": "library"}]}),), "is not known to have adapters"),
        ((Reply(status=404),), "is not known to have adapters"),
    ],
)
def test_adapter_that_the_server_does_not_have_is_refused(faults, backend, replies, why):
    faults.answers(*replies)

    with pytest.raises(UsageError, match=why):
        backend.add_adapter(Adapter("oak"))
    with pytest.raises(UsageError, match="There is no adapter 'oak'"):
        MelleaSession(backend).chat("Hi.", model_options={ModelOption.ADAPTER: "oak"})
    assert len(faults.requests) == len(replies)


def test_openai_itself_has_none_and_is_not_asked():
    with pytest.raises(UsageError, match="is not known to have adapters"):
        OpenAIBackend("gpt-5.1", base_url="https://api.openai.com/v1", api_key="k").add_adapter(
            Adapter("moss")
        )
