"""Reasoning that models write into their text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mellea.core.reasoning import ReasoningFilter, opened_at_the_end

CASES = [
    ("<think>It is 4.</think>Four", "Four", "It is 4."),
    ("<think>\nIt is 4.\n</think>\n\nFour\n", "Four\n", "It is 4."),
    ("  \n<think>a</think> b", "b", "a"),
    ("<THINK>a</Think>b", "b", "a"),
    ("[THINK]a[/THINK]b", "b", "a"),
    ("<thinking>a</thinking>b", "b", "a"),
    ("<thought>a</thought>b", "b", "a"),
    ("<reasoning>a</reasoning>b", "b", "a"),
    ("<think>a</think><think>b</think>c", "c", "ab"),
    ("<think></think>c", "c", ""),
    ("<think>a < b </th> c", "", "a < b </th> c"),
    ("<seed:think>a</seed:think>b", "b", "a"),
    ("◁think▷a◁/think▷b", "b", "a"),
    ("<|START_THINKING|>a<|END_THINKING|>b", "b", "a"),
    ("<|channel|>analysis<|message|>a<|end|><|start|>assistant<|channel|>final<|message|>b", "b", "a"),
    ("<|channel|>final<|message|>b", "b", ""),
    ("<|channel>thought\na\n<channel|>b", "b", "a"),
    ("Here is my thought process: a\n\nHere is my response: b", "b", " a"),
    ("Here is my thought on it.", "Here is my thought on it.", ""),
    ("<think>a</think>\n<response>\nb < c\n</response>\n", "b < c\n", "a"),
    ("<think>a</think><response>b</resp", "b</resp", "a"),
    ("<think>a</think><responsible>", "<responsible>", "a"),
    ("<response>b</response>", "<response>b</response>", ""),
    ("<think>", "", ""),
    ("<thin", "<thin", ""),
    ("<thinker> is a word", "<thinker> is a word", ""),
    ("Use <think> for that.", "Use <think> for that.", ""),
    ("  Four", "  Four", ""),
    ("", "", ""),
]


def taken(pieces, *, asked_for=(), is_whole=False):
    reasoning = ReasoningFilter(lambda tag: tag in asked_for, is_whole=is_whole)
    told = [*map(reasoning.feed, pieces), reasoning.end()]
    return "".join(text for text, _ in told), "".join(thought for _, thought in told)


@pytest.mark.parametrize(("text", "answer", "thoughts"), CASES)
@pytest.mark.parametrize("is_whole", [True, False])
def test_reasoning_in_tags_is_no_part_of_the_answer(text, answer, thoughts, is_whole):
    assert taken([text], is_whole=is_whole) == (answer, thoughts)


@given(st.sampled_from(CASES), st.data())
def test_pieces_may_be_cut_anywhere(case, data):
    text, answer, thoughts = case
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=8)))
    pieces = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]

    said, thought = taken(pieces)

    assert said == answer
    assert "".join(thought.split()) == "".join(thoughts.split())


@pytest.mark.parametrize("end", ["</think>", "[/THINK]"])
def test_whole_answer_that_begins_within_its_reasoning_is_told_apart(end):
    assert taken([f"It is 4.\n{end}\n\nFour"], is_whole=True) == ("Four", "It is 4.")


def test_closing_tag_within_a_line_is_text():
    assert taken(["Write </think> there."], is_whole=True) == ("Write </think> there.", "")


@pytest.mark.parametrize("tag", ["<thinking>", "<thought>", "<reasoning>"])
def test_tags_that_the_prompt_asks_for_stay_in_the_text(tag):
    text = f"{tag}a</{tag[1:]}b"

    assert taken([text], asked_for=[tag]) == (text, "")


def test_tag_of_the_models_own_is_reasoning_even_if_the_prompt_names_it():
    assert taken(["<think>a</think>b"], asked_for=["<think>"]) == ("b", "a")


def test_line_break_behind_a_wrapping_is_left_out_where_the_text_is_cut_there():
    assert taken(["<think>a</think><response>", "\n", "\nb</response>"]) == ("b", "a")


def test_answer_is_handed_on_as_soon_as_it_begins():
    reasoning = ReasoningFilter(lambda tag: False, is_whole=False)

    assert reasoning.feed("<think>a</think>b") == ("b", "a")
    assert reasoning.feed("c") == ("c", "")


def test_blanks_are_not_held_back_for_ever():
    reasoning = ReasoningFilter(lambda tag: False, is_whole=False)

    assert reasoning.feed(" " * 300) == (" " * 300, "")


def test_wrapping_that_the_prompt_asks_for_stays_in_the_text():
    text = "<think>a</think><response>b</response>"

    assert taken([text], asked_for=["<response>"]) == ("<response>b</response>", "a")


@pytest.mark.parametrize(
    ("prompt", "opening"),
    [
        ("<|im_start|>assistant\n<think>\n", "<think>"),
        ("[/INST][THINK]", "[THINK]"),
        ("<|im_start|>assistant\n<think>\n\n</think>\n\n", ""),
        ("<|im_start|>assistant\n", ""),
        ("", ""),
    ],
)
def test_prompt_that_opens_reasoning_is_seen(prompt, opening):
    assert opened_at_the_end(prompt) == opening
