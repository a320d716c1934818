"""Requirements that are wrong in one way each, and the tests of the kit that say so."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping

from mellea.core import Requirement
from mellea.core.steering import Words
from mellea.stdlib.requirements import req, simple_validate, word_count

GOOD = "Only a few words."
BAD = "Many more words than there should be in a text so short."


def _short(text: str) -> tuple[bool, str]:
    return len(text.split()) < 5, f"it has {len(text.split())} words"


def says_nothing() -> Requirement:
    return req(validation_fn=simple_validate(_short))


def gives_no_reason() -> Requirement:
    return req("Be brief.", simple_validate(lambda text: _short(text)[0]))


def remembers() -> Requirement:
    seen = itertools.count()
    return req("Be brief.", simple_validate(lambda text: (_short(text)[0], f"text {next(seen)}")))


def stumbles() -> Requirement:
    def first_word(text: str) -> tuple[bool, str]:
        return text.split(maxsplit=1)[0] != "Many", "it begins with Many"

    return req("Do not begin with Many.", simple_validate(first_word))


def steers_elsewhere() -> Requirement:
    return req("Be brief.", simple_validate(_short), form=Words(at_least=3, at_most=9))


def mends_worse() -> Requirement:
    return req("Be brief.", simple_validate(_short), repair=lambda text: f"{text} {text}")


def right() -> Requirement:
    return word_count(at_most=4)


WRONG: Mapping[Callable[[], Requirement], set[str]] = {
    right: set(),
    says_nothing: {"description_can_be_read"},
    gives_no_reason: {"texts_that_fail_it_are_told_why"},
    remembers: {"check_has_no_memory"},
    stumbles: {"any_text_gets_a_verdict"},
    steers_elsewhere: {"texts_of_its_form_pass"},
    mends_worse: {"own_fix_mends_and_breaks_nothing"},
}
"""What fails for each of them."""
