import copy
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
from mellea.core.options import UnknownOptionWarning, merge_nested, merge_options, translate_options

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


@pytest.mark.filterwarnings("ignore::mellea.core.UnknownOptionWarning")
@given(st.dictionaries(st.text(min_size=1).filter(lambda key: not key.startswith("@@@")), st.integers()))
def test_unknown_options_are_passed_on(options):
    known = {"temperature", "tool_choice", "n", "best_of"}
    expected = {key: value for key, value in options.items() if key not in known}
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


# Values that say nothing, and names that nobody knows


@pytest.mark.parametrize(
    "options",
    [
        {"max_tokens": 0},
        {ModelOption.MAX_NEW_TOKENS: 0},
        {ModelOption.MAX_NEW_TOKENS: False},
        {ModelOption.STOP_SEQUENCES: ""},
        {ModelOption.STOP_SEQUENCES: ["a", ""]},
        {ModelOption.STOP_SEQUENCES: [1]},
        {ModelOption.STOP_SEQUENCES: 7},
    ],
)
def test_no_tokens_and_empty_stops_are_refused(options):
    with pytest.raises(UsageError, match="nothing was sent"):
        translated(TABLE.canonical(options))


@pytest.mark.parametrize("stops", ["a", ["a"], ("a", "b"), [], None])
def test_stops_of_text_are_taken(stops):
    options = {ModelOption.STOP_SEQUENCES: stops}
    native = translate_options(options, KNOWING, backend="b", strict=False, reported=set())

    assert native.get("stop") == stops


KNOWING = OptionTable(
    {ModelOption.TEMPERATURE: "temperature", ModelOption.STOP_SEQUENCES: "stop"},
    {"num_ctx": ModelOption.CONTEXT_WINDOW, "stop": ModelOption.STOP_SEQUENCES},
    native=frozenset({"min_p", "top_k"}),
)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("num_contex", "'num_ctx'"),
        ("tempreature", "'temperature'"),
        ("TEMPERATURE", "'temperature'"),
        ("stops", "'stop'"),
        ("stream_time_out", "ModelOption.STREAM_TIMEOUT"),
        ("Top_K", "'top_k'"),
    ],
)
def test_name_that_is_nearly_a_known_one_is_reported_once_and_passed_on(name, meant):
    reported = set()

    with pytest.warns(UnknownOptionWarning, match=meant) as caught:
        sent = translate_options({name: 1}, KNOWING, backend="b", strict=False, reported=reported)
    translate_options({name: 1}, KNOWING, backend="b", strict=False, reported=reported)

    assert sent == {name: 1}
    assert len(caught) == 1


@pytest.mark.parametrize("name", ["min_p", "top_k", "min_k", "top_a", "n", "keep_alive", "brand_new_option"])
def test_other_names_pass_in_silence(name):
    assert translate_options({name: 1}, KNOWING, backend="b", strict=True, reported=set()) == {name: 1}


def test_misspelled_option_is_an_error_in_strict_mode():
    with pytest.raises(UnsupportedOptionError, match="num_ctx"):
        translate_options({"num_contex": 1}, KNOWING, backend="b", strict=True, reported=set())


def test_backend_that_looks_after_unknown_options_is_left_to_it():
    table = OptionTable({ModelOption.TEMPERATURE: "temperature"}, {}, native=None)

    assert translate_options({"tempreature": 1}, table, backend="b", strict=False, reported=set())


@pytest.mark.parametrize("name", ["n", "best_of", "num_return_sequences", "candidate_count"])
def test_several_answers_in_place_of_one_are_refused(name):
    with pytest.raises(UsageError, match="BestOfNSamplingStrategy"):
        translated({name: 2})
    assert translated({name: 1}) == {name: 1}


NESTED = st.recursive(
    st.integers(), lambda inner: st.dictionaries(st.sampled_from("abc"), inner), max_leaves=6
)
MAPPINGS = st.dictionaries(st.sampled_from("abc"), NESTED)


@given(MAPPINGS, MAPPINGS)
def test_merging_mappings_keeps_what_each_says_alone(first, second):
    before = copy.deepcopy((first, second))

    merged = merge_nested(first, second)

    assert (first, second) == before
    assert merged.keys() == first.keys() | second.keys()
    assert {name: merged[name] for name in second.keys() - first.keys()} == {
        name: second[name] for name in second.keys() - first.keys()
    }
    assert merge_nested(merged, second) == merged


def test_mappings_of_different_types_are_not_mixed():
    asked = {"response_format": {"type": "json_schema", "json_schema": {}}}

    assert merge_nested(asked, {"response_format": {"type": "text"}}) == {"response_format": {"type": "text"}}


def test_native_and_common_options_that_mean_one_mapping_are_merged():
    table = OptionTable({ModelOption.THINKING: lambda value: {"template": {"think": value}}}, {})
    options = {"template": {"tone": "dry"}, ModelOption.THINKING: True}

    native = translate_options(options, table, backend="test", strict=False, reported=set())

    assert native == {"template": {"tone": "dry", "think": True}}
    assert options["template"] == {"tone": "dry"}
