import pytest

from mellea.core.steering import Guards, Words, steer

GOOD = (
    "The river runs through the old town and brings fresh fish to every market. "
    "Children play on its banks until the evening bell rings loudly."
)


def test_good_text_has_no_fault():
    assert Guards().check(GOOD) == (True, "nothing is wrong with it")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("Too short.", "fewer than 20"),
        (" ".join(["the city sleeps"] * 10) + ".", "different"),
        (f"{GOOD} {GOOD}", "comes twice"),
        (GOOD.removesuffix(" rings loudly."), "breaks off"),
        (GOOD.replace("loudly.", "and."), "ends with 'and'"),
        (f"{GOOD} Numbers are 1 2 3 4 5 6.", "counts on"),
        (f"{GOOD} We saw a, b, c, d, e, f, g, h, i.", "lists on"),
    ],
)
def test_fault_is_named(text, fault):
    met, reason = Guards().check(text)

    assert not met
    assert any(fault in each for each in [reason, *Guards().faults(text)])


def test_words_nobody_knows_are_a_fault_where_there_is_a_list():
    known = GOOD.lower().replace(".", "").split()
    text = GOOD.replace("fresh fish", "freshfishand ofthemarket")

    assert Guards(frozenset(known)).check(GOOD)[0]
    assert "unknown" in Guards(frozenset(known)).check(text)[1]
    assert Guards(frozenset(known), prompt="freshfishand ofthemarket").check(text)[0]


@pytest.mark.parametrize(("limit", "least"), [(None, 13), (32, 8), (24, 6), (400, 13)])
def test_a_small_limit_allows_a_short_text(limit, least):
    steering = steer([Words(at_most=20)], "Write.").holding([""], limit)

    assert steering.guards.shortest == least
