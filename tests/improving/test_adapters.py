"""An adapter is made of accepted answers, and kept only if it is better on others."""

import json
from contextlib import contextmanager

import pytest

from mellea import ModelOption, start_session
from mellea.cli import main
from mellea.core import (
    Adapter,
    CapabilityError,
    Score,
    ScoringAPI,
    TrainingAPI,
    TrainingExample,
    TrainingRun,
    TrainingSettings,
    UsageError,
    train,
)
from mellea.improving import accepted_answers, atrain_adapter, train_adapter
from mellea.stdlib.requirements import contains
from mellea.testing import ScriptedBackend
from tests.adapted import Adapted


class Trained(Adapted, TrainingAPI, ScoringAPI):
    """Writes down what it is to learn; ``gain`` is what that makes of the likelihood of any answer."""

    def __init__(self, gain=2.0, answer="Hm."):
        super().__init__(lambda request: answer if request.adapter else "Hm.")
        self.gain = gain
        self.learned, self.scored = [], []

    async def train_adapter(self, adapter, examples, settings):
        self.learned += [(example.messages, example.answer) for example in examples]
        for name in ("adapter_config.json", "adapter_model.safetensors"):
            (adapter.folder / name).write_text("{}")
        return TrainingRun(len(examples), 0, 4, 4, 100, 3.0, 1.0, 0.1)

    async def score(self, request):
        self.scored.append((request.prefix, request.continuations[0]))
        return [Score(text, (-5.0, self.gain if request.adapter else 0.0)) for text in request.continuations]


def record(path, count):
    with start_session(ScriptedBackend("The sea."), history=path) as m:
        for number in range(count):
            m.instruct(f"Thing {number}.", requirements=[contains("sea")])
    return path


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A history with 30 accepted answers."""
    return record(tmp_path_factory.mktemp("history") / "runs.db", 30)


def test_better_adapter_is_written_with_notes(runs, tmp_path):
    backend = Trained()

    found = train_adapter(runs, tmp_path / "made" / "sea", backend=backend)

    assert found.is_better
    assert found.why.startswith(
        "sea is better than script alone: 100% to 0% of 9 tasks, known at an error of 5%."
    )
    assert found.likelihoods.after - found.likelihoods.before == 1
    adapter = Adapter.read(tmp_path / "made" / "sea")
    assert adapter == found.adapter
    assert (adapter.name, adapter.base_model, adapter.notes["examples"]) == ("sea", "script", 20)
    assert (adapter.notes["held_out"], adapter.notes["why"]) == (10, found.why)
    assert backend.list_adapters() == []
    assert json.loads(found.to_json())["left_out"] == {}


def test_no_request_is_both_learned_and_held_out_and_the_choice_stays(runs, tmp_path):
    first, second = Trained(), Trained()
    for number, backend in enumerate((first, second)):
        train_adapter(runs, tmp_path / str(number), backend=backend, settings=TrainingSettings(seed=number))

    assert (first.learned, first.scored) == (second.learned, second.scored)
    held = {messages for messages, _ in first.scored}
    assert len(first.learned) == 20
    assert not held & {messages for messages, _ in first.learned}


@pytest.mark.parametrize(("gain", "difference"), [(0.0, 0), (0.6, 0), (-2.0, 1)])
def test_adapter_that_is_no_better_is_refused_and_nothing_is_written(runs, tmp_path, gain, difference):
    found = train_adapter(runs, tmp_path / "made", backend=Trained(gain))

    assert (found.adapter, found.comparison.difference) == (None, difference)
    assert found.why.startswith("Refused, and nothing is written: ")
    assert list(tmp_path.iterdir()) == []


def test_check_decides_by_new_answers(runs, tmp_path):
    def names_the_sea(answer):
        return "sea" in answer

    better, worse = Trained(gain=-9, answer="The sea."), Trained(gain=9, answer="The river.")

    found = train_adapter(runs, tmp_path / "better", backend=better, check=names_the_sea)
    refused = train_adapter(runs, tmp_path / "worse", backend=worse, check=names_the_sea)

    assert found.why == "better is better than script alone: 100% to 0% of 9 tasks, known at an error of 5%."
    assert (refused.is_better, refused.likelihoods) == (False, None)
    asked = [request.messages for request in better.requests]
    assert {messages for messages, _ in better.learned}.isdisjoint(asked)
    assert all(request.options[ModelOption.TEMPERATURE] == 0 for request in better.requests)


def test_too_few_answers_are_refused_with_the_figures(tmp_path):
    path = record(tmp_path / "runs.db", 3)
    with start_session(ScriptedBackend("Hm."), history=path) as m:
        m.chat("Hello.")

    with pytest.raises(UsageError) as error:
        train_adapter(path, tmp_path / "made", backend=Trained())

    assert (
        "has too few answers to learn from: 3 accepted answers in 4 calls. Left out: 1 had no requirement to "
        "meet. It takes 20, of which 9 tell whether the adapter is better."
    ) in str(error.value)


@contextmanager
def taken(folder):
    folder.mkdir()
    (folder / "notes.txt").write_text("mine")
    yield
    assert (folder / "notes.txt").read_text() == "mine"


def test_folder_that_is_taken_is_left_alone(runs, tmp_path):
    with taken(tmp_path / "made"), pytest.raises(UsageError, match="made exists already"):
        train_adapter(runs, tmp_path / "made", backend=Trained())


@pytest.mark.parametrize(
    ("backend", "why"),
    [
        (ScriptedBackend(""), "does not declare 'adapters'"),
        (Adapted(), "cannot score: Adapted is no ScoringAPI"),
    ],
)
async def test_backend_that_cannot_is_refused_before_anything_is_trained(runs, tmp_path, backend, why):
    with pytest.raises(CapabilityError, match=why):
        await atrain_adapter(runs, tmp_path / "made", backend=backend)
    assert list(tmp_path.iterdir()) == []


async def test_what_cannot_be_trained_is_refused(tmp_path):
    (answered,) = accepted_answers(record(tmp_path / "runs.db", 1)).answers
    adapter, examples = Adapter("made", tmp_path), [answered.example]

    with pytest.raises(CapabilityError, match="Adapted is no TrainingAPI; nothing was computed"):
        await train(Adapted(), adapter, examples)
    for wrong in ([], [TrainingExample(answered.messages, "")]):
        with pytest.raises(UsageError, match="There is nothing to learn"):
            await train(Trained(), adapter, wrong)
    with pytest.raises(UsageError, match="'made' has no folder"):
        await train(Trained(), Adapter("made"), examples)


@pytest.mark.parametrize(
    "given",
    [{"rank": 0}, {"steps": 0}, {"layers": True}, {"seconds": 0}, {"learning_rate": None}, {"seed": -1}],
)
def test_settings_that_make_no_sense_are_refused(given):
    with pytest.raises(UsageError, match=f"{next(iter(given))} is "):
        TrainingSettings(**given)


def test_command_refuses_a_backend_that_cannot_train(runs, tmp_path, capsys):
    status = main(["train-adapter", str(runs), "-b", "nothing", "-o", str(tmp_path / "made")])

    assert status == 1
    assert "mellea: " in capsys.readouterr().err
