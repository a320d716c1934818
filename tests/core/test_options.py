import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mellea.core import (
    ModelOption,
    OptionNotSupportedWarning,
    OptionTable,
    UnsupportedOptionError,
    UsageError,
)
from mellea.core.options import merge_options, translate_options

TABLE = OptionTable(
    {
        ModelOption.MAX_NEW_TOKENS: "max_tokens",
        ModelOption.SEED: "seed",
        ModelOption.THINKING: lambda value: {"think": bool(value), "effort": value},
    },
    {"max_tokens": ModelOption.MAX_NEW_TOKENS, "max_completion_tokens": ModelOption.MAX_NEW_TOKENS},
)
LAYERS = st.lists(st.dictionaries(st.sampled_from("abcd"), st.integers() | st.none()), max_size=4)


def translated(options, *, strict=False, reported=None):
    return translate_options(
        options, TABLE, backend="test", strict=strict, reported=set() if reported is None else reported
    )


@given(LAYERS)
def test_merging_lets_the_last_layer_that_has_a_key_win(layers):
    merged = merge_options(*layers)
    assert merged == {
        key: [layer[key] for layer in layers if key in layer][-1] for layer in layers for key in layer
    }


@given(LAYERS)
def test_merging_changes_no_layer(layers):
    before = [dict(layer) for layer in layers]
    merge_options(*layers)["new"] = 1
    assert layers == before


@given(LAYERS, LAYERS)
def test_merging_is_associative(first, second):
    assert merge_options(merge_options(*first), merge_options(*second)) == merge_options(*first, *second)


def test_missing_layers_are_nothing():
    assert merge_options(None, {"a": 1}, None) == {"a": 1}


def test_native_spellings_become_common_names():
    assert TABLE.canonical({"max_completion_tokens": 5, "top_k": 1}) == {
        ModelOption.MAX_NEW_TOKENS: 5,
        "top_k": 1,
    }


def test_common_name_wins_over_a_native_spelling():
    options = {ModelOption.MAX_NEW_TOKENS: 1, "max_tokens": 2}
    assert TABLE.canonical(options) == {ModelOption.MAX_NEW_TOKENS: 1}


@given(
    st.dictionaries(
        st.sampled_from(["max_tokens", ModelOption.MAX_NEW_TOKENS, "top_k", "seed"]), st.integers()
    )
)
def test_spelling_out_twice_changes_nothing(options):
    assert TABLE.canonical(TABLE.canonical(options)) == TABLE.canonical(options)


def test_options_that_are_no_mapping_are_refused():
    with pytest.raises(UsageError, match="mapping"):
        TABLE.canonical(["seed"])


def test_common_options_get_the_providers_names():
    assert translated({ModelOption.MAX_NEW_TOKENS: 5, ModelOption.SEED: 1}) == {"max_tokens": 5, "seed": 1}


def test_one_option_may_become_several():
    assert translated({ModelOption.THINKING: "high"}) == {"think": True, "effort": "high"}


@given(st.dictionaries(st.text(min_size=1).filter(lambda key: not key.startswith("@@@")), st.integers()))
def test_unknown_options_are_passed_on(options):
    expected = {key: value for key, value in options.items() if key not in {"temperature", "tool_choice"}}
    assert translated(expected) == expected


def test_options_of_the_core_are_not_passed_on():
    options = {
        ModelOption.SYSTEM_PROMPT: "x",
        ModelOption.STREAM: True,
        ModelOption.STREAM_TIMEOUT: 1,
        ModelOption.TOOLS: [],
    }
    assert translated(options, strict=True) == {}


def test_none_unsets_an_option():
    assert translated({ModelOption.SEED: None, ModelOption.LOGITS: None}, strict=True) == {}


def test_unsupported_options_are_reported_once_and_together():
    reported = set()
    with pytest.warns(
        OptionNotSupportedWarning, match=r"'test' cannot honour LOGITS, TEMPERATURE\. The call goes on"
    ) as caught:
        translated({ModelOption.LOGITS: True, ModelOption.TEMPERATURE: 0}, reported=reported)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        translated({ModelOption.LOGITS: True}, reported=reported)
    assert len(caught) == 1


def test_unsupported_option_is_an_error_in_strict_mode_every_time():
    reported = {"LOGITS"}
    with pytest.raises(UnsupportedOptionError, match=r"LOGITS.*choose another backend\.$") as caught:
        translated({ModelOption.LOGITS: True}, strict=True, reported=reported)
    assert caught.value.backend == "test"
