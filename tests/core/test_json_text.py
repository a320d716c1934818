import contextlib
import json
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mellea.core.errors import OutputParseError
from mellea.core.json_text import json_in, read_json

LAMP = {"item": "lamp", "pieces": 3}
WRITTEN = json.dumps(LAMP)

FOUND = [
    ("alone", WRITTEN, LAMP),
    ("a number alone", " 3\n", 3),
    ("a text alone", '"lamp"', "lamp"),
    ("null alone", "null", None),
    ("an array alone", "[1, 2]", [1, 2]),
    ("a byte order mark", "\ufeff" + WRITTEN, LAMP),
    ("a code block", f"```json\n{WRITTEN}\n```", LAMP),
    ("a code block that names nothing", f"```\n{WRITTEN}\n```", LAMP),
    ("a code block in one line", f"```json {WRITTEN} ```", LAMP),
    ("a code block that is never closed", f"```json\n{WRITTEN}", LAMP),
    ("a number in a code block", "The value:\n```json\n3\n```\nAnything else?", 3),
    ("a sentence before", f"Here it is: {WRITTEN}", LAMP),
    ("a sentence after", f"{WRITTEN}\n\nLet me know if you need more.", LAMP),
    ("a sentence before and after a block", f"Here:\n```json\n{WRITTEN}\n```\nAnything else?", LAMP),
    ("the same value twice", f"{WRITTEN}\nAs JSON:\n```json\n{json.dumps(LAMP, indent=2)}\n```", LAMP),
    ("reasoning before", f'<think>Perhaps {{"item": "chair"}}?</think>{WRITTEN}', LAMP),
    (
        "reasoning whose tag the prompt has opened",
        f'It says {{"item": "chair"}}.\n</think>\n\n{WRITTEN}',
        LAMP,
    ),
    ("reasoning twice", f'<thinking>[1, 2]</thinking> Well. <thinking>{{"a": 1}}</thinking> {WRITTEN}', LAMP),
    ("a tag within a text", '{"a": "</think>"} is it', {"a": "</think>"}),
    ("braces of the prose", f"The {{item}} and {{{{pieces}}}} of a [mail]: {WRITTEN}", LAMP),
    ("quotes of the prose", f'The 5" lamp ["so to say]: {WRITTEN}', LAMP),
    ("brackets within a text", 'Here: {"a": "] } \\" {", "b": [{}]}.', {"a": '] } " {', "b": [{}]}),
    ("a doubled brace before", f"{{{WRITTEN}", LAMP),
    ("a correction of broken JSON", f'{{"item": lamp}} is no JSON: {WRITTEN}', LAMP),
    ("deep nesting", "It is " + "[" * 150 + "]" * 150, json.loads("[" * 150 + "]" * 150)),
    (
        "numbers of all kinds",
        "So: [0, -1.5e3, 2E-2, true, false, null]",
        [0, -1500.0, 0.02, True, False, None],
    ),
    ("escapes", r'So: {"a": "\u00e9\n\\"}', {"a": "é\n\\"}),
]


@pytest.mark.parametrize(("text", "value"), [case[1:] for case in FOUND], ids=[case[0] for case in FOUND])
def test_the_one_value_is_found(text, value):
    assert read_json(text) == value


REFUSED = [
    ("nothing", "", "The answer is empty where JSON was asked for."),
    ("spaces", " \n\t", "The answer is empty where JSON was asked for."),
    (
        "prose",
        "I cannot read the mail.",
        "The answer holds no JSON; it begins with 'I cannot read the mail.'.",
    ),
    ("reasoning alone", "<think>Perhaps {}", "The answer is reasoning alone: nothing follows it."),
    (
        "reasoning that ends",
        '<think>{"a": 1}</think>\n',
        "The answer is reasoning alone: nothing follows it.",
    ),
    (
        "reasoning, then prose",
        '<think>{"a": 1}</think>No idea.',
        "The answer holds no JSON; it begins with 'No idea.'.",
    ),
    (
        "two values",
        'Either {"a": 1} or {"a": 2}.',
        """The answer holds 2 different JSON values, such as '{"a": 1}' and '{"a": 2}'.""",
    ),
    (
        "two lines",
        '{"a": 1}\n{"a": 2}',
        """The answer holds 2 different JSON values, such as '{"a": 1}' and '{"a": 2}'.""",
    ),
    (
        "true is not one",
        '{"a": 1} {"a": true}',
        """The answer holds 2 different JSON values, such as '{"a": 1}' and '{"a": true}'.""",
    ),
    (
        "cut",
        '{"result": {"a": 1}',
        """The JSON in the answer ends before it is complete, with '{"result": {"a": 1}'.""",
    ),
    ("cut within a text", '{"resu', """The JSON in the answer ends before it is complete, with '{"resu'."""),
    (
        "cut after prose",
        'Here: [{"a": 1}',
        """The JSON in the answer ends before it is complete, with 'Here: [{"a": 1}'.""",
    ),
    (
        "a comma too many",
        '{"result": {"a": 1},}',
        "The JSON in the answer is broken: the next name in quotes is missing before '}'.",
    ),
    (
        "a comma too few",
        '{"items": [{"a": 1} {"a": 2}]}',
        """The JSON in the answer is broken: a comma or ] is missing before '{"a": 2}]}'.""",
    ),
    (
        "a word for a value",
        '{"a": yes}',
        "The JSON in the answer is broken: a value is missing before 'yes}'.",
    ),
    (
        "a number of 5,000 digits",
        '{"a": ' + "9" * 5000 + "}",
        "The JSON in the answer is nested too deeply, or holds a number of thousands of digits.",
    ),
]


@pytest.mark.parametrize(
    ("text", "message"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED]
)
def test_what_is_no_one_value_is_said_in_a_sentence(text, message):
    with pytest.raises(OutputParseError) as raised:
        json_in(text)
    assert raised.value.message == message
    assert raised.value.hint


def test_marks_of_the_prose_do_not_count_where_an_object_is_wanted():
    assert read_json('As [1] says, {"a": 1}', dict) == {"a": 1}
    assert read_json('{"a": 1} makes [1]', list) == [1]


def test_a_value_of_another_kind_is_found_when_it_is_the_only_one():
    assert read_json("It is [1].", dict) == [1]


HOSTILE = {
    "spaces": lambda n: "x" + " " * n + "y",
    "spaces in an object": lambda n: '{"a": 1' + " " * n + "x",
    "open arrays": lambda n: "[" * n,
    "open arrays after a word": lambda n: "x " + "[" * n,
    "open objects": lambda n: "{" * n,
    "nested arrays": lambda n: "[" * n + "]" * n,
    "nested objects": lambda n: '{"a":' * n + "1" + "}" * n,
    "broken arrays": lambda n: "[1," * n,
    "arrays that break": lambda n: "[[1, 2 " * n,
    "escaped quotes": lambda n: '[1, x "' + '\\"' * n,
    "quotes": lambda n: '["' * n,
    "blocks": lambda n: "```\n" * n,
    "reasoning": lambda n: "<think>" * n,
    "closing tags": lambda n: "</think>" * n,
    "quotes and brackets": lambda n: '["[' * n,
    "a long number": lambda n: "[" + "9" * n + "x]",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_is_refused(name):
    with pytest.raises(OutputParseError):
        json_in(HOSTILE[name](50_000))


@pytest.mark.parametrize("name", HOSTILE)
def test_the_steps_grow_with_the_text(name):
    lines_run(HOSTILE[name](10))  # what is compiled at the first use is compiled
    assert lines_run(HOSTILE[name](400)) <= 2.5 * lines_run(HOSTILE[name](200))


def lines_run(text):
    """Return how many lines of Python reading a text takes."""
    count = 0

    def trace(frame, event, argument):
        nonlocal count
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        json_in(text)
    except OutputParseError:
        return count
    finally:
        sys.settrace(before)
    return count


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(
    json_values.filter(lambda value: isinstance(value, dict | list)),
    st.sampled_from(["", "Here: ", "<think>{}</think>"]),
)
def test_what_is_written_is_read_whatever_stands_around_it(value, before):
    assert read_json(f"{before}{json.dumps(value)} Is that right?") == value


@given(st.text(alphabet='[]{}",:\\1a \n`<>/think'))
def test_any_text_is_read_or_refused(text):
    with contextlib.suppress(OutputParseError):
        json.loads(json_in(text))
