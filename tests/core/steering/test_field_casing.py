"""Texts within a JSON object are put in the case that is asked for while it comes."""

import json

import pytest

from mellea.core.steering.casing import cased
from mellea.core.steering.field_casing import FieldCasing

KINDS = {"name": "upper", 'a "text"': "title"}
VALUE = {
    "name": "Zoë said \"o'neill's\"\nback\\slash \U0001f600 é",
    "other": "Not this one",
    'a "text"': "the old-fashioned clock doesn't stop",
    "list": ["Name", {"name": "inside"}, "a"],
    "number": 12,
    "none": None,
}
PUT = {**VALUE, "name": cased(VALUE["name"], "upper"), 'a "text"': cased(VALUE['a "text"'], "title")}


@pytest.mark.parametrize("ascii_only", [True, False])
@pytest.mark.parametrize("indent", [None, 2])
def test_texts_are_put_in_their_case_wherever_the_json_is_split(indent, ascii_only):
    written = json.dumps(VALUE, indent=indent, ensure_ascii=ascii_only)

    for split in range(len(written) + 1):
        casing = FieldCasing(KINDS)
        assert json.loads(casing.feed(written[:split]) + casing.feed(written[split:])) == PUT
    casing = FieldCasing(KINDS)
    assert json.loads("".join(map(casing.feed, written))) == PUT


def test_what_is_no_json_stays_as_it_is():
    assert FieldCasing({"name": "upper"}).feed('{"name": "a\\x", } said "he') == '{"name": "A\\x", } said "he'
