"""Automata over a small vocabulary: texts drawn from them keep the forms, and distances are exact."""

from __future__ import annotations

import itertools
import random
from typing import ClassVar

import numpy as np
import pytest

from mellea.core import UsageError
from mellea.core.steering import ContradictionError
from mellea.core.steering.automata import Prose, automaton_of
from mellea.core.steering.casing import cased
from mellea.core.steering.forms import (
    Avoids,
    AvoidsCharacters,
    BeginsWith,
    Bullets,
    Case,
    Characters,
    Contains,
    EndsWith,
    Headings,
    Highlights,
    InScript,
    Matches,
    Numbered,
    Numbers,
    OneOf,
    Paragraphs,
    Placeholders,
    Postscript,
    Quoted,
    Sentences,
    Title,
    Words,
)
from mellea_hf.steering.compiling import FormCompiler
from mellea_hf.steering.joint import Joint
from mellea_hf.steering.lifting import FAR, lift
from mellea_hf.steering.vocabulary import Vocabulary

_WORDS = "a b tea Tea t e The Sea S dear My That is all P.S. P yes no é ß Ж … teas ten"
PIECES = (*_WORDS.split(), *".!?,:;'*-+#<>[]()123", '"', "**", "##", "<<", ">>", "12", "1.", "2.")
TEXTS = [*PIECES, *(f" {each}" for each in PIECES), " ", "\n", "\n\n", "\n* ", ".\n", ' "', "\u00a0", "\r"]
FORMS = [
    Words(3, 5),
    Words(at_least=4),
    Sentences(2, 2),
    Paragraphs(2, 2),
    Paragraphs(1, 1),
    Characters(9, 14),
    Numbers(2),
    Numbers(0),
    Contains("tea", 2),
    Contains("tea", 1, 1),
    Contains("is all"),
    Avoids(["tea", "is all"]),
    ~Contains("ea t"),
    AvoidsCharacters(",e"),
    BeginsWith("My dear"),
    EndsWith("That is all."),
    EndsWith("?"),
    Case("lower"),
    Case("upper"),
    Case("title"),
    InScript("Latin"),
    Bullets(2),
    Numbered(2),
    Headings(["The Sea", "Tea"]),
    Title(),
    Postscript(),
    Quoted(),
    Placeholders(2),
    Highlights(2),
    OneOf(["yes", "no", "That is all."]),
    Matches("(tea|ten)s?( [0-9]{1,2})*"),
]


@pytest.fixture(scope="module")
def vocabulary():
    return Vocabulary([*(each.encode() for each in TEXTS), b"\xc3", None], {len(TEXTS) + 1})


def drawn(joint, vocabulary, dice, most=60):
    """Return a text by random tokens, each with a way home behind it; at last the way that is known."""
    state, text, tokens = joint.start, "", np.flatnonzero(vocabulary.readable)
    way = joint.way_home(state, most)
    for left in range(most, 0, -1):
        if joint.accepts(state) and dice.random() < 0.2:
            break
        alive = tokens[joint.distances(state, tokens).max(0) < left].tolist()
        token, found = next(
            (
                (token, after)
                for token in dice.sample(alive, min(len(alive), 6))
                if (after := joint.way_home(joint.step(state, token), left - 1)) is not None
            ),
            (None, None),
        )
        if token is None:
            if not way:
                break
            token, found = way[0], way[1:]
        text, state, way = text + vocabulary.texts[token], joint.step(state, token), found
    return text, joint.accepts(state)


@pytest.mark.parametrize("form", FORMS, ids=repr)
def test_what_an_automaton_takes_the_check_takes(form, vocabulary):
    joint = Joint([lift(automaton_of(form), vocabulary)], (), vocabulary.connectors)
    dice = random.Random(1)

    texts = [drawn(joint, vocabulary, dice) for _ in range(4)]

    assert all(accepted for _, accepted in texts)
    assert [text for text, _ in texts if not form.check(text)[0]] == []
    assert all(automaton_of(form).reads(text) for text, _ in texts)


@pytest.mark.parametrize("form", FORMS, ids=repr)
def test_distances_are_exact(form, vocabulary):
    one = lift(automaton_of(form), vocabulary)
    tokens = list(vocabulary.texts)
    levels, seen = [{one.start}], {one.start}

    while not any(one.distance(state) == 0 for state in levels[-1]) and len(levels) < 30:
        reached = {one.step(state, token) for state, token in itertools.product(levels[-1], tokens)}
        levels.append({state for state in reached - seen if one.distance(state) < FAR})
        seen |= reached

    assert one.distance(one.start) == len(levels) - 1


PAIRS = [
    (Words(6, 6), EndsWith("That is all.")),
    (Sentences(2, 2), EndsWith("That is all.")),
    (Quoted(), Contains("tea", 2)),
    (Bullets(2), Case("lower")),
    (Title(), Postscript()),
    (Paragraphs(2, 2), Sentences(3, 3)),
    (Case("upper"), EndsWith("?")),
    (Headings(["The Sea", "Tea"]), EndsWith("That is all.")),
]


@pytest.mark.parametrize("forms", PAIRS, ids=repr)
def test_texts_of_two_automata_keep_both_and_come_home(forms, vocabulary):
    guard = lift(Prose(ended=True), vocabulary)
    joint = Joint([lift(automaton_of(form), vocabulary) for form in forms], [guard], vocabulary.connectors)
    dice = random.Random(2)

    texts = [drawn(joint, vocabulary, dice, most=70) for _ in range(2)]

    assert all(accepted for _, accepted in texts)
    assert all(form.check(text)[0] for form in forms for text, _ in texts)


class Tokenizer:
    added_tokens_decoder: ClassVar[dict] = {}

    def __len__(self):
        return len(TEXTS)


@pytest.fixture(scope="module")
def compiler():
    return FormCompiler(Tokenizer(), lambda tokens: TEXTS[tokens[0]].encode(), {len(TEXTS)}, len(TEXTS) + 1)


def test_two_forms_that_no_text_has_are_an_error_that_names_both(compiler):
    with pytest.raises(ContradictionError, match=r"at least 5 words.*at most 4 characters") as caught:
        compiler.outcomes([Contains("a"), Words(at_least=5), Characters(at_most=4)])

    assert caught.value.first == Words(at_least=5)


def test_a_form_without_automaton_is_left_to_checking(compiler):
    assert compiler.outcomes([InScript("Greek"), Words(at_least=2)]) == ["automata write Latin letters", ""]


def test_a_limit_that_is_too_small_is_refused_with_one_that_is_enough(compiler):
    with pytest.raises(UsageError, match=r"within 4 tokens\. 8 tokens are enough"):
        compiler.rows([Words(7, 7)], 4, 1)


def test_rows_of_the_same_forms_go_their_own_ways(compiler):
    forms = [Words(2, 3), EndsWith("?")]
    [first] = compiler.rows(forms, 20, 1)
    way = []
    while not first.is_complete:
        way.append(first.own)
        first.prepare(20 - len(way))
        first.advance(first.own)

    [later] = compiler.rows(forms, 20, 1)

    assert not later.is_complete
    assert later.own == way[0]


def test_tokens_that_may_come_are_drawn_among_themselves_alone(compiler):
    import torch

    from mellea_hf.homeward import draw_steered

    [row] = compiler.rows([AvoidsCharacters("t"), Words(3, 5)], 20, 1)
    scores = torch.zeros(len(TEXTS) + 1)
    row.prepare(20)
    shapes = []

    def draw(ids, scores):
        shapes.append(scores.shape)
        return scores

    token, tokens, values = draw_steered([draw], torch.zeros(1, 1), scores, row)

    assert token in tokens.tolist()
    assert set(shapes) == {(1, len(tokens))} == {(1, len(values))}
    assert not any("t" in TEXTS[each].lower() for each in tokens.tolist())


LINES = ["My dear tea", "That is all.", "* the Sea", "# The Sea", "it's P.S.", "1. tea é", "tEa ten"]
READ = [
    *(form for form in FORMS if not isinstance(form, Avoids)),  # of which no token ends with a word
    BeginsWith("MY DEAR"),
    EndsWith("that is all."),
    EndsWith("That Is All."),
    Headings(["THE SEA"]),
    Matches("([A-Z]|[A-Z]{2,4}[ .])*"),
]


@pytest.mark.parametrize("kind", ["lower", "upper", "title"])
@pytest.mark.parametrize("form", READ, ids=repr)
def test_an_automaton_reads_a_text_in_its_case(form, kind):
    characters = sorted({"\n", *"".join(LINES)})
    vocabulary = Vocabulary([each.encode() for each in characters], ())
    one, dice = lift(automaton_of(form), vocabulary, case=kind), random.Random(3)

    for text in ["\n".join(dice.sample(LINES, dice.randint(1, 3))) for _ in range(30)]:
        state = one.start
        for character in text:
            state = one.step(state, characters.index(character))
        assert (one.distance(state) == 0) is automaton_of(form).reads(cased(text, kind)), text


@pytest.mark.parametrize("kind", ["lower", "upper", "title"])
def test_texts_of_forms_beside_a_case_have_both_once_they_are_put_in_it(kind, compiler, vocabulary):
    forms = [EndsWith(cased("That is all.", kind)), Case(kind), Contains("tea"), Words(5, 9)]
    assert compiler.outcomes(forms) == [""] * len(forms)
    joint = Joint([compiler.lifted(form, kind) for form in forms], (), vocabulary.connectors)
    dice = random.Random(4)

    texts = [cased(text, kind) for text, _ in (drawn(joint, vocabulary, dice) for _ in range(8))]

    assert [(text, form) for text in texts for form in forms if not form.check(text)[0]] == []


def test_a_beginning_in_another_case_contradicts_it(compiler):
    with pytest.raises(ContradictionError, match="My dear"):
        compiler.outcomes([BeginsWith("My dear"), Case("upper")])


@pytest.mark.parametrize(
    ("ending", "text", "taken"),
    [
        ("That is all.", "My tea. That is all.", True),
        ("That is all.", "That is all.", True),
        ("That is all.", "1. My tea\nThat is all.", True),
        ("That is all.", "My tea! That is. That is all.", True),
        ("That is all.", "My tea That is all.", False),
        ("That is all.", "My tea\nThat is all.", False),
        ("that is all", "My tea that is all", True),
        ("that is all", "My teathat is all", False),
        ("?", "My tea?", True),
    ],
)
def test_an_end_that_begins_with_a_capital_begins_a_sentence(ending, text, taken):
    assert automaton_of(EndsWith(ending)).reads(text) is taken


@pytest.mark.parametrize(
    ("form", "text", "taken"),
    [
        (Bullets(2), "* My dear tea.\n* That is all.", True),
        (Bullets(2), "* My dear tea\n* That is all.", False),
        (Bullets(2), "* My tea.\n* That is all.", False),
        (Numbered(2), '1. My "dear tea."\n2. That is all.', True),
        (Numbered(2), "1. My dear tea, the\n2. That is all.", False),
        (Headings(["Tea"]), "My dear!\n\n# Tea\nThat is all, dear.", True),
        (Headings(["Tea", "Sea"]), "# Tea\nThat is my tea.\n# Sea\nThat is all, dear.", True),
        (Headings(["Tea", "Sea"]), "# Tea\nThat is my tea\n# Sea\nThat is all, dear.", False),
        (Headings(["Tea"]), "My dear!\nMy tea!\n# Tea\nThat is all, dear.", False),
    ],
)
def test_lines_are_complete_before_the_next_begins(form, text, taken):
    assert automaton_of(form).reads(text) is taken
    assert form.check(text)[0] or not taken
