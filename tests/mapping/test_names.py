from mellea.mapping.names import RowNames

_MANY = 70_000
"""More than are remembered in memory."""


def test_rows_that_are_alike_have_names_of_their_own_however_many_lie_between():
    names, few = RowNames("ask"), RowNames("ask")

    first = [names.name(n) for n in range(_MANY)]
    again = [names.name(0), names.name(_MANY - 1)]

    assert len({*first, *again}) == _MANY + 2
    assert [few.name(0), few.name(_MANY - 1)] == [first[0], first[-1]]
    assert [few.name(0), few.name(_MANY - 1)] == again
    names.close()
    few.close()
