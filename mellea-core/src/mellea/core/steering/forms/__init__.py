"""Forms: what language of texts a requirement admits, so that it can steer and not only judge."""

from mellea.core.steering.forms.base import AllOf, AnyOf, Form, Not
from mellea.core.steering.forms.choosing import Matches, OneOf
from mellea.core.steering.forms.counting import Characters, Paragraphs, Sentences, Words
from mellea.core.steering.forms.framing import (
    Bullets,
    Headings,
    Highlights,
    Numbered,
    Placeholders,
    Postscript,
    Quoted,
    Title,
)
from mellea.core.steering.forms.lark import LarkGrammar
from mellea.core.steering.forms.markdown import MarkdownList, Table
from mellea.core.steering.forms.wording import (
    Avoids,
    AvoidsCharacters,
    BeginsWith,
    Case,
    Contains,
    EndsWith,
    InScript,
    Numbers,
)

__all__ = [
    "AllOf",
    "AnyOf",
    "Avoids",
    "AvoidsCharacters",
    "BeginsWith",
    "Bullets",
    "Case",
    "Characters",
    "Contains",
    "EndsWith",
    "Form",
    "Headings",
    "Highlights",
    "InScript",
    "LarkGrammar",
    "MarkdownList",
    "Matches",
    "Not",
    "Numbered",
    "Numbers",
    "OneOf",
    "Paragraphs",
    "Placeholders",
    "Postscript",
    "Quoted",
    "Sentences",
    "Table",
    "Title",
    "Words",
]
