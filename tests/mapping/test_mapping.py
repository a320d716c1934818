"""Rows through programs: what is asked, what comes of it, and what a second run pays for."""

from __future__ import annotations

import asyncio
import gc
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

import mellea
from mellea import ModelOption, RejectionSamplingStrategy, check, generative, simple_validate
from mellea.core.errors import (
    AuthenticationError,
    ProviderConnectionError,
    RateLimitError,
    ServerError,
    UsageError,
)
from mellea.history import History
from mellea.mapping import MappedRow, amap, estimate
from mellea.mapping import map as map_rows
from mellea.mapping import rows as mapping_rows
from mellea.testing import ScriptedBackend

ROWS = [{"n": n} for n in range(6)]


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "runs.db"


@generative
def shout(text: str) -> str:
    """Shout the text."""


@generative
async def ashout(text: str) -> str:
    """Shout the text."""


async def ask(session: Any, row: Any) -> str:
    return str((await session.ainstruct(f"Say {row['n']}.")).text)


def repaired(at_most: int) -> Any:
    """Return a program whose answers have at most so many letters."""
    short = check("It is short.", simple_validate(lambda text: len(text) <= at_most, reason="It is long."))

    async def step(session: Any, row: Any) -> str:
        strategy = RejectionSamplingStrategy(loop_budget=2)
        told = await session.ainstruct(f"Say {row['n']}.", requirements=[short], strategy=strategy)
        return str(told.text)

    return step


def values(results: Any) -> dict[int, Any]:
    return {result.place: result.value for result in results}


async def test_next_row_begins_while_the_last_one_is_kept_and_none_is_handed_on_before(journal: Path) -> None:
    last_has_begun = asyncio.Event()

    async def step(row: Any) -> Any:
        if row == "last":
            last_has_begun.set()
        return row

    results = amap(step, ["first", "last"], journal=journal, concurrency=1, progress=False)
    with closing(sqlite3.connect(journal, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")  # so that nothing is kept
        taking = asyncio.create_task(results.take())
        await last_has_begun.wait()
        assert results.progress.done == 0
        other.execute("ROLLBACK")
    taken = await taking
    while more := await results.take():
        taken += more
    assert [result.value for result in taken] == ["first", "last"]


@pytest.mark.parametrize("program", [shout, ashout])
def test_typed_function_takes_columns_as_arguments_and_leaves_the_others(program: Any):
    backend = ScriptedBackend('{"result": "HI"}')

    (result,) = map_rows(program, [{"text": "hi", "id": 4}], backend=backend, journal=False)

    assert (result.value, result.row["id"], result.success, result.attempts) == ("HI", 4, True, 1)
    assert "text (str): hi" in backend.prompts[0]


def by_name(m: Any, n: int, times: int = 2) -> Any:
    return m.chat(str(n * times))


def without_session(row: Any) -> int:
    return int(row["n"]) + 1


@pytest.mark.parametrize(
    ("program", "value"),
    [
        (by_name, "yes"),
        (without_session, 4),
        (ask, "yes"),
        (partial(ask), "yes"),
        (lambda m, **row: row, {"n": 3}),
    ],
)
def test_programs_are_called_as_they_are_made(program: Any, value: Any):
    (result,) = map_rows(program, [{"n": 3}], backend=ScriptedBackend("yes"), journal=False)

    assert (result.value, result.error) == (value, None)


def test_program_that_is_none_is_refused():
    for wrong in (3, str, lambda: None, "nowhere.py:step"):
        with pytest.raises(UsageError):
            map_rows(wrong, ROWS, journal=False)
    for said, number in {"concurrency is 0": 0, "passes is 1.5": 1.5, "at_most is -1": -1}.items():
        with pytest.raises(UsageError, match=said):
            map_rows(ask, ROWS, journal=False, **{said.split()[0]: number})
    with pytest.raises(UsageError, match="The seed is 'x'"):
        map_rows(ask, ROWS, journal=False, seed="x")
    with pytest.raises(UsageError, match="no rows"):
        map_rows(ask, 3, journal=False)  # type: ignore[arg-type]


def test_second_run_gives_the_same_and_pays_for_nothing(journal: Path):
    backend = ScriptedBackend(lambda request: f"{len(backend.requests)}")
    rows = [*ROWS, ROWS[0], ROWS[0]]
    first = list(map_rows(ask, rows, backend=backend, journal=journal))
    asked = backend.calls

    again = map_rows(ask, [{"n": 99}, *rows], backend=backend, journal=journal, ordered=True)
    second = list(again)

    assert asked == len(rows)  # rows that are alike have an answer each
    assert len({result.value for result in first}) == len(rows)
    assert sorted(result.value for result in second[1:]) == sorted(result.value for result in first)
    assert [result.place for result in second] == list(range(len(rows) + 1))
    assert backend.calls == asked + 1
    assert (again.progress.from_journal, again.progress.paid.requests) == (len(rows), 1)
    assert again.progress.spent.requests == len(rows) + 1


def test_change_of_a_program_pays_for_the_requests_that_change(journal: Path):
    first = ScriptedBackend(["no", "yes"] * 3)
    before = values(map_rows(repaired(3), ROWS, backend=first, journal=journal, concurrency=1))

    second = ScriptedBackend("no")
    after = list(map_rows(repaired(2), ROWS, backend=second, journal=journal))

    # Whoever had "no" keeps it; "yes" is too long now, and is repaired once.
    assert list(before.values()) == ["no", "yes"] * 3
    assert second.calls == 3
    assert [result.attempts for result in sorted(after, key=lambda one: one.place)] == [1, 2] * 3
    assert not any(result.from_journal for result in after)


def test_change_of_options_pays_again(journal: Path):
    backend = ScriptedBackend("yes")
    for temperature, paid in ((0.1, 6), (0.1, 0), (0.2, 6)):
        done = map_rows(
            ask, ROWS, backend=backend, journal=journal, model_options={ModelOption.TEMPERATURE: temperature}
        )
        list(done)
        assert done.progress.paid.requests == paid


def test_each_row_draws_with_a_seed_of_its_own_that_stays(journal: Path):
    backend = ScriptedBackend("yes")
    rows = [*ROWS, *ROWS]
    list(map_rows(ask, rows, backend=backend, seed=7, journal=False, concurrency=1))
    list(map_rows(ask, rows[3:], backend=backend, seed=7, journal=False, concurrency=1))

    seeds = [request.options["seed"] for request in backend.requests]
    assert len(set(seeds[: len(rows)])) == len(rows)
    assert set(seeds[len(rows) :]) <= set(seeds[: len(rows)])


def test_attempts_and_verdicts_are_told_and_in_the_history(journal: Path):
    backend = ScriptedBackend(["too long", "ok"])

    (result,) = map_rows(repaired(2), ROWS[:1], backend=backend, journal=journal)

    assert (result.value, result.attempts, result.spent.requests, result.spent.cost) == ("ok", 2, 2, 0.0)
    assert [(one.requirement, one.met) for one in result.verdicts] == [("It is short.", True)]
    (call,) = History(journal).calls()
    assert (call.outcome, call.attempts, call.requests, call.answer) == ("met", 2, 2, "ok")
    trace = History(journal).trace(call.number)
    assert trace is not None
    assert trace["attempts"][0]["requirements"][0]["reason"] == "It is long."


def test_row_that_the_provider_fails_is_tried_again_with_what_it_was_answered(journal: Path):
    backend = ScriptedBackend(["too long", "ok"], faults={2: ServerError("down", status=500)})

    (result,) = map_rows(repaired(2), ROWS[:1], backend=backend, journal=journal)

    assert (result.value, result.attempts) == ("ok", 2)
    assert backend.calls == 3  # the first attempt was not paid for twice


def test_row_that_the_model_fails_draws_anew_and_its_bill_has_both(journal: Path):
    backend = ScriptedBackend(["nothing", "nothing either", '{"result": "HI"}'])

    (result,) = map_rows(shout, [{"text": "hi"}], backend=backend, journal=journal)

    assert (result.value, result.spent.requests) == ("HI", 3)
    list(again := map_rows(shout, [{"text": "hi"}], backend=backend, journal=journal))
    assert (backend.calls, again.progress.spent.requests) == (3, 3)


def test_rows_that_fail_come_with_their_error_and_are_run_again_next_time(journal: Path):
    broken = True

    async def step(session: Any, row: Any) -> Any:
        told = await ask(session, row)
        if row["n"] == 2 and broken:
            raise KeyError("two")
        return told

    backend = ScriptedBackend("yes")
    results = list(map_rows(step, ROWS, backend=backend, journal=journal, passes=1))
    failed = [result for result in results if result.error]
    assert [(result.place, result.error, result.success) for result in failed] == [
        (2, "KeyError: 'two'", False)
    ]

    broken = False
    again = map_rows(step, ROWS, backend=backend, journal=journal, passes=1)
    assert set(values(again).values()) == {"yes"}
    assert again.progress.paid.requests == 0  # the program has changed: what was answered is still there


def test_what_ends_every_row_ends_the_map(journal: Path):
    backend = ScriptedBackend(lambda request: AuthenticationError("no such key", status=401))

    with pytest.raises(AuthenticationError):
        list(map_rows(ask, ROWS * 20, backend=backend, journal=journal, concurrency=2))

    assert backend.calls <= 4


@pytest.mark.parametrize("answers", [0, 1])
def test_server_that_never_answers_ends_the_map_and_one_that_did_fails_its_rows(answers: int):
    def answer(request: Any) -> str:
        if backend.calls <= answers:
            return "yes"
        raise ProviderConnectionError("nobody is there")

    backend = ScriptedBackend(answer)
    given = {"backend": backend, "journal": False, "concurrency": 1, "passes": 1}
    results = map_rows(ask, ROWS, model_options={ModelOption.MAX_RETRIES: 0}, **given)
    if not answers:
        with pytest.raises(ProviderConnectionError):
            list(results)
        assert backend.calls == 1
    else:
        assert [result.error is None for result in results] == [True, *[False] * (len(ROWS) - 1)]


def test_refusals_for_the_rate_fail_no_row_and_lower_the_number_at_once():
    refused = RateLimitError("slow down", status=429, retry_after=0.01)
    backend = ScriptedBackend("yes", latency=0.002, faults=dict.fromkeys(range(5, 9), refused))
    results = list(
        map_rows(ask, [{"n": n} for n in range(60)], backend=backend, concurrency=8, journal=False)
    )

    assert {result.value for result in results} == {"yes"}
    assert backend.calls == 64


async def test_rows_are_read_as_results_are_taken():
    read = 0

    def rows() -> Iterator[Any]:
        nonlocal read
        for n in range(5000):
            read += 1
            yield {"n": n}

    async def step(row: Any) -> int:
        return int(row["n"])

    async with amap(step, rows(), journal=False, concurrency=4) as results:
        first = await results.take()
        for _ in range(200):
            await asyncio.sleep(0)
        assert first
        assert read < 700
        results.stop()


async def test_leaving_early_closes_the_file_that_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    closed = []

    def read(path: Path) -> Iterator[Any]:
        try:
            for n in range(5000):
                yield {"n": n}
        finally:
            closed.append(threading.current_thread())

    async def step(row: Any) -> Any:
        return row

    monkeypatch.setitem(mapping_rows._READERS, ".jsonl", read)  # noqa: SLF001  the one that has a file
    file = tmp_path / "rows.jsonl"
    file.touch()
    gc.disable()
    try:
        async with amap(step, file, journal=False, concurrency=4) as results:
            await results.take()
            closed.clear()  # the one that counted the rows
        assert closed == [threading.current_thread()]
    finally:
        gc.enable()


async def test_leaving_early_loses_no_answer(journal: Path):
    backend = ScriptedBackend("yes", latency=0.001)
    async with amap(ask, ROWS, backend=backend, journal=journal, concurrency=2) as results:
        await results.take()
    kept = sum(call.requests for call in History(journal).calls())
    begun = backend.calls

    async for _ in amap(ask, ROWS, backend=backend, journal=journal):
        pass

    assert kept >= 1
    assert backend.calls <= len(ROWS) + begun - kept


async def test_asynchronous_rows_go_through_too():
    async def rows() -> Any:
        for n in range(3):
            yield {"n": n}

    results = [each async for each in amap(without_session, rows(), journal=False, ordered=True)]

    assert [each.value for each in results] == [1, 2, 3]


def test_estimate_is_paid_once_and_covers_what_comes(journal: Path):
    backend = ScriptedBackend(lambda request: "yes " * (1 + len(request.messages[-1].content) % 2))
    rows = [{"n": n} for n in range(95, 135)]

    told = estimate(ask, rows, sample=10, backend=backend, journal=journal)
    done = map_rows(ask, rows, backend=backend, journal=journal)
    list(done)

    assert (told.rows, told.sample, told.failed, told.paid.requests) == (40, 10, 0, 10)
    low, high = told.tokens
    assert low <= done.progress.spent.usage.total_tokens <= high
    assert told.cost == (0.0, 0.0)
    assert backend.calls == 40
    assert "40 rows, from a sample of 10" in str(told)
    assert "$0.0004 to $0.0012" in str(evolve(told, cost=(0.00041, 0.00119)))
    assert "$0.14 to $0.18" in str(evolve(told, cost=(0.14, 0.18)))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("rows.jsonl", '{"n": "1"}\n\n{"n": "2"}\n'),
        ("rows.json", '[{"n": "1"}, {"n": "2"}]'),
        ("rows.csv", "n\n1\n2\n"),
        ("rows.tsv", "n\tm\n1\t\n2\t\n"),
    ],
)
def test_rows_are_read_from_files(tmp_path: Path, name: str, text: str):
    (tmp_path / name).write_text(text)

    results = map_rows(without_session, tmp_path / name, journal=False, ordered=True)

    assert [result.value for result in results] == [2, 3]
    assert results.progress.total == 2


def test_rows_are_read_from_parquet(tmp_path: Path):
    import pyarrow as pa
    from pyarrow import parquet

    parquet.write_table(pa.table({"n": [1, 2]}), tmp_path / "rows.parquet")

    results = map_rows(without_session, str(tmp_path / "rows.parquet"), journal=False)

    assert (sorted(values(results).values()), results.progress.total) == ([2, 3], 2)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("rows.jsonl", '{"n": 1}\n{"n"\n', "line 2 is no JSON"),
        ("rows.csv", "n\n1,2\n", "another number of fields"),
        ("rows.xls", "", "a kind that is not read"),
        ("rows.json", "{}", "no list"),
        ("rows.json", "é", "no text in UTF-8"),
        ("rows.jsonl", '{"n": 1}\n"é"\n', "no text in UTF-8"),
        ("rows.csv", "n\né\n", "no text in UTF-8"),
        ("rows.csv", 'n,m\n1,"2\n3,4\n', "line 2 cannot be read: unexpected end of data"),
        ("rows.csv", 'n,m\n1,"a "b" c"\n', "line 2 cannot be read"),
        ("rows.csv", f"n\n{'x' * 200_000}\n", "line 2 cannot be read: field larger"),
        ("rows.tsv", "n\tm\tn\n1\t2\t3\n", "more than one column 'n'"),
    ],
)
def test_file_that_has_no_rows_is_refused(tmp_path: Path, name: str, text: str, said: str):
    (tmp_path / name).write_text(text, "latin-1")
    with pytest.raises(UsageError, match=said):
        list(map_rows(without_session, tmp_path / name, journal=False))


def test_value_that_json_cannot_hold_fails_its_row_alone():
    results = list(map_rows(lambda row: object() if row else 1, [0, 1], journal=False, passes=1))

    assert [result.value for result in results if not result.error] == [1]
    assert [str(result.error)[:16] for result in results if result.error] == ["UsageError: What"]


def test_map_is_a_name_of_the_package():
    assert mellea.map is map_rows
    assert MappedRow(0, 1).success


async def test_row_goes_on_with_an_answer_while_it_is_kept_and_asks_again_once_it_is(journal: Path):
    checked = asyncio.Event()

    def is_short(text: str) -> bool:
        checked.set()
        return False

    async def step(session: Any, row: Any) -> None:
        wanted = check("It is short.", simple_validate(is_short))
        strategy = RejectionSamplingStrategy(loop_budget=2)
        await session.ainstruct("Say it.", requirements=[wanted], strategy=strategy)

    with closing(sqlite3.connect(journal, isolation_level=None, check_same_thread=False)) as other:

        def answer(request: Any) -> str:
            if not checked.is_set():
                other.execute("BEGIN IMMEDIATE")  # so that nothing is kept
            return "long"

        backend = ScriptedBackend(answer)
        results = amap(step, ["row"], backend=backend, journal=journal, progress=False, passes=1)
        taking = asyncio.create_task(results.take())
        await checked.wait()
        for _ in range(100):
            await asyncio.sleep(0)
        assert backend.calls == 1
        other.execute("ROLLBACK")
        await taking
    assert backend.calls == 2
