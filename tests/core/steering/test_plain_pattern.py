"""A pattern for engines that hold the text itself to one."""

import re

import pytest

from mellea.core import SchemaDialect
from mellea.core.steering import Bullets, Matches, Quoted, Title, steer
from mellea.core.steering.pattern import Literal, anchored, plain
from mellea.core.text_pattern import TextPattern


@pytest.mark.parametrize("text", ['say "hi"', "a\nb\tc", "back\\slash\\n", "1.5 (of $2)", "\x01", "é😀"])
def test_text_matches_its_own_pattern_without_the_escapes_of_json(text):
    assert re.fullmatch(plain(anchored(Literal(text))), text)


def test_lists_and_quotes_are_written_as_they_stand_in_the_text():
    bullets = plain(steer([Bullets(2)]).pattern)

    assert "\\n" in bullets
    assert "\\\\" not in bullets
    assert plain(steer([Quoted()]).pattern).startswith('^"')


@pytest.mark.parametrize("dialect", list(SchemaDialect))
@pytest.mark.parametrize("form", [Bullets(3), Title(), Quoted(), Matches('"[a-z]+"\n')])
def test_pattern_of_a_text_is_sent_as_it_is_in_every_dialect(dialect, form):
    pattern = steer([form]).pattern
    said = TextPattern(pattern, 100).schema().in_dialect(dialect)

    assert (said.schema, said.unsaid) == ({"type": "string", "pattern": pattern}, ())


@pytest.mark.parametrize(
    ("expression", "kept", "broken"),
    [
        (r"[^\d]+", "a [few] words - ^ and ~", "3 words"),
        (r"[^ab]+", "cd]e[f", "cab"),
        (r"[\w-]{2,5}", "a-b", "a.b"),
        (r"[X-_]+", "X[]^_", "a"),
        (r"[\-^]+", "^-", "a"),
        (r"[\]a^]+", "^a]", "b"),
        ("é{2}[^a-y]", "éé]", "ééb"),
    ],
)
def test_a_class_of_an_expression_holds_the_characters_that_it_says(
    expression: str, kept: str, broken: str
) -> None:
    steering = steer([Matches(expression)], "Write.")
    assert steering.pattern is not None
    held = TextPattern(steering.pattern, 1).schema().plain_pattern
    assert held is not None
    for pattern in (expression, held):
        assert re.fullmatch(pattern, kept)
        assert not re.fullmatch(pattern, broken)
