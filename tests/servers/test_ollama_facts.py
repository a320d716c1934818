"""The test server answers as a real Ollama server was seen to.

Statuses, kinds of content, fields, and words of errors.
"""

import pytest

from tests.servers.ollama.facts import CASES, FREE, ask, fields, kind, values, without_numbers


def names(part):
    return sorted(name for name, case in CASES.items() if part in case)


def answer_to(server, case):
    server.words.extend(case.get("words", ()))
    if "before" in case:
        ask(server.base_url, *case["before"])
    answer = ask(server.base_url, *case["ask"])
    assert (answer.status_code, kind(answer)) == (case["status"], case["type"])
    return answer


@pytest.mark.parametrize("name", names("fields"))
def test_answer_has_the_fields_of_the_real_one(server, name):
    wanted, found = set(CASES[name]["fields"].split()), fields(values(answer_to(server, CASES[name])))

    assert (wanted - found, {field for field in found - wanted if not FREE.match(field)}) == (set(), set())


@pytest.mark.parametrize("name", names("error"))
def test_refusal_has_the_words_of_the_real_one(server, name):
    answer = answer_to(server, CASES[name])

    assert without_numbers(answer.json()["error"]) == without_numbers(CASES[name]["error"])


@pytest.mark.parametrize("name", names("lines"))
def test_pull_tells_what_the_real_one_tells(server, name):
    assert values(answer_to(server, CASES[name])) == CASES[name]["lines"]


@pytest.mark.parametrize("name", names("text"))
def test_plain_answer_is_the_real_one(server, name):
    assert answer_to(server, CASES[name]).text == CASES[name]["text"]


def test_every_case_is_one_of_these_kinds():
    assert sorted([*names("fields"), *names("error"), *names("lines"), *names("text")]) == sorted(CASES)
