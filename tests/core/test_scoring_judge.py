"""Judging by one forward pass: the probability of yes against no, and how it was had."""

import math

import pytest

from mellea import req
from mellea.core import Capability, Score, ScoringAPI, ScoringJudge, TokenLogprob, UsageError
from mellea.stdlib.context import SimpleContext
from mellea.stdlib.requirements import graded, validate_all
from mellea.stdlib.sampling import RejectionSamplingStrategy
from mellea.testing import Reply, ScriptedBackend
from tests.stdlib.requirements.test_judges_stop import CTX

YES, NO = math.log(0.6), math.log(0.2)


class Scoring(ScriptedBackend, ScoringAPI):
    """Gives every word the probability that its table says."""

    def __init__(self, table, answers=""):
        super().__init__(answers)
        self.table, self.scored = table, []

    async def score(self, request):
        self.scored.append(request)
        return [Score(text, (math.log(self.table.get(text, 1e-9)),)) for text in request.continuations]


def first_token(**logprobs):
    alternatives = [TokenLogprob(token, logprob) for token, logprob in logprobs.items()]
    return Reply("Yes", logprobs=[TokenLogprob("Yes", -1.0, alternatives=alternatives)])


async def test_backend_that_scores_is_asked_for_the_probability_of_yes():
    backend = Scoring({"Yes": 0.3, "yes": 0.3, "No": 0.15, "no": 0.05})

    kind, short = await validate_all(
        [req("Kind.", judge="score"), req("Short.", judge="score")], CTX, backend
    )

    assert (kind.result, kind.basis, kind.trust) == (True, "scored", "uncalibrated")
    assert kind.probability == kind.score == pytest.approx(0.75)
    assert short.probability == pytest.approx(0.75)
    prompts = [request.prefix[0].content for request in backend.scored]
    shared = prompts[0].partition("Requirement: ")[0]
    assert prompts[1].startswith(shared)
    assert backend.calls == 0


async def test_backend_with_logprobs_is_asked_for_one_token():
    reply = first_token(**{" yes": YES, "NO": NO, "maybe": -1.5})
    backend = ScriptedBackend(reply, capabilities={Capability.LOGPROBS})

    [verdict] = await validate_all([req("Kind.", judge=ScoringJudge(backend))], CTX, ScriptedBackend("x"))

    assert (verdict.result, verdict.basis) == (True, "log-probabilities")
    assert verdict.probability == pytest.approx(0.75)
    assert backend.requests[0].options["max_new_tokens"] == 1


async def test_first_token_that_is_neither_word_is_judged_in_writing():
    backend = ScriptedBackend([first_token(Well=-0.1), "no, it is rude"], capabilities={Capability.LOGPROBS})

    [verdict] = await validate_all([req("Kind.", judge="score")], CTX, backend)

    assert (verdict.result, verdict.basis, verdict.probability) == (False, "written", None)
    assert verdict.reason == "no, it is rude"


async def test_any_other_backend_judges_in_writing():
    [verdict] = await validate_all([req("Kind.", judge="score")], CTX, ScriptedBackend("yes"))

    assert (verdict.result, verdict.basis, verdict.trust) == (True, "written", "uncalibrated")


async def test_judge_of_a_strategy_judges_what_names_none_and_the_trace_tells():
    backend, strong = Scoring({"Yes": 0.1, "No": 0.3}, "text"), ScriptedBackend("yes")
    strategy = RejectionSamplingStrategy(judge="score")
    wanted = ["Kind.", req("Short.", judge=strong), graded("How kind?", judge=strong, at_least=1)]

    result = await strategy.sample("Ask.", SimpleContext(), backend, wanted)

    kind, short, _ = result.to_dict()["attempts"][0]["requirements"]
    assert (kind["basis"], kind["trust"], kind["met"]) == ("scored", "uncalibrated", False)
    assert kind["probability"] == pytest.approx(0.25)
    assert "basis" not in short
    assert strong.calls == 2
    from mellea.core.trace import as_html, as_tree, read_trace

    trace = read_trace(result.to_json())
    assert "[scored, yes 0.25, uncalibrated, " in as_tree(trace)
    assert "uncalibrated" in as_html(trace)


def test_word_that_names_no_judge_is_refused():
    with pytest.raises(UsageError, match="There is no judge 'sore'"):
        req("Kind.", judge="sore")
    with pytest.raises(UsageError, match="'score' is no backend"):
        ScoringJudge("score")


async def test_requirement_without_words_is_refused():
    with pytest.raises(UsageError, match="neither a check nor a description"):
        await validate_all([req(judge="score")], CTX, Scoring({}))
