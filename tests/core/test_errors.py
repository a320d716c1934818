import builtins
import copy
import inspect
import pickle
import re

import pytest

from mellea.core import errors
from mellea.core.errors import MelleaError, retry_after_seconds

TREE = re.findall(r"^([ │├└─]*)(\w+)((?: \([\w, ]+\))?)", errors.__doc__.split("\n\n")[2], re.MULTILINE)
CLASSES = [
    value for value in vars(errors).values() if inspect.isclass(value) and issubclass(value, MelleaError)
]
WORDED_THEMSELVES = {errors.PluginViolationError, errors.AdapterSchemaMismatchError}
MADE_ALIKE = [cls for cls in CLASSES if cls not in WORDED_THEMSELVES]
FIELDS = {"hint": "Do this.", "backend": "b", "model_id": "m", "retry_after": 2.0, "status": 429}


OF_ITS_OWN = {errors.CapabilityError: {"missing": "images"}, errors.LimitTooSmallError: {"least": 12}}


def made(cls):
    return cls("It broke.", **OF_ITS_OWN.get(cls, {}), **FIELDS)


def parents():
    """Return what the docstring's tree says: (name, parent, builtins)."""
    path, rows = {}, []
    for indent, name, bases in TREE:
        depth = len(indent) // 4
        path[depth] = name
        rows.append((name, path.get(depth - 1), tuple(re.findall(r"\w+", bases))))
    return rows


def test_tree_in_the_docstring_is_the_tree_of_the_classes():
    drawn = {(name, parent) for name, parent, _ in parents()}
    assert drawn == {
        (cls.__name__, cls.__bases__[0].__name__ if cls is not MelleaError else None) for cls in CLASSES
    }


def test_every_class_is_public():
    assert {cls.__name__ for cls in CLASSES} <= set(errors.__all__)


@pytest.mark.parametrize(("name", "bases"), [(name, bases) for name, _, bases in parents() if bases])
def test_errors_are_the_builtins_that_the_tree_says(name, bases):
    assert all(issubclass(getattr(errors, name), getattr(builtins, base)) for base in bases)


@pytest.mark.parametrize("cls", MADE_ALIKE)
def test_errors_cross_a_process_pool_with_their_fields(cls):
    error = made(cls)
    error.add_note("noted")
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is cls
    assert str(again) == str(error)
    assert again.__dict__ == error.__dict__


@pytest.mark.parametrize("cls", MADE_ALIKE)
def test_errors_can_be_copied(cls):
    assert str(copy.copy(made(cls))) == str(copy.deepcopy(made(cls))) == "It broke. Do this."


@pytest.mark.parametrize("cls", MADE_ALIKE)
def test_messages_end_with_the_remedy(cls):
    assert str(made(cls)) == "It broke. Do this."


def test_message_without_a_remedy_is_the_message():
    assert str(errors.ServerError("It broke.")) == "It broke."


def test_capability_error_pickles_what_is_missing():
    assert pickle.loads(pickle.dumps(made(errors.CapabilityError))).missing == "images"


RETRYABLE = {
    "ProviderConnectionError",
    "StreamInterruptedError",
    "ProviderTimeoutError",
    "RateLimitError",
    "ServerError",
    "ToolServerConnectionError",
    "ToolServerTimeoutError",
}


@pytest.mark.parametrize("cls", MADE_ALIKE)
def test_only_passing_troubles_are_retryable(cls):
    assert cls.retryable is (cls.__name__ in RETRYABLE)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("3", 3.0),
        ("0.5", 0.5),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
        (None, None),
        ("", None),
        ("-1", None),
        ("nan", None),
        ("inf", None),
        ("soon", None),
        ("Wed, 21 Oct 2015 07:28:00 -0000", None),
    ],
)
def test_waiting_time_is_read_from_seconds_or_a_date(header, seconds):
    assert retry_after_seconds(header) == seconds


def test_waiting_time_until_a_later_date_is_positive():
    assert retry_after_seconds("Fri, 31 Dec 2999 23:59:59 GMT") > 0
