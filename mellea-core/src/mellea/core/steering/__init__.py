"""Requirements that steer decoding.

Forms, the plan of a text that they make, and the pattern that a server holds a model to. They are imported
when the first requirement with a form is made.
"""

from typing import TYPE_CHECKING

from mellea._lazy import lazy_names

_FORMS = "mellea.core.steering.forms"

if TYPE_CHECKING:
    from mellea.core.steering.decode import TextDecoder
    from mellea.core.steering.forms import (
        AllOf,
        AnyOf,
        Avoids,
        AvoidsCharacters,
        BeginsWith,
        Bullets,
        Case,
        Characters,
        Contains,
        EndsWith,
        Form,
        Headings,
        Highlights,
        InScript,
        LarkGrammar,
        MarkdownList,
        Matches,
        Not,
        Numbered,
        Numbers,
        OneOf,
        Paragraphs,
        Placeholders,
        Postscript,
        Quoted,
        Sentences,
        Table,
        Title,
        Words,
    )
    from mellea.core.steering.guards import Guards
    from mellea.core.steering.plan import Bounds, ContradictionError, NotSteerableError, TextPlan
    from mellea.core.steering.planning import Outcome, Steering, steer
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "Bounds": "mellea.core.steering.plan",
            "ContradictionError": "mellea.core.steering.plan",
            "Guards": "mellea.core.steering.guards",
            "NotSteerableError": "mellea.core.steering.plan",
            "Outcome": "mellea.core.steering.planning",
            "Steering": "mellea.core.steering.planning",
            "TextDecoder": "mellea.core.steering.decode",
            "TextPlan": "mellea.core.steering.plan",
            "steer": "mellea.core.steering.planning",
            "AllOf": _FORMS,
            "AnyOf": _FORMS,
            "Avoids": _FORMS,
            "AvoidsCharacters": _FORMS,
            "BeginsWith": _FORMS,
            "Bullets": _FORMS,
            "Case": _FORMS,
            "Characters": _FORMS,
            "Contains": _FORMS,
            "EndsWith": _FORMS,
            "Form": _FORMS,
            "Headings": _FORMS,
            "Highlights": _FORMS,
            "InScript": _FORMS,
            "LarkGrammar": _FORMS,
            "MarkdownList": _FORMS,
            "Matches": _FORMS,
            "Not": _FORMS,
            "Numbered": _FORMS,
            "Numbers": _FORMS,
            "OneOf": _FORMS,
            "Paragraphs": _FORMS,
            "Placeholders": _FORMS,
            "Postscript": _FORMS,
            "Quoted": _FORMS,
            "Sentences": _FORMS,
            "Table": _FORMS,
            "Title": _FORMS,
            "Words": _FORMS,
            "forms": f"{_FORMS}:",
        },
    )

__all__ = [
    "AllOf",
    "AnyOf",
    "Avoids",
    "AvoidsCharacters",
    "BeginsWith",
    "Bounds",
    "Bullets",
    "Case",
    "Characters",
    "Contains",
    "ContradictionError",
    "EndsWith",
    "Form",
    "Guards",
    "Headings",
    "Highlights",
    "InScript",
    "LarkGrammar",
    "MarkdownList",
    "Matches",
    "Not",
    "NotSteerableError",
    "Numbered",
    "Numbers",
    "OneOf",
    "Outcome",
    "Paragraphs",
    "Placeholders",
    "Postscript",
    "Quoted",
    "Sentences",
    "Steering",
    "Table",
    "TextDecoder",
    "TextPlan",
    "Title",
    "Words",
    "steer",
]
