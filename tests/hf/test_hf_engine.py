"""The engine: rows together, prefixes once, and no row that another one harms."""

import asyncio
import random

import pytest

from mellea.core import (
    ChatRequest,
    Message,
    ProviderError,
    RateLimitError,
    RequestRejectedError,
    UsageError,
)
from mellea_hf import LocalHFBackend
from mellea_hf.options import read_options, served_by_generate
from tests.hf import tiny
from tests.hf.conftest import Client, on_engine

GREEDY = {"temperature": 0, "min_new_tokens": 6, "max_new_tokens": 6}


class Passes(list):
    """The tokens that each pass of a model computes."""

    def note(self, _module, _args, named):
        if "input_ids" in named:
            self.append(named["input_ids"].shape[1])


@pytest.fixture
def parts():
    return on_engine(lambda: (tiny.tokenizer(), tiny.model(window=4096), "cpu"))


@pytest.fixture
def passes(parts):
    return Passes()


@pytest.fixture
def make(parts, passes):
    made = []

    def client(**knobs):
        made.append(LocalHFBackend("tiny", custom_config=parts, **knobs))
        passes.clear()
        return Client(made[-1])

    yield client
    for backend in made:
        backend.close()


@pytest.fixture(autouse=True)
def counted(parts, passes):
    parts[1].register_forward_pre_hook(passes.note, with_kwargs=True)


async def test_requests_that_arrive_together_are_computed_together(make, passes):
    client = make()

    await asyncio.gather(*(client.complete(f"{number} is", **GREEDY) for number in range(8)))

    assert sum(passes) == 8 * (len("0 is") + 5)
    assert passes.count(8) >= 4
    stats = client.backend.stats()
    assert (stats.read_tokens, stats.reused_tokens, stats.written_tokens) == (32, 0, 48)
    assert (stats.running, stats.waiting, stats.runs_alone) == (0, 0, "")
    assert sum(stats.batches.values()) == stats.steps == len(passes)


async def test_row_joins_while_another_writes_and_leaves_before_it(make):
    client = make()
    long = client.backend.stream_chat(client.request("x", min_new_tokens=3000, max_new_tokens=3000))
    await anext(long)

    [short] = await client.complete("y", **GREEDY)
    more = await anext(long)
    await long.aclose()

    assert short.usage.completion_tokens == 6
    assert more.finish_reason is None


async def test_rows_beyond_the_batch_wait_for_their_turn(make, passes):
    client = make(max_batch=3)

    texts = await client.complete(*(f"{number} is" for number in range(7)), **GREEDY)

    assert [text.usage.completion_tokens for text in texts] == [6] * 7
    assert max(passes[1:6]) == 3


async def test_long_prompt_does_not_hold_up_those_who_write(make, passes):
    client = make()
    writing = client.backend.stream_chat(client.request("x", min_new_tokens=3000, max_new_tokens=3000))
    await anext(writing)
    passes.clear()

    await client.complete("long " * 200, **GREEDY)
    await writing.aclose()

    assert max(passes) <= 64 + 1


async def test_prefix_is_computed_once(make, passes):
    client = make()
    prefix = "the prefix of them all, "

    [first] = await client.complete(prefix + "one", **GREEDY)
    await client.complete(prefix + "two", **GREEDY)
    [again] = await client.complete(prefix + "one", **GREEDY)

    assert [count for count in passes if count > 1] == [len(prefix) + 3, 3]
    assert again.text == first.text
    assert (first.usage.cached_tokens, again.usage.cached_tokens) == (0, len(prefix) + 2)


async def test_prompts_with_one_long_prefix_wait_for_it(make, passes):
    client = make()
    prefix = "a prefix that is much longer than what makes each of them differ: "

    await asyncio.gather(*(client.complete(prefix + str(number), **GREEDY) for number in range(4)))

    assert sum(passes) == len(prefix) + 4 + 4 * 5


async def test_next_turn_computes_what_is_new(make, passes):
    client = make()
    turns = [Message("user", "a question of some length")]
    options = {"min_new_tokens": 20, "max_new_tokens": 20}
    said = [chunk async for chunk in client.backend.stream_chat(ChatRequest("m", tuple(turns), options))]
    passes.clear()

    turns += [Message("assistant", "".join(chunk.text for chunk in said)), Message("user", "and?")]
    [last] = [chunk async for chunk in client.backend.stream_chat(ChatRequest("m", tuple(turns), options))]

    assert passes[0] < last.usage.prompt_tokens - len("a question of some length")


async def test_no_cache_computes_everything(make, passes):
    client = make(cache_bytes=0)

    await client.complete("once more", **GREEDY)
    await client.complete("once more", **GREEDY)

    assert [count for count in passes if count > 1] == [9, 9]


async def test_cache_rows_and_cancellations_do_not_change_greedy_tokens(make):
    draw = random.Random(11)
    plain, cached = make(cache_bytes=0, max_batch=1), make(cache_bytes=60 * 512, max_batch=5)
    roots = ["".join(draw.choices("abc ", k=draw.randrange(1, 40))) for _ in range(4)]
    prompts = [draw.choice(roots) + "".join(draw.choices("ab", k=draw.randrange(1, 12))) for _ in range(60)]
    expected = {prompt: (await plain.complete(prompt, **GREEDY))[0].text for prompt in set(prompts)}

    async def call(prompt):
        task = asyncio.ensure_future(cached.complete(prompt, **GREEDY))
        if draw.random() < 0.25:
            await asyncio.sleep(draw.random() / 100)
            task.cancel()
        (outcome,) = await asyncio.gather(task, return_exceptions=True)
        return isinstance(outcome, asyncio.CancelledError) or outcome[0].text == expected[prompt]

    for start in range(0, len(prompts), 12):
        assert all(await asyncio.gather(*map(call, prompts[start : start + 12])))


async def test_cancelling_half_a_batch_leaves_the_other_half(make):
    client = make()
    alone = [(await client.complete(f"{number}?", **GREEDY))[0].text for number in range(6)]
    endless = {"min_new_tokens": 3000, "max_new_tokens": 3000}
    tasks = [asyncio.ensure_future(client.complete(f"{number}!", **endless)) for number in range(6)]
    kept = [asyncio.ensure_future(client.complete(f"{number}?", **GREEDY)) for number in range(6)]
    await asyncio.sleep(0.01)

    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)

    assert [(await task)[0].text for task in kept] == alone


def failing(when, error):
    """A hook that fails in passes with a token."""

    def hook(_module, _args, named):
        if (named["input_ids"] == when).any():
            raise error

    return hook


@pytest.mark.parametrize(
    ("error", "seen"),
    [
        (RuntimeError("can't allocate memory"), RequestRejectedError),
        (ValueError("broken"), ValueError),
    ],
)
async def test_row_that_fails_fails_alone(make, parts, error, seen):
    client = make()
    alone = (await client.complete("xyz", **GREEDY))[0].text
    token = parts[0]("?").input_ids[0]
    parts[1].register_forward_pre_hook(failing(token, error), with_kwargs=True)

    async def call(text):
        try:
            return (await client.complete(text, **GREEDY))[0].text
        except (RuntimeError, ValueError) as caught:
            return type(client.backend.translate_error(caught) or caught)

    said = await asyncio.gather(call("xyz"), call("abc?"), call("xyz"))

    assert said == [alone, seen, alone]


async def test_option_that_is_refused_fails_alone(make):
    client = make()

    good, bad = await asyncio.gather(
        client.complete("x", **GREEDY),
        client.complete("y", sequence_bias={}, **GREEDY),
        return_exceptions=True,
    )

    assert good[0].usage.completion_tokens == 6
    assert isinstance(bad, UsageError)


async def test_backends_with_the_same_knobs_share_what_is_kept(tiny_folder):
    with (
        LocalHFBackend(str(tiny_folder)) as first,
        LocalHFBackend(str(tiny_folder)) as second,
        LocalHFBackend(str(tiny_folder), max_batch=2) as other,
    ):
        await Client(first).complete("once", **GREEDY)
        await Client(second).complete("once", **GREEDY)

        assert second.stats().reused_tokens == 3
        assert other.stats().cached_tokens == 0


async def test_ten_thousand_rows_are_more_than_may_wait_and_those_who_run_go_on(make):
    client = make(max_batch=2)
    running = client.backend.stream_chat(client.request("x", min_new_tokens=3000, max_new_tokens=3000))
    await anext(running)

    with pytest.raises(RateLimitError, match="10000 more would be beyond the 4096"):
        await client.complete(*["y"] * 10_000, **GREEDY)
    waiting = asyncio.ensure_future(client.complete(*["y"] * 4_000, **GREEDY))
    await anext(running)
    waiting.cancel()
    await asyncio.wait([waiting])

    assert (await anext(running)).finish_reason is None
    await running.aclose()
    assert len(await client.complete("z", **GREEDY)) == 1
    assert client.backend.stats().waiting == 0


async def test_full_queue_is_an_error_of_its_own(make):
    client = make(max_batch=1, max_queue=2)

    with pytest.raises(RateLimitError, match="beyond the 2 that may.*raise max_queue"):
        await client.complete("a", "b", "c", **GREEDY)

    assert len(await client.complete("a", "b", **GREEDY)) == 2


@pytest.mark.parametrize("knobs", [{"cache_bytes": -1}, {"max_batch": 0}, {"max_queue": True}])
def test_knob_that_is_no_count_is_an_error(parts, knobs):
    with pytest.raises(UsageError, match=f"{next(iter(knobs))} is a whole number"):
        LocalHFBackend("tiny", custom_config=parts, **knobs)


async def test_each_row_has_its_own_options(make):
    client = make()
    asked = [
        {"seed": 3, "max_new_tokens": 9},
        {"temperature": 0, "max_new_tokens": 12},
        {"seed": 4, "top_p": 0.5, "max_new_tokens": 5},
        {"repetition_penalty": 3.0, "max_new_tokens": 12},
        {"stop_strings": ["a"], "seed": 9, "max_new_tokens": 30},
        {"seed": 5, "max_new_tokens": 9, "logprobs": 2},
    ]
    alone = [await client.complete("hello", **options) for options in asked]

    together = await asyncio.gather(*(client.complete("hello", **options) for options in asked))

    assert [said[0].text for said in together] == [said[0].text for said in alone]
    assert [one.token for one in together[-1][0].logprobs] == [one.token for one in alone[-1][0].logprobs]


@pytest.mark.parametrize("options", [{"guidance_scale": 1.5}, {"max_time": 60.0}, {"use_cache": False}])
async def test_option_of_generate_runs_beside_the_engine(make, options):
    client = make()

    said, ours = await asyncio.gather(
        client.complete("x", **GREEDY, **options), client.complete("x", **GREEDY)
    )

    assert served_by_generate(read_options(options, {}, options.keys()), {}) == set(options)
    assert (said[0].usage.completion_tokens, ours[0].usage.completion_tokens) == (6, 6)


async def test_engine_goes_on_while_generate_runs(make, passes):
    client = make()
    endless = {"min_new_tokens": 3000, "max_new_tokens": 3000, "max_time": 600.0}
    others = [asyncio.ensure_future(client.complete("x", **endless)) for _ in range(2)]
    while len(passes) < 3:
        await asyncio.sleep(0)

    [said] = await client.complete("y", **GREEDY)
    running = [other.done() for other in others]
    for other in others:
        other.cancel()
    await asyncio.wait(others)

    assert said.usage.completion_tokens == 6
    assert running == [False, False]
    assert len(await client.complete("z", max_time=600.0, **GREEDY)) == 1


async def test_tokens_that_have_to_come_are_not_computed_one_by_one(make, passes):
    client = make()

    [held] = await client.complete("x", schema={"const": "to be or not to be"}, max_new_tokens=40)
    steps = len(passes)
    [same] = await client.complete("x", schema={"const": "to be or not to be"}, max_new_tokens=40, logprobs=1)

    assert held.text == same.text == '"to be or not to be"'
    assert held.usage.completion_tokens > steps + 5
    assert len(same.logprobs) == same.usage.completion_tokens - 1


class Only:
    """An automaton that allows some tokens."""

    def __init__(self, *tokens):
        self.tokens, self.masks = tokens, 0

    def mask(self, tokens_left):
        self.masks += 1
        return bytes(int(self.allows(token, tokens_left)) for token in range(6))

    def allows(self, token, tokens_left):
        return token in self.tokens and tokens_left > 0

    def advance(self, token):
        pass

    def forced(self):
        return self.tokens


@pytest.mark.parametrize(
    ("automata", "left", "allowed"),
    [
        ([Only(1, 2)], 3, [1, 2]),
        ([Only(1, 2, 5), Only(2, 5), Only(0, 2)], 3, [2]),
        ([Only(1), Only(2)], 3, None),
        ([Only(1)], 0, None),
    ],
)
def test_masks_of_all_automata_of_a_row_hold(automata, left, allowed):
    import torch

    from mellea_hf.constraint import RowConstraint

    constraint, scores = RowConstraint(automata), torch.zeros(6)
    constraint.prepare(left)

    if allowed is None:
        with pytest.raises(ProviderError, match="No token fits"):
            on_engine(lambda: constraint.apply(scores))
    else:
        on_engine(lambda: constraint.apply(scores))
        assert [token for token in range(6) if scores[token] == 0] == allowed
    assert list(constraint.forced()) == (list(automata[0].tokens) if len(automata) == 1 else [])


@pytest.mark.parametrize(("allowed", "masks"), [(5, 1), (0, 4)])
@pytest.mark.parametrize("options", [{"temperature": 0}, {"seed": 7}, {"seed": 7, "top_k": 3}])
def test_mask_is_computed_only_where_the_tokens_that_come_first_are_refused(allowed, masks, options):
    """And for the first token, while the prompt is read. The least likely is found too."""
    import torch

    from mellea_hf.constraint import RowConstraint
    from mellea_hf.homeward import draw_homeward
    from mellea_hf.options import read_options
    from mellea_hf.sampling import sampling_processors

    automaton = Only(allowed)
    constraint, taken = RowConstraint([automaton]), []
    draw = sampling_processors(read_options(options, {}, ()), 1, "cpu")

    for _ in range(4):
        constraint.prepare(9)
        scores = torch.tensor([[-1e4, -9.0, -8.0, -7.0, -6.0, 9.0]])
        taken.append(on_engine(lambda: draw_homeward(draw, None, scores, constraint, 8)))  # noqa: B023

    assert taken == [allowed] * 4
    assert automaton.masks == masks


@pytest.mark.parametrize("where", ["advance", "mask"])
async def test_failed_schema_of_a_row_leaves_the_others(make, monkeypatch, where):
    from mellea_hf.constraint import GrammarAutomaton

    def refuse(self, token_or_room):
        raise ProviderError("It cannot come here.", backend="hf")

    monkeypatch.setattr(GrammarAutomaton, where, refuse)
    client = make()

    free, held = await asyncio.gather(
        client.complete("x", **GREEDY),
        client.complete("x", schema={"const": "abc"}, max_new_tokens=9),
        return_exceptions=True,
    )

    assert free[0].usage.completion_tokens == 6
    assert isinstance(held, ProviderError)


async def test_reproducible_rows_depend_on_nothing_else(make):
    """To the last bit of each log-probability, over random schedules."""
    draw = random.Random(5)
    options = {"max_new_tokens": 2, "min_new_tokens": 2, "logprobs": 1}
    root = "".join(draw.choices("ab c", k=100))
    prompts = [root[: draw.randrange(1, 100)] + draw.choice("xyz") for _ in range(10)]
    plain = make(cache_bytes=0, max_batch=4, reproducible=True)
    expected = [await plain.complete(prompt, seed=1, **options) for prompt in prompts]
    client = make(cache_bytes=200 * 512, max_batch=4, reproducible=True)

    async def call(index):
        task = asyncio.ensure_future(client.complete(prompts[index], seed=1, **options))
        if draw.random() < 0.2:
            await asyncio.sleep(draw.random() / 500)
            task.cancel()
        (outcome,) = await asyncio.gather(task, return_exceptions=True)
        if isinstance(outcome, asyncio.CancelledError):
            return True
        return (
            outcome[0].text == expected[index][0].text and outcome[0].logprobs == expected[index][0].logprobs
        )

    for _ in range(200):
        chosen = draw.sample(range(len(prompts)), draw.choice((1, 1, 2, 2, 4)))
        assert all(await asyncio.gather(*map(call, chosen)))
    assert client.backend.stats().reused_tokens


def other_model(kind, **named):
    import torch
    import transformers

    config = getattr(transformers, f"{kind}Config")(
        vocab_size=261,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        bos_token_id=None,
        eos_token_id=0,
        pad_token_id=0,
        **named,
    )
    with torch.random.fork_rng():
        torch.manual_seed(7)
        return getattr(transformers, f"{kind}ForCausalLM")(config).eval()


SIZES = {"intermediate_size": 64, "num_key_value_heads": 1, "max_position_embeddings": 64}
OTHERS = {
    "Mistral": {**SIZES, "sliding_window": 4},
    "Bloom": {},
    "Mamba": {"state_size": 4, "conv_kernel": 2},
    "Qwen3": {**SIZES, "head_dim": 16},
}


@pytest.mark.parametrize(("kind", "alone"), [("Mistral", 1), ("Bloom", 1), ("Mamba", 1), ("Qwen3", 0)])
async def test_model_that_the_engine_cannot_run_is_run_by_transformers(kind, alone):
    model = on_engine(lambda: other_model(kind, **OTHERS[kind]))
    with LocalHFBackend("other", custom_config=(tiny.tokenizer(), model, "cpu")) as backend:
        client = Client(backend)
        both = await asyncio.gather(client.complete("one", **GREEDY), client.complete("twice", **GREEDY))
        expected = on_engine(lambda: generated(model, "twice"))

        assert bool(backend.stats().runs_alone) == bool(alone)
        assert both[1][0].text == expected


def generated(model, text):
    import torch

    tokenizer = tiny.tokenizer()
    ids = torch.tensor([tokenizer(text).input_ids])
    out = model.generate(
        ids, attention_mask=torch.ones_like(ids), do_sample=False, min_new_tokens=6, max_new_tokens=6
    )
    return tokenizer.decode(out[0, ids.shape[1] :], skip_special_tokens=True)
