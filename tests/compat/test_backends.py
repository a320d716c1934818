"""Backends as programs of the 0.8 line make and print them."""

import pytest

from mellea import model_ids
from mellea.backends.litellm import LiteLLMBackend
from mellea.backends.openai import OpenAIBackend

MADE = [OpenAIBackend, LiteLLMBackend]


@pytest.mark.parametrize("backend", MADE)
@pytest.mark.parametrize("wrong", [None, 3, b"x"])
def test_model_id_of_a_wrong_type_is_a_type_error(backend, wrong):
    with pytest.raises(TypeError):
        backend(model_id=wrong, base_url="http://127.0.0.1:9/v1")


@pytest.mark.parametrize("backend", MADE)
@pytest.mark.parametrize("wrong", ["", "  ", model_ids.ModelIdentifier(mlx_name="x")])
def test_model_id_that_names_nothing_is_a_value_error(backend, wrong):
    with pytest.raises(ValueError, match=r".+"):
        backend(model_id=wrong, base_url="http://127.0.0.1:9/v1")


def test_backend_shows_model_and_address_and_no_key(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    shown = repr(OpenAIBackend("gpt-5.1", api_key="sk-secret"))
    assert shown == "OpenAIBackend(model_id='gpt-5.1', base_url=None, api_key='***')"
    assert repr(OpenAIBackend("m", base_url="http://127.0.0.1:9/v1")).endswith(
        "base_url='http://127.0.0.1:9/v1')"
    )
    assert "sk-secret" not in repr(
        LiteLLMBackend("openai/x", api_key="sk-secret", base_url="http://127.0.0.1:9/v1")
    )
    assert "base_url=None" in repr(LiteLLMBackend("openai/x"))


def test_what_only_adapters_could_do_is_named():
    options = {"base_url": "http://127.0.0.1:9/v1", "default_to_constraint_checking_alora": False}
    assert OpenAIBackend("m", **options)
    with pytest.raises(ValueError, match="load_embedded_adapters"):
        OpenAIBackend("m", load_embedded_adapters=True, **options)


@pytest.mark.parametrize("name", sorted(name for name in model_ids.__all__ if name.isupper() or "_" in name))
def test_every_constant_names_a_model(name):
    model = getattr(model_ids, name)
    assert name == "find_model" or model.names()


@pytest.mark.parametrize(
    ("name", "hf", "ollama", "tokens"),
    [
        ("IBM_GRANITE_4_2_3B", "ibm-granite/granite-4.2-3b", "granite4.2:3b", 131072),
        ("IBM_GRANITE_4_HYBRID_350m", "ibm-granite/granite-4.0-h-350m", "granite4:350m-h", 32768),
        (
            "META_LLAMA_4_SCOUT_17B_16E_INSTRUCT",
            "unsloth/Llama-4-Scout-17B-16E-Instruct",
            "llama4:scout",
            10485760,
        ),
        ("QWEN3_0_6B", "Qwen/Qwen3-0.6B", "qwen3:0.6b", 32768),
        ("NVIDIA_NEMOTRON_MINI_4B", "nvidia/Nemotron-Mini-4B-Instruct", "nemotron-mini:4b", 4096),
        ("HF_SMOLLM3_3B_no_ollama", "HuggingFaceTB/SmolLM3-3B", None, 65536),
    ],
)
def test_names_of_models(name, hf, ollama, tokens):
    model = getattr(model_ids, name)
    assert (model.hf_model_name, model.ollama_name, model.context_length) == (hf, ollama, tokens)
