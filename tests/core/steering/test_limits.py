"""How large forms may be: what steers, and what is left to checking. The table is in docs/steering.md."""

import pytest

from mellea.core.steering import (
    BeginsWith,
    Bullets,
    Characters,
    Contains,
    EndsWith,
    Headings,
    Highlights,
    Matches,
    Numbered,
    Numbers,
    Paragraphs,
    Placeholders,
    Sentences,
    Words,
    steer,
)

TOO_LARGE = "the pattern of all would be too large"
KEYWORDS = [f"{first}{last}" for first in ("sea", "sun", "rain", "wind") for last in "abcdefghij"]
STEERED = [
    [Contains(word) for word in KEYWORDS],
    [Contains("tea", 8)],
    [Contains("tea", 8, 8)],
    [Numbers(8)],
    [Placeholders(12)],
    [Highlights(12)],
    [Bullets(12)],
    [Numbered(12)],
    [Headings([f"Part {word}" for word in KEYWORDS])],
    [Sentences(100, 100)],
    [Paragraphs(80, 80)],
    [Words(20_000, 20_000)],
    [Matches("a{200}")],
    [Sentences(at_most=50), Words(250, 1000)],
]
CHECKED = [
    ([Contains("tea", 9)], "a plan makes a word occur 8 times at most"),
    ([Numbers(9)], "a plan makes 8 numbers occur at most"),
    ([Placeholders(13)], "a plan makes 12 occur at most"),
    ([Bullets(13)], "a plan has lists of 12 items at most"),
    ([Sentences(160, 160)], TOO_LARGE),
    ([Paragraphs(160, 160)], TOO_LARGE),
    ([Matches("a{201}")], "it repeats something more than 200 times"),
    ([BeginsWith("on " * 200 + "on")], "between 24 and 130 words leave no room for what must occur"),
    ([EndsWith("on " * 200 + "on.")], "between 24 and 130 words leave no room for what must occur"),
    ([Characters(300, 300)], "words cannot stand in for so narrow a number of characters"),
    ([Words(70, 280), Sentences(14, 14)], TOO_LARGE),
    ([Words(1000, 1300), Sentences(50, 50)], TOO_LARGE),
]


@pytest.mark.parametrize("forms", STEERED, ids=str)
def test_form_steers_up_to_its_limit(forms):
    assert [outcome.why for outcome in steer(forms, "Write about tea.").outcomes] == [""] * len(forms)


@pytest.mark.parametrize(("forms", "why"), CHECKED, ids=str)
def test_form_beyond_its_limit_is_left_to_checking(forms, why):
    assert [outcome.why for outcome in steer(forms, "Write about tea.").outcomes][-1] == why
