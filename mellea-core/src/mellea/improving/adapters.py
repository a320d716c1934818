"""An adapter made of the accepted answers of recorded sessions, kept only where a comparison says so."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from os import PathLike
from pathlib import Path
from typing import Any

from attrs import asdict, evolve

from mellea.core.adapter import Adapter, AdapterMixin
from mellea.core.backend import Backend
from mellea.core.capabilities import Capability
from mellea.core.errors import UsageError
from mellea.core.event_loop import synchronous
from mellea.core.model_api import missing_capability
from mellea.core.scoring import score
from mellea.core.training import TrainingSettings, train
from mellea.evaluation.comparison import Comparison
from mellea.evaluation.sequential import PairedTest
from mellea.history import History
from mellea.improving.accepted import Accepted, AcceptedAnswer, accepted_answers
from mellea.improving.held_out import Likelihoods, compare_by_check, compare_by_likelihood
from mellea.improving.trained import TrainedAdapter
from mellea.stdlib.program_file import load_program
from mellea.stdlib.session._open import open_backend

__all__ = ["atrain_adapter", "train_adapter"]

_FEWEST, _FEWEST_HELD_OUT, _MOST_HELD_OUT = 20, 9, 60


async def atrain_adapter(
    history: str | PathLike[str] | History,
    folder: str | PathLike[str],
    *,
    name: str | None = None,
    backend: str | Backend = "hf",
    model: Any = None,
    where: str | None = None,
    check: str | Callable[[str], Any] | None = None,
    settings: TrainingSettings | None = None,
    least: float = 0.15,
    error: float = 0.05,
    max_tokens: int = 256,
) -> TrainedAdapter:
    """Return an adapter that has learned from the accepted answers in a history, if it is better for it.

    It learns what was accepted as the answer to the first prompt, so that fewer repairs are needed. A third
    of the requests, chosen by their digests, is held out, 9 at the least and 60 at the most. There the
    adapter is compared with the model; unless it is known to be better, it is refused, and no folder is
    written.

    Args:
        history: The history, or its file.
        folder: The folder to write, which does not exist, or is empty.
        name: What requests are to call it; by default the folder's name.
        backend: What trains it: a backend, or the name of one.
        model: The model that it is for; by default the one that wrote most of the answers, if that is a model
            of the backend, else the backend's own.
        where: Text that a prompt has to hold for its answer to count.
        check: What tells a good answer: a function of the text, or ``program.py:function``; then both sides
            write answers anew. Without one the side is better that makes the accepted answers more likely.
        settings: How it is trained.
        least: The least difference of success rates that is worth finding.
        error: How often an adapter may be kept that is no better.
        max_tokens: The most tokens of an answer that is checked.

    Raises:
        UsageError: There are too few answers, the folder is taken, or an argument makes no sense.
        CapabilityError: The backend cannot train adapters, or cannot score.
        PluginError: The backend cannot be opened.
        ProviderError: The backend cannot be opened, or the training failed.
    """
    settings = settings or TrainingSettings()
    PairedTest(least=least, error=error)  # what is wrong with these shows before anything is trained
    target = _free(Path(folder))
    checking = load_program(check) if isinstance(check, str) else check
    kept = history if isinstance(history, History) else History(history)
    accepted = accepted_answers(kept, where=where)
    learned, held = _split(accepted, kept)
    if model is None and isinstance(backend, str):
        model = _own_model(accepted.answers, backend)
    async with _opened(backend, model) as opened:
        named = name or target.name
        _check_takes(opened, named)
        if checking is None:  # what cannot score is not trained for nothing
            await score(opened, held[0].messages, [held[0].answer])
        with _workplace(target) as made:
            adapter = Adapter(named, made, opened.base_model_name)
            run = await train(opened, adapter, [answer.example for answer in learned], settings)
            found, likelihoods = await _compared(
                opened, adapter, held, checking, least=least, error=error, max_tokens=max_tokens
            )
            came = TrainedAdapter(None, opened.base_model_name, accepted, len(held), run, found, likelihoods)
            if found.finding != "b":
                return came
            return evolve(came, adapter=_keep(adapter, came, settings, target))


train_adapter = synchronous(atrain_adapter)


def _free(target: Path) -> Path:
    """Return the folder to write, once it is known that nothing is in its place."""
    if target.exists() and not (target.is_dir() and not any(target.iterdir())):
        raise UsageError(f"{target} exists already.", hint="Name a folder that does not, or remove it.")
    return target.resolve()


@contextmanager
def _workplace(target: Path) -> Iterator[Path]:
    """Make a folder beside another one, for the length of a block."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        parent = tempfile.TemporaryDirectory(dir=target.parent, prefix=".training-")
    except OSError as error:
        raise UsageError(
            f"{target} cannot be written: {error.strerror}.", hint="Name a folder that you may write to."
        ) from error
    with parent as path:
        made = Path(path) / "adapter"
        made.mkdir()
        yield made


def _keep(adapter: Adapter, came: TrainedAdapter, settings: TrainingSettings, target: Path) -> Adapter:
    """Put an adapter in its place, with notes of how it was made."""
    likelihoods = came.likelihoods
    notes = {
        "why": came.why,
        "examples": came.run.examples,
        "held_out": came.held_out,
        "likelihoods": None if likelihoods is None else asdict(likelihoods),
        "settings": asdict(settings),
        "training": asdict(came.run),
    }
    kept = evolve(adapter, notes=notes).save()
    assert kept.folder is not None  # noqa: S101  it was made in one
    if target.exists():
        target.rmdir()
    kept.folder.rename(target)
    return evolve(kept, folder=target)


def _split(accepted: Accepted, history: History) -> tuple[list[AcceptedAnswer], list[AcceptedAnswer]]:
    """Return the answers to learn from, and those to compare on, by the digests of their requests."""
    ordered = sorted(accepted.answers, key=lambda answer: answer.digest)
    if len(ordered) < _FEWEST:
        raise UsageError(
            f"{history.path} has too few answers to learn from: {accepted.text} It takes {_FEWEST}, of which "
            f"{_FEWEST_HELD_OUT} tell whether the adapter is better.",
            hint="Record more calls that have requirements, each of another request: "
            f"start_session(history={str(history.path)!r}).",
        )
    held = min(_MOST_HELD_OUT, max(_FEWEST_HELD_OUT, len(ordered) // 3))
    return ordered[held:], ordered[:held]


def _own_model(answers: Sequence[AcceptedAnswer], backend: str) -> str | None:
    """Return the model of a backend that wrote most of its answers; None if it wrote none."""
    own = Counter(answer.model for answer in answers if answer.provider == backend and answer.model)
    return own.most_common(1)[0][0] if own else None


@asynccontextmanager
async def _opened(backend: str | Backend, model: Any) -> AsyncIterator[Any]:
    """Open a backend that is named, for the length of a block."""
    opened = open_backend(backend, None, model, None, {})
    try:
        yield opened
    finally:
        if opened is not backend:
            await opened.aclose()


def _check_takes(backend: Backend, name: str) -> None:
    if not isinstance(backend, AdapterMixin):
        raise missing_capability(
            backend, Capability.ADAPTERS, ", and could not be asked with what it learned", hint=None
        )
    if name in backend.list_adapters():
        raise UsageError(
            f"The backend has an adapter {name!r} already.", hint="Remove it, or choose another name."
        )


async def _compared(
    backend: Any,
    adapter: Adapter,
    held: Sequence[AcceptedAnswer],
    check: Callable[[str], Any] | None,
    *,
    least: float,
    error: float,
    max_tokens: int,
) -> tuple[Comparison, Likelihoods | None]:
    """Return what a comparison of the model and the adapter finds."""
    names = (_short(backend.base_model_name), adapter.name)
    await backend.aadd_adapter(adapter)
    try:
        if check is None:
            return await compare_by_likelihood(backend, adapter.name, held, names, least=least, error=error)
        found = await compare_by_check(
            backend, adapter.name, held, names, check, least=least, error=error, max_tokens=max_tokens
        )
        return found, None
    finally:
        await backend.aremove_adapter(adapter.name)


def _short(model: str) -> str:
    return f"{model.rstrip('/').rpartition('/')[2] or model} alone"
