"""The core's own requirements, judged by the kit."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from mellea.core import Requirement
from mellea.stdlib.requirements import (
    avoids,
    character_count,
    contains,
    fits_schema,
    is_json,
    matches,
    one_of,
    sentence_count,
    word_count,
)
from mellea.stdlib.requirements.forms import Bullets, Case, Quoted, of_form
from mellea.testing.conformance import RequirementConformance

Texts = tuple[str, ...]
PLACE = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
JUDGED: Mapping[str, tuple[Callable[[], Requirement], Texts, Texts]] = {
    "WordCount": (
        lambda: word_count(at_least=2, at_most=4),
        ("two words",),
        ("one", "one two three four five"),
    ),
    "CharacterCount": (lambda: character_count(at_most=9), ("short",), ("not so short",)),
    "SentenceCount": (lambda: sentence_count(at_most=1), ("One is here.",), ("One. And two.",)),
    "Contains": (lambda: contains("river", "bridge"), ("A Bridge, a river.",), ("A river.",)),
    "Avoids": (lambda: avoids("leaf", "in the end"), ("A leaflet.",), ("A Leaf!", "In the end, no.")),
    "Matches": (lambda: matches(r"[A-Z]\d{3}"), ("A123", " B456\n"), ("A12", "xA123")),
    "OneOf": (lambda: one_of(["yes", "no"]), ("yes", "No"), ("perhaps", "yes and no")),
    "IsJSON": (is_json, ('{"a": 1}', "[1]"), ("a: 1", "{")),
    "FitsSchema": (lambda: fits_schema(PLACE), ('{"city": "Rome"}',), ("{}", "Rome")),
    "Bullets": (lambda: of_form(Bullets(2)), ("* one\n* two",), ("* one",)),
    "Case": (lambda: of_form(Case("lower")), ("all is small.",), ("Not all.",)),
    "Quoted": (lambda: of_form(Quoted()), ('"All of it."',), ("None of it.",)),
}


def judging(name: str) -> type[RequirementConformance]:
    make, good, bad = JUDGED[name]
    known = {"good": good, "bad": bad, "requirement": lambda self: make()}
    return type(f"Test{name}", (RequirementConformance,), {"__module__": __name__, **known})


globals().update({f"Test{name}": judging(name) for name in JUDGED})
