"""Adapters that are made of what sessions accepted, kept only where they are better on other requests."""

import asyncio
import random

import pytest

from mellea import MelleaSession, ModelOption, start_session
from mellea.cli import main
from mellea.core import (
    Adapter,
    GenerationCancelledError,
    Message,
    Requirement,
    TrainingExample,
    TrainingSettings,
    UsageError,
    score,
    train,
)
from mellea.improving import train_adapter
from mellea.testing import ScriptedBackend
from mellea_hf import LocalHFBackend
from tests.hf.conftest import on_engine

_THINGS = ("river", "lamp", "horse", "table", "cloud", "bridge", "apple", "train")
THINGS = [f"{kind} {thing}" for kind in ("red", "old", "big") for thing in _THINGS]


def record(path, answers):
    """Keep a history in which each thing was asked about, and its answer accepted."""
    accepted = Requirement("It is good.", validation_fn=lambda _: True, check_only=True)
    short = {ModelOption.SYSTEM_PROMPT: "Hm."}  # the model's own is longer than all the rest
    with start_session(ScriptedBackend(list(answers)), history=path, model_options=short) as m:
        for thing in THINGS[: len(answers)]:
            m.instruct(f"Say: {thing}.", requirements=[accepted])
    return str(path)


@pytest.fixture(scope="module")
def ahoy(tmp_path_factory):
    """A history whose answers all follow one style."""
    path = tmp_path_factory.mktemp("history") / "runs.db"
    return record(path, [f"Ahoy {thing}!" for thing in THINGS])


@pytest.fixture(scope="module")
def noise(tmp_path_factory):
    """A history whose answers have nothing in common."""
    drawing = random.Random(5)
    letters = [chr(each) for each in range(33, 127)]
    answers = ["".join(drawing.choices(letters, k=12)) for _ in THINGS]
    return record(tmp_path_factory.mktemp("noise") / "runs.db", answers)


ASKED = [Message("user", "Say: a.")]
EXAMPLES = [TrainingExample((Message("user", f"Say: {each}."),), f"Ahoy {each}!") for each in "bcdefgh"]
FAST = TrainingSettings(rank=2, epochs=2, batch=4, learning_rate=0.03, seed=3)


def test_adapter_of_accepted_answers_is_kept_and_answers(backend, ahoy, tmp_path, capsys):
    folder = tmp_path / "made" / "ahoy"
    few = ["--rank", "4", "--layers", "5", "--epochs", "2", "--learning-rate", "0.02"]

    status = main(["train-adapter", ahoy, "-o", str(folder), *few])

    said = capsys.readouterr()
    assert (status, said.out.splitlines()[0]) == (0, "24 accepted answers in 24 calls.")
    assert "ahoy is better than SmolLM2-135M-Instruct alone: 100% to 0% of 9 tasks" in said.out
    assert f"Written to {folder}" in said.err
    adapter = Adapter.read(folder)
    assert (adapter.name, adapter.base_model) == ("ahoy", backend.model_id)
    assert (adapter.notes["examples"], adapter.notes["held_out"], adapter.notes["settings"]["seed"]) == (
        15,
        9,
        0,
    )
    assert [path.name for path in folder.parent.iterdir()] == ["ahoy"]
    with LocalHFBackend(adapters=[folder]) as adapted:
        options = {
            ModelOption.SYSTEM_PROMPT: "Hm.",
            ModelOption.TEMPERATURE: 0,
            ModelOption.MAX_NEW_TOKENS: 6,
        }
        m = MelleaSession(adapted, model_options=options)
        said = m.instruct("Say: castle.", model_options={ModelOption.ADAPTER: "ahoy"})
    assert said.value.startswith("Ahoy")


def test_adapter_that_has_learned_noise_is_refused_with_the_figures(tiny_folder, noise, tmp_path, capsys):
    given = ["--model", str(tiny_folder), "--learning-rate", "0.03", "--epochs", "8"]

    status = main(["train-adapter", noise, "-o", str(tmp_path / "made"), *given])

    said = capsys.readouterr().out
    assert status == 1
    assert "learned from 15 of them, 9 were held out." in said
    assert "Refused, and nothing is written: The 9 tasks are used up, and it is undecided" in said
    assert not (tmp_path / "made").exists()
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_adapter_of_one_small_step_is_refused(tiny_folder, ahoy, tmp_path):
    barely = TrainingSettings(rank=1, layers=1, steps=1, learning_rate=1e-6)

    found = train_adapter(ahoy, tmp_path / "made", model=str(tiny_folder), settings=barely)

    assert (found.is_better, found.run.steps, found.comparison.difference) == (False, 1, 0)
    assert not (tmp_path / "made").exists()


TINY = 1e-4
"""How far sums of floats may be apart, which go by how a processor adds them."""


async def asked_logprob(backend):
    [found] = await score(backend, ASKED, ["Ahoy a!"])
    return found.logprob


async def test_same_seed_trains_the_same_weights_and_leaves_the_model_as_it_was(tiny_backend, tmp_path):
    before = await asked_logprob(tiny_backend)
    weights = []
    for name, seed in (("one", 3), ("two", 3), ("three", 4)):
        (tmp_path / name).mkdir()
        settings = TrainingSettings(rank=2, epochs=2, batch=4, learning_rate=0.03, seed=seed)
        run = await train(tiny_backend, Adapter(name, tmp_path / name), EXAMPLES, settings)
        weights.append((tmp_path / name / "adapter_model.safetensors").read_bytes())

    assert weights[0] == weights[1] != weights[2]
    assert (run.examples, run.steps, run.planned) == (7, 4, 4)
    assert await asked_logprob(tiny_backend) == pytest.approx(before, abs=TINY)
    await tiny_backend.aadd_adapter(tmp_path / "one")
    assert (await score(tiny_backend, ASKED, ["Ahoy a!"], adapter="one"))[0].logprob > before


async def test_examples_beyond_the_window_are_counted_and_none_within_it_is_refused(tiny_backend, tmp_path):
    adapter = Adapter("made", tmp_path)
    long = TrainingExample((Message("user", "x" * 200),), "Ahoy!")

    run = await train(tiny_backend, adapter, [long, *EXAMPLES], FAST)

    assert (run.examples, run.too_long) == (7, 1)
    with pytest.raises(UsageError, match="None of 1 examples fits into the context window of tiny"):
        await train(tiny_backend, adapter, [long], FAST)


async def test_training_ends_in_time_and_when_it_is_cancelled_and_the_model_goes_on(tiny_backend, tmp_path):
    adapter = Adapter("made", tmp_path)
    before = await asked_logprob(tiny_backend)

    run = await train(tiny_backend, adapter, EXAMPLES, TrainingSettings(epochs=10_000, seconds=0.01))
    training = asyncio.create_task(train(tiny_backend, adapter, EXAMPLES, TrainingSettings(epochs=10_000)))
    await asyncio.sleep(0)
    training.cancel()

    assert 1 <= run.steps < run.planned
    with pytest.raises((asyncio.CancelledError, GenerationCancelledError)):
        await training
    assert await asked_logprob(tiny_backend) == pytest.approx(before, abs=TINY)


async def test_model_without_layers_to_train_is_refused(tiny_parts, tmp_path):
    import torch

    tokenizer, model, device = tiny_parts

    def without_linear_layers():
        for name, layer in list(model.named_modules()):
            if type(layer) is torch.nn.Linear and "layers" in name:
                layer.__class__ = type("Quantized", (torch.nn.Linear,), {})

    on_engine(without_linear_layers)
    with (
        LocalHFBackend("tiny", custom_config=(tokenizer, model, device)) as quantized,
        pytest.raises(UsageError, match="tiny has no linear layers that can be trained"),
    ):
        await train(quantized, Adapter("made", tmp_path), EXAMPLES, FAST)
