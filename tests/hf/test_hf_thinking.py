"""Reasoning of local models: switched through the chat template, and told from the answer."""

import pytest

from mellea.core import Capability, CBlock, ModelOption, OptionNotSupportedWarning, UnsupportedOptionError
from mellea.core.reasoning import NoAnswerWarning
from mellea_hf import LocalHFBackend
from mellea_hf.thinking import switches_of, table_for
from tests.hf import tiny
from tests.hf.conftest import Conversation, on_engine

SWITCHED = (
    tiny.CHAT_TEMPLATE.replace("{% if add", "{% generation %}{% endgeneration %}{% if add")
    + "{% if enable_thinking is defined and not enable_thinking %}<think></think>{% endif %}"
)
OPENING = tiny.CHAT_TEMPLATE + "{% if add_generation_prompt %}<think>\n{% endif %}"


def speaking(template, text, *more_specials):
    """Return tokenizer, model and device of a model that always writes the text."""
    import torch

    tokenizer = tiny.tokenizer(template)
    tokenizer.add_special_tokens({"extra_special_tokens": list(more_specials)})
    model = tiny.model()
    model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    said = [*tokenizer(text).input_ids, 0]
    plain = model.forward

    def forward(*args, **kwargs):
        out = plain(*args, **kwargs)
        forward.calls = (
            0 if out.logits.shape[1] > 1 or kwargs["input_ids"].shape[1] > 1 else forward.calls + 1
        )
        out.logits = torch.full_like(out.logits, -1e4)
        out.logits[..., said[min(forward.calls, len(said) - 1)]] = 0
        return out

    forward.calls = 0
    model.forward = forward
    return tokenizer, model, "cpu"


async def ask(parts, *, fits=None, **options):
    with LocalHFBackend("tiny", custom_config=on_engine(parts)) as backend:
        thunk, _ = await backend.generate_from_context(
            CBlock("Q"),
            Conversation(),
            format=fits,
            model_options={ModelOption.MAX_NEW_TOKENS: 60, **options},
        )
        return await thunk.result()


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("text", "specials"),
    [
        ("<think>a b</think>c", ()),
        ("<think>a b</think>c", ("<think>", "</think>")),
        ("[THINK]a b[/THINK]c", ("[THINK]", "[/THINK]")),
        ("<|channel>thought\na b<channel|>c", ("<|channel>", "<channel|>")),
    ],
)
async def test_reasoning_is_told_from_the_answer(stream, text, specials):
    thunk = await ask(lambda: speaking(tiny.CHAT_TEMPLATE, text, *specials), **{ModelOption.STREAM: stream})

    assert (thunk.value, thunk.thinking) == ("c", "a b")


@pytest.mark.parametrize("stream", [False, True])
async def test_answer_that_begins_within_its_reasoning_is_told_from_it(stream):
    thunk = await ask(lambda: speaking(OPENING, "a b</think>c"), **{ModelOption.STREAM: stream})

    assert (thunk.value, thunk.thinking) == ("c", "a b")


async def test_reasoning_that_does_not_end_is_no_answer():
    with pytest.warns(NoAnswerWarning, match="gave no answer"):
        thunk = await ask(lambda: speaking(OPENING, "a b"))

    assert (thunk.value, thunk.thinking) == ("", "a b")


async def test_format_is_written_without_reasoning():
    thunk = await ask(lambda: speaking(OPENING, "x"), fits={"const": 1})

    assert (thunk.value, thunk.thinking) == ("1", None)


@pytest.mark.parametrize(("value", "shown"), [(True, False), (False, True), ("high", False)])
async def test_option_reaches_the_switch_of_the_template(value, shown):
    parts = on_engine(lambda: speaking(SWITCHED, "c"))
    with LocalHFBackend("tiny", custom_config=parts) as backend:
        thunk, _ = await backend.generate_from_context(
            CBlock("Q"), Conversation(), model_options={ModelOption.THINKING: value}
        )
        said = (await thunk.result()).generation.usage.prompt_tokens
        plain = await backend.count_tokens([*thunk.sent.messages])

    assert Capability.THINKING in backend.capabilities
    assert (said > plain) is shown


async def test_template_without_a_switch_is_reported():
    with pytest.warns(OptionNotSupportedWarning, match="THINKING"):
        await ask(lambda: speaking(tiny.CHAT_TEMPLATE, "c"), **{ModelOption.THINKING: True})


def test_real_model_without_a_switch_does_not_declare_it(backend):
    assert Capability.THINKING not in backend.capabilities


@pytest.mark.parametrize(
    ("template", "switches"),
    [
        ("{% if enable_thinking %}x{% endif %}", {"enable_thinking"}),
        ("{{ reasoning_effort | default('low') }}", {"reasoning_effort"}),
        ("{% for m in messages %}{{ m.thinking }}{{ m['thinking'] }} thinking{% endfor %}", set()),
        ("{% set thinking = 1 %}{{ thinking }}", set()),
        ("{%- generation -%}{{ thinking }}{%- endgeneration -%}", {"thinking"}),
        ("{% if thinking", set()),
        ("", set()),
    ],
)
def test_switches_are_variables_that_the_template_is_given(template, switches):
    assert switches_of(template) == switches


@pytest.mark.parametrize(
    ("switches", "value", "variables"),
    [
        ({"enable_thinking"}, True, {"enable_thinking": True}),
        ({"enable_thinking", "thinking"}, False, {"enable_thinking": False, "thinking": False}),
        ({"reasoning_effort"}, "high", {"reasoning_effort": "high"}),
        ({"reasoning_effort"}, True, {"reasoning_effort": "medium"}),
        ({"thinking", "reasoning_effort"}, "low", {"thinking": True, "reasoning_effort": "low"}),
    ],
)
def test_option_is_said_in_the_template_s_words(switches, value, variables):
    assert table_for(frozenset(switches)).names[ModelOption.THINKING](value) == variables


def test_reasoning_that_cannot_be_switched_off_is_refused():
    with pytest.raises(UnsupportedOptionError, match="cannot switch reasoning off"):
        table_for(frozenset({"reasoning_effort"})).names[ModelOption.THINKING](False)
