"""Results to look at, made by real loops over scripted answers."""

import asyncio

from mellea.core import ValidationResult
from mellea.stdlib.components import Instruction
from mellea.stdlib.context import SimpleContext
from mellea.stdlib.requirements import check, req, simple_validate
from mellea.stdlib.sampling import RejectionSamplingStrategy
from mellea.testing import Fault, ScriptedBackend

MARKUP = "<script>document.title = 'owned'</script> {{ x }} {% raw %} &amp; <b>bold</b>"
REQUIREMENTS = (
    req(
        "It has fewer than 90 characters.",
        simple_validate(lambda text: (len(text) < 90, f"{len(text)} characters")),
    ),
    req(
        "No <script> and no {{ x }}.",
        simple_validate(lambda text: ("<script" not in text, f"found {text[:8]!r}")),
    ),
    check("scored", lambda ctx: ValidationResult(True, score=0.75)),
    req("It is kind."),
)


def result_of(*answers, requirements=REQUIREMENTS, **options):
    """Return what the loop makes of scripted answers; judges are content."""
    format = options.pop("format", None)
    strategy = RejectionSamplingStrategy(**{"loop_budget": len(answers), **options})
    backend = ScriptedBackend(list(answers), failures={"It is kind.": ["It is not kind at all."]})
    return asyncio.run(
        strategy.sample(Instruction("Say something."), SimpleContext(), backend, requirements, format=format)
    )


def varied():
    """Return a result with markup, a long text, an endless word, a judged failure and a success."""
    return result_of(MARKUP, "Far too long. " * 80, "A" * 300, "Rude words.", "Kind words.")


def failed():
    """Return a result without a success, with an answer that cannot be read and an empty one."""
    return result_of(Fault.bad_json(), "", format={"type": "object", "required": ["name"]})
