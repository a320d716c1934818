"""What code may do, as a value."""

from pathlib import Path

import pytest

from mellea.core import Policy, UsageError


def test_the_default_allows_nothing():
    policy = Policy()
    assert (policy.read, policy.write, policy.network, policy.subprocesses) == ((), (), False, False)
    assert (policy.processes, policy.environment) == (1, ())


def test_equal_policies_are_one_key():
    one = Policy(read=["/a"], environment={"b": "1", "a": "2"})
    two = Policy(read=(Path("/a"),), environment=[("a", "2"), ("b", "1")])
    assert {one: 1}[two] == 1


def test_variables_stay_out_of_the_repr():
    assert "secret" not in repr(Policy(environment={"TOKEN": "secret"}))


def test_programs_that_may_start_others_have_room_for_them():
    assert Policy(subprocesses=True).processes == 32
    with pytest.raises(UsageError, match="one process only"):
        Policy(subprocesses=True, processes=1)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("memory", 1),
        ("memory", True),
        ("memory", "1G"),
        ("seconds", 0),
        ("seconds", float("inf")),
        ("processes", 0),
        ("output", 0.5),
        ("disk", 1),
    ],
    ids=str,
)
def test_a_bound_is_a_number_that_can_be_meant(field, value):
    with pytest.raises(UsageError, match=f"A policy's {field} is a"):
        Policy(**{field: value})


@pytest.mark.parametrize("value", ["/a", ["a"], ["/a\0"], [3], 3], ids=repr)
def test_folders_are_absolute_paths_in_a_list(value):
    with pytest.raises(UsageError, match="A policy's folder"):
        Policy(read=value)


@pytest.mark.parametrize("value", [{"": "x"}, {"a=b": "x"}, {"a": "x\0"}, {"a": 1}], ids=repr)
def test_variables_are_texts_that_can_be_set(value):
    with pytest.raises(UsageError, match="environment variable"):
        Policy(environment=value)
