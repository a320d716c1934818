"""What a trace tells of each attempt, in JSON, on the page, in rows and in a notebook."""

import asyncio
import json
import re
from datetime import UTC, datetime, timedelta

import pytest

from mellea import ChatContext, MelleaSession, Message, ModelOption, req, simple_validate
from mellea.core import ModelOutputThunk
from mellea.stdlib.components.docs import Table
from mellea.stdlib.sampling import MultiTurnStrategy, RejectionSamplingStrategy, RepairTemplateStrategy
from mellea.testing import ScriptedBackend
from tests.trace.traces import MARKUP, failed, result_of, varied

SHORT = req("Short.", simple_validate(lambda text: (len(text) < 5, f"{len(text)} characters")))
KEY = "sk-proj-abc123DEF456"


def session(*answers, **options):
    return MelleaSession(ScriptedBackend(list(answers), model_options=options), ChatContext())


def told(strategy, m=None):
    m = m or session("much too long", "ok")
    result = m.instruct("Say a word.", requirements=[SHORT], strategy=strategy, return_sampling_results=True)
    return json.loads(result.to_json())["attempts"]


def test_trace_holds_the_prompt_of_each_attempt_as_it_was_sent():
    m = session("much too long", "ok")
    first, second = told(RepairTemplateStrategy(loop_budget=2), m)

    sent = [
        [{"role": x.role, "content": x.content} for x in request.messages] for request in m.backend.requests
    ]
    assert [first["prompt"], second["prompt"]] == sent


@pytest.mark.parametrize(
    "strategy", [RepairTemplateStrategy(loop_budget=2), MultiTurnStrategy(loop_budget=2)]
)
def test_trace_holds_the_feedback_that_an_attempt_was_given(strategy):
    first, second = told(strategy)

    assert first["feedback"] is None
    assert "Short. (13 characters)" in second["feedback"]


def test_trace_holds_options_seed_strategy_and_time():
    before = datetime.now(UTC)
    first, second = told(
        RejectionSamplingStrategy(loop_budget=2),
        session("much too long", "ok", **{ModelOption.SEED: 7, ModelOption.MAX_NEW_TOKENS: 9}),
    )

    assert first["options"] == {"seed": 7, "max_new_tokens": 9}
    assert (first["seed"], second["seed"]) == (7, 7926)
    assert second["options"]["seed"] == 7926
    assert first["strategy"] == "RejectionSamplingStrategy(loop_budget=2)"
    started = [datetime.fromisoformat(one["started"]) for one in (first, second)]
    assert before - timedelta(seconds=1) <= started[0] <= started[1] <= datetime.now(UTC)


def test_trace_blanks_secrets():
    m = session(
        f"The key is {KEY}.",
        f"The key is {KEY}.",
        api_key="hunter2hunter2",
        extra={"Authorization": "Bearer x1y2z3w4"},
    )
    result = m.instruct(
        f"Use {KEY} at http://ann:pass@host/v1.", requirements=[SHORT], return_sampling_results=True
    )

    for shown in (result.to_json(), result.to_html()):
        assert not re.search("sk-proj-abc|hunter2|ann:pass|x1y2z3w4", shown)
    assert "[hidden]" in result.to_json()


def test_options_that_are_no_json_are_told_in_words():
    result = session("ok", tools={"a": print, "b": {1, 2}}).instruct("Say.", return_sampling_results=True)

    assert json.loads(result.to_json())["attempts"][0]["options"]["tools"]["a"] == repr(print)


def test_prompts_of_older_results_are_kept_by_who_holds_the_result_alone():
    m = session("much too long", "ok", "next")
    result = m.instruct("Say a word.", requirements=[SHORT], return_sampling_results=True)
    output = result.result
    m.chat("And now?")

    assert json.loads(result.to_json())["attempts"][0]["prompt"]
    assert [one.sent for one in output.sampling.attempts] == [None, None]
    assert json.loads(output.sampling.to_json())["attempts"][0]["prompt"] is None
    assert output.sampling.result is output


def test_page_shows_what_was_sent_and_what_was_told():
    m = session("much too long", "ok")
    result = m.instruct(
        f"Say {MARKUP}.",
        requirements=[SHORT],
        strategy=RepairTemplateStrategy(loop_budget=2),
        return_sampling_results=True,
    )
    page = result.to_html()

    assert page.count("What was sent") == 2
    assert page.count("What it was told of the attempt before") == 1
    assert "RepairTemplateStrategy(loop_budget=2)" in page
    assert "<script" not in page
    assert "seed 7919" in page


# Rows and notebooks


def test_rows_make_a_data_frame():
    rows = varied().rows()

    assert [row["attempt"] for row in rows] == [0, 1, 2, 3, 4]
    assert [row["chosen"] for row in rows] == [False] * 4 + [True]
    assert rows[0]["lacks"].startswith("No <script>") or rows[0]["lacks"]
    assert {type(value) for row in rows for value in row.values()} <= {int, float, str, bool, type(None)}
    assert len({tuple(row) for row in rows}) == 1


@pytest.mark.parametrize(
    "value",
    [
        varied(),
        failed(),
        varied().attempts[0],
        failed().attempts[0],
        Message("user", MARKUP),
        Table([MARKUP, "b"], [["1", MARKUP]]),
        ModelOutputThunk(MARKUP),
        result_of("a\ud800b", requirements=[]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_notebook_shows_values_with_their_text_as_text(value):
    shown = value._repr_html_()

    assert "<script" not in shown
    assert shown.count("<table>") == shown.count("</table>")
    assert shown.encode()


def test_notebook_shows_what_an_attempt_lacks():
    shown = failed().attempts[0]._repr_html_()

    assert "✗" in shown
    assert "The answer can be read" in shown


def test_notebook_shows_an_output_once_it_is_complete():
    async def main():
        thunk = await session("yes").astream_chat("x")
        before = thunk._repr_html_()
        await thunk.avalue()
        return before, thunk._repr_html_()

    before, after = asyncio.run(main())
    assert before is None
    assert "yes" in after
