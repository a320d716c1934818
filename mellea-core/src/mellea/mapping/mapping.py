"""``map`` and ``amap``: rows through a program."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal

from mellea import __version__
from mellea.core.backend import Backend
from mellea.core.errors import UsageError
from mellea.core.options import ModelOption, OptionTable
from mellea.core.request_key import without_secrets
from mellea.mapping.engines import Engine, LocalEngine, Opening
from mellea.mapping.journal import Journal, NoJournal, journal_of
from mellea.mapping.names import program_version
from mellea.mapping.programs import Program
from mellea.mapping.rows import Rows, source_of
from mellea.mapping.running import Plan, Results, SyncResults

if TYPE_CHECKING:
    from mellea.history import History

__all__ = ["CONCURRENCY", "amap", "map", "plan_of"]

CONCURRENCY = 32
"""How many rows at the same time, unless something else is said."""


def plan_of(
    program: str | Callable[..., Any],
    rows: Rows,
    *,
    backend: str | Backend | Callable[[], Backend] | None = None,
    model: Any = None,
    model_options: Mapping[str, Any] | None = None,
    seed: int | None = None,
    concurrency: int | None = None,
    journal: str | os.PathLike[str] | History | bool = True,
    passes: int = 2,
    ordered: bool = False,
    progress: bool = True,
    plugins: Iterable[Any] = (),
    at_most: int | None = None,
    engine: Literal["local", "ray"] = "local",
    workers: int | None = None,
    resources: Mapping[str, Any] | None = None,
    **backend_kwargs: Any,
) -> Plan:
    """Return what ``map`` would do; see there."""
    numbers = {"concurrency": concurrency, "passes": passes, "workers": workers, "at_most": at_most}
    for name, number in numbers.items():
        if number is not None and (isinstance(number, bool) or not isinstance(number, int) or number < 1):
            raise UsageError(f"{name} is {number!r}.", hint="Pass a whole number, 1 or more.")
    if engine not in ("local", "ray"):
        raise UsageError(f"There is no engine {engine!r}.", hint='Choose "local" or "ray".')
    if engine == "local" and (workers is not None or resources):
        raise UsageError("workers and resources are for a cluster.", hint='Pass engine="ray", too.')
    given = Program.of(program)
    options = dict(OptionTable({}, {}).canonical(model_options))
    seed = options.pop(ModelOption.SEED, None) if seed is None else seed
    if not isinstance(seed, int | None) or isinstance(seed, bool):
        raise UsageError(f"The seed is {seed!r}.", hint="Pass a whole number.")
    opening = Opening(backend, model, backend_kwargs, options, tuple(plugins))
    source = source_of(rows)
    kept = journal_of(journal)
    try:
        taking = _engine(engine, given, opening, kept, concurrency or CONCURRENCY, workers, resources)
    except UsageError:
        kept.discard()
        raise
    return Plan(
        given.name,
        _version(given, opening, seed),
        source,
        taking,
        kept,
        seed,
        passes,
        ordered,
        progress,
        at_most,
    )


def _engine(
    name: str,
    program: Program,
    opening: Opening,
    journal: Journal | NoJournal,
    places: int,
    workers: int | None,
    resources: Mapping[str, Any] | None,
) -> Engine:
    if name == "local":
        return LocalEngine(program, opening, journal, places)
    from mellea.mapping.cluster import RayEngine  # noqa: PLC0415  an extra

    return RayEngine(program, opening, journal, places, workers, resources or {})


def _version(program: Program, opening: Opening, seed: int | None) -> bytes:
    """Return what names the version of a program, with all that shapes its results."""
    given = opening.backend
    if isinstance(given, Backend):
        told: Any = [given.provider, given.model_id, str(getattr(given, "base_url", ""))]
        told.append(without_secrets(given.model_options))
    else:
        told = given if isinstance(given, str | None) else getattr(given, "__qualname__", "a function")
        named = {name: os.environ.get(name) for name in ("MELLEA_BACKEND", "MELLEA_MODEL")}
        told = [told, named if given is None else None, str(opening.model)]
        told.append(without_secrets(opening.arguments))
    about = {
        "backend": told,
        "options": without_secrets(opening.model_options),
        "seed": seed,
        "release": __version__,
    }
    return program_version(program.function, about)


def map(program: str | Callable[..., Any], rows: Rows, **options: Any) -> SyncResults:
    """Take rows of data through a program, many at the same time, and return the results as they come.

    What was asked and answered is in the journal, a history. Run again with the same one, it pays only for
    what is not in there: not for rows that are done, nor for what a row was answered before it was
    cut short. A change of the program runs its rows again, and pays for the requests that change.

    Args:
        program: A typed function, whose arguments are the columns of a row; a function of a session and a
            row; or the name of one, as ``program.py:function``.
        rows: A file (JSON Lines, JSON, CSV, TSV, Parquet), or an iterable.
        options: What ``amap`` takes.

    Returns:
        An iterator over a ``MappedRow`` for each row. ``progress`` says how far it is, ``stop()`` lets what
        is under way end.

    Raises:
        UsageError: The program, the rows, an option or the journal is none.
        MelleaError: (while iterating) What ends all rows, such as a key that the provider refuses.
    """
    return SyncResults(plan_of(program, rows, **options))


def amap(
    program: str | Callable[..., Any],
    rows: Rows,
    *,
    backend: str | Backend | Callable[[], Backend] | None = None,
    model: Any = None,
    model_options: Mapping[str, Any] | None = None,
    seed: int | None = None,
    concurrency: int = CONCURRENCY,
    journal: str | os.PathLike[str] | History | bool = True,
    passes: int = 2,
    ordered: bool = False,
    progress: bool = True,
    plugins: Iterable[Any] = (),
    at_most: int | None = None,
    engine: Literal["local", "ray"] = "local",
    workers: int | None = None,
    resources: Mapping[str, Any] | None = None,
    **backend_kwargs: Any,
) -> Results:
    """Take rows of data through a program, for ``async for``; see ``map``.

    Args:
        program: The program.
        rows: The rows; an asynchronous iterable, too.
        backend: What the sessions generate with: the name of an installed backend, an instance, or a function
            that makes one. By default as for ``start_session``.
        model: The model; by default the backend's own.
        model_options: Options of every call.
        seed: The seed of all draws; each row draws with one of its own, the same in each run.
        concurrency: The most rows, and requests, at the same time; for a cluster, of each worker. Where the
            provider refuses requests for their rate there are fewer, until it does not any more.
        journal: The SQLite file of a history, or a ``History``; True for that of ``MELLEA_HISTORY``, else
            ``runs.db``; False for none.
        passes: How often a row that fails is tried in all; its error comes out after the last time.
        ordered: Whether the results of a pass come in the order of the rows, else as they come.
        progress: Whether a terminal shows how far it is.
        plugins: What each session brings along.
        at_most: How many rows are taken; None for all.
        engine: ``local`` for tasks in this process, ``ray`` for actors of Ray.
        workers: With Ray, how many actors; by default one for each two processors of the cluster.
        resources: With Ray, what an actor takes of its machine: ``num_cpus``, ``num_gpus``, ``memory``...
        backend_kwargs: Passed on to the backend.

    Raises:
        UsageError: The program, the rows, an option or the journal is none.
    """
    return Results(
        plan_of(
            program, rows, backend=backend, model=model, model_options=model_options, seed=seed,
            concurrency=concurrency, journal=journal, passes=passes, ordered=ordered, progress=progress,
            plugins=plugins, at_most=at_most, engine=engine, workers=workers, resources=resources,
            **backend_kwargs,
        )
    )  # fmt: skip
