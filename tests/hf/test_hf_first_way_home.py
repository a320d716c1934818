"""Forms of all kinds, together, over the tokens of the real model: a text that has all of them is found."""

from __future__ import annotations

import random

import pytest

from mellea.core.steering import (
    Avoids,
    AvoidsCharacters,
    BeginsWith,
    Bullets,
    Case,
    Contains,
    ContradictionError,
    EndsWith,
    Headings,
    Highlights,
    Numbered,
    Numbers,
    Paragraphs,
    Placeholders,
    Postscript,
    Quoted,
    Sentences,
    Title,
    Words,
    steer,
)
from mellea_hf.constraint import Constraints
from mellea_hf.steering.beam import first_way_home
from mellea_hf.steering.compiling import FormCompiler
from mellea_hf.steering.joint import Joint

TOGETHER = [
    (Quoted(), Numbered(3), Case("upper")),
    (Quoted(), Bullets(4), Words(at_most=80)),
    (Quoted(), Postscript(), Numbers(2)),
    (Quoted(), Headings(["Past", "Future"]), Avoids(["the", "rain", "again"])),
    (Quoted(), Sentences(3, 3), Contains("respect", 1, 1), Avoids(["work", "success"])),
    (Case("upper"), Contains("silence", 2)),
    (Case("upper"), Contains("climate", 2, 2)),
    (Case("upper"), Contains("waves", 1, 1), EndsWith("?")),
    (Case("upper"), Contains("respect"), Contains("goals"), AvoidsCharacters(",")),
    (Case("title"), Title(), Contains("oven", 2)),
    (Sentences(4, 4), Contains("grandfather", 1, 1)),
    (Sentences(4, 4), Avoids(["money", "rich"]), Numbers(2)),
    (Sentences(at_most=4), EndsWith("We will be back."), Highlights(1), Numbers(1)),
    (Headings(["Past", "Future"]), Title(), AvoidsCharacters("qz!")),
    (Headings(["Past", "Future"]), BeginsWith("Dear friends, hello!"), Placeholders(3)),
]
ALL = [
    Words(at_least=45),
    Words(30, 30),
    Sentences(3, 3),
    Paragraphs(2, 2),
    BeginsWith("In the old town"),
    EndsWith("That is all."),
    Contains("river bank", 2),
    Avoids(["rain"]),
    AvoidsCharacters("q,"),
    Case("lower"),
    Case("title"),
    Numbers(0),
    Bullets(3),
    Numbered(4),
    Headings(["Past", "Future"]),
    Title(),
    Postscript(),
    Quoted(),
    Placeholders(3),
    Highlights(2),
]


@pytest.fixture(scope="module")
def compiler(loaded):
    tokenizer, model, _ = loaded
    end, size = frozenset([tokenizer.eos_token_id]), model.config.vocab_size
    vocabulary = Constraints(tokenizer, size, end).vocabulary
    return FormCompiler(tokenizer, vocabulary.decode_bytes, end, size)


@pytest.mark.parametrize("forms", TOGETHER, ids=repr)
def test_text_of_all_forms_is_found(forms, compiler):
    assert compiler.outcomes(forms) == [""] * len(forms)

    vocabulary = compiler.vocabulary
    joint = Joint([compiler.lifted(form) for form in forms], (), vocabulary.connectors)
    text = "".join(vocabulary.texts[token] for token in first_way_home(joint, 300, 3000))
    assert [(form, text) for form in forms if not form.check(text)[0]] == []


def together(number):
    """Return so many sets of forms that a pattern takes together."""
    dice, sets = random.Random(3), []
    while len(sets) < number:
        forms = dice.sample(ALL, dice.choice((2, 3)))
        try:
            taken = all(outcome.steered for outcome in steer(forms).outcomes)
        except ContradictionError:
            continue
        sets += [forms] * taken
    return sets


def test_whatever_a_pattern_takes_automata_take(compiler):
    assert [(forms, whys) for forms in together(40) if any(whys := compiler.outcomes(forms))] == []
