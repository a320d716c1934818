"""Prompts in a file: what they replace, where, and what is refused."""

from __future__ import annotations

import asyncio
import inspect
import json

import pytest

from mellea import MelleaSession, generative, load_prompts
from mellea.core import UsageError
from mellea.stdlib.prompts import Example, Prompts, Replacement
from mellea.stdlib.requirements import req, word_count
from mellea.testing import ScriptedBackend


@generative(requirements=[word_count(at_most=3)])
def name_of(text: str) -> str:
    """Name the thing."""


@generative
async def aname_of(text: str) -> str:
    """Name the thing."""


HEAD = "def name_of(text: str) -> str:"
PROMPTS = Prompts(
    (
        Replacement("docstring", "Name the thing.", "Name the thing in small letters.", "name_of"),
        Replacement("requirement", "Use at most 3 words.", "Three words at most!", "name_of"),
        Replacement("task", "Write about {{x}}.", "Write a line about {{x}}."),
        Replacement("prefix", "You are kind.", "You are very kind."),
        Replacement("requirement", "It is short.", "It is really short."),
    ),
    (Example(HEAD, "text (str): A lamp.", "lamp"), Example("def other() -> int:", "", 1)),
    found={"winner": "candidate"},
)


@pytest.fixture
def backend():
    return ScriptedBackend(lambda request: '{"result": "lamp"}')


@pytest.fixture
def m(backend):
    return MelleaSession(backend)


def instructed(m):
    return m.instruct(
        "Write about {{x}}.",
        user_variables={"x": "{{y}} lamps"},
        prefix="You are kind.",
        requirements=[req("It is short.", validation_fn=lambda ctx: True), "Judged."],
        strategy=None,
    )


def test_words_of_a_typed_function_are_replaced_and_examples_are_shown(m, backend):
    with PROMPTS:
        name_of(m, text="A lamp.")

    prompt = backend.prompts[0]
    assert '    """Name the thing in small letters."""' in prompt
    assert "- Three words at most!" in prompt
    assert 'text (str): A lamp.\nAnswer: {"result": "lamp"}' in prompt
    assert "int" not in prompt


def test_texts_of_an_instruction_are_replaced_before_they_are_filled(m, backend):
    with PROMPTS:
        instructed(m)
    instructed(m)

    new, old = backend.prompts
    for text in ("Write a line about {{y}} lamps.", "You are very kind.", "It is really short.", "Judged."):
        assert text in new
    assert "Write about {{y}} lamps." in old


def test_only_what_is_shown_of_a_requirement_changes(backend):
    seen = []

    with PROMPTS:
        MelleaSession(ScriptedBackend(["a b c d", "lamp"])).instruct(
            "Hi.",
            requirements=[
                req("It is short.", validation_fn=lambda ctx: len(seen) > 0 or seen.append(1) or False)
            ],
        )

    assert seen == [1]


@pytest.mark.parametrize("form", ["plain", "coroutine", "typed", "typed coroutine"])
def test_one_line_puts_them_into_force(form, m, backend, tmp_path):
    PROMPTS.save(tmp_path / "prompts.json")
    loaded = load_prompts(tmp_path / "prompts.json")

    @loaded
    def plain(m):
        return name_of(m, text="A lamp.")

    @loaded
    async def coroutine(m):
        await asyncio.sleep(0)
        return name_of(m, text="A lamp.")

    async def typed_coroutine(m):
        return await loaded(aname_of)(m, text="A lamp.")

    calls = {
        "plain": plain,
        "coroutine": coroutine,
        "typed": lambda m: loaded(name_of)(m, text="A lamp."),
        "typed coroutine": typed_coroutine,
    }
    called = calls[form](m)
    if inspect.isawaitable(called):
        asyncio.run(asyncio.wait_for(called, 60))
    name_of(m, text="A lamp.")

    assert loaded == PROMPTS
    assert [("small letters" in prompt) for prompt in backend.prompts] == [form != "typed coroutine", False]
    assert list(inspect.signature(plain).parameters) == ["m"]


def test_innermost_words_count_and_blocks_end(m, backend):
    nearer = Prompts((Replacement("docstring", "Name the thing.", "Nearer.", "name_of"),))
    with PROMPTS:
        with nearer:
            name_of(m, text="a")
        name_of(m, text="a")

    assert "Nearer." in backend.prompts[0]
    assert "Three words at most!" in backend.prompts[0]
    assert "small letters" in backend.prompts[1]


async def test_words_hold_for_their_own_task_alone(m, backend):
    async def call(words):
        with words:
            await asyncio.sleep(0)
            await aname_of(m, text="a")

    other = [
        Prompts((Replacement("docstring", "Name the thing.", f"Words {n}.", "aname_of"),)) for n in range(3)
    ]
    await asyncio.gather(*map(call, other))

    assert sorted(
        text for text in ("Words 0.", "Words 1.", "Words 2.") for p in backend.prompts if text in p
    ) == [
        "Words 0.",
        "Words 1.",
        "Words 2.",
    ]


GOOD = PROMPTS.to_dict()


@pytest.mark.parametrize(
    ("written", "said"),
    [
        (None, "cannot be read"),
        ("{", "is no JSON"),
        ("[]", "holds no prompts"),
        (json.dumps({**GOOD, "version": 2}), "of another format, or of a newer release"),
        (
            json.dumps({**GOOD, "texts": [{"kind": "tune", "was": "", "now": ""}]}),
            "'tune' is no kind of text",
        ),
        (json.dumps({**GOOD, "texts": [{"kind": "task", "now": ""}]}), "'was' is missing"),
        (json.dumps({**GOOD, "texts": [{"kind": "task", "was": 1, "now": ""}]}), "1 is no text"),
    ],
)
def test_what_is_no_file_of_prompts_is_refused(written, said, tmp_path):
    path = tmp_path / "prompts.json"
    if written is not None:
        path.write_text(written)

    with pytest.raises(UsageError, match=said):
        load_prompts(path)


def test_only_functions_are_decorated():
    with pytest.raises(UsageError, match="is no function"):
        PROMPTS(7)
