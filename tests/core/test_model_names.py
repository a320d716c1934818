import pytest

from mellea.backends import model_ids
from mellea.core import Backend, ModelIdentifier, UsageError
from mellea.core.model_catalog import find_model
from mellea.core.model_names import model_name


def test_hub_id_is_understood_by_ollama():
    assert (
        model_name("ibm-granite/granite-3.2-8b-instruct", "ollama_name", backend="ollama") == "granite3.2:8b"
    )


def test_ollama_name_is_understood_by_transformers():
    assert model_name("granite4.1:3b", "hf_model_name", backend="hf") == "ibm-granite/granite-4.1-3b"


def test_name_in_no_catalogue_stays():
    assert model_name("my-model", "ollama_name", backend="ollama") == "my-model"


def test_servers_own_names_are_not_translated():
    assert model_name("granite4.1:3b", "openai_name", backend="openai") == "granite4.1:3b"


def test_identifier_gives_the_name_of_its_kind():
    assert model_name(model_ids.IBM_GRANITE_4_1_3B, "ollama_name", backend="ollama") == "granite4.1:3b"


def test_identifier_falls_back_where_that_is_sensible():
    name = model_name(model_ids.QWEN3_8B, "openai_name", backend="openai", fallback="hf_model_name")
    assert name == "Qwen/Qwen3-8B"


def test_identifier_without_such_a_name_is_refused():
    with pytest.raises(UsageError, match="has no ollama_name"):
        model_name(model_ids.OPENAI_GPT_5_1, "ollama_name", backend="ollama")


@pytest.mark.parametrize("model_id", ["", "  ", 5, None])
def test_what_is_no_name_is_refused(model_id):
    with pytest.raises(UsageError) as caught:
        model_name(model_id, "ollama_name", backend="ollama")
    assert caught.value.backend == "ollama"


def test_model_is_found_under_each_of_its_names():
    assert all(find_model(name) is model_ids.QWEN3_8B for name in model_ids.QWEN3_8B.names())
    assert find_model("unknown") is None


def test_no_two_models_share_a_name():
    models = [
        value
        for name, value in vars(model_ids).items()
        if isinstance(value, ModelIdentifier) and not name.endswith("_no_ollama")
    ]
    names = [name for model in models for name in set(model.names())]
    assert len(names) == len(set(names))


def test_catalogue_is_public():
    constants = {name for name, value in vars(model_ids).items() if isinstance(value, ModelIdentifier)}
    assert constants | {"ModelIdentifier", "find_model"} == set(model_ids.__all__)


def test_backend_made_with_an_identifier_has_a_readable_name():
    assert Backend(model_ids.QWEN3_8B).model_id == "Qwen/Qwen3-8B"
