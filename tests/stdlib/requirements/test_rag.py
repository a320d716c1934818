"""Answers that must rest on documents."""

import pytest

from mellea.core import Message, ServerError, Usage, UsageError
from mellea.core.thunk import ModelOutputThunk
from mellea.stdlib.components.docs import Document
from mellea.stdlib.context import ChatContext
from mellea.stdlib.requirements import GroundednessRequirement, check, validate_all
from mellea.testing import ScriptedBackend

ANSWER = "Rome is in Italy. Dr. Rossi lives there."


def conversation(text=ANSWER, documents=()):
    return ChatContext().add(Message("user", "Tell me.", documents=documents)).add(ModelOutputThunk(text))


def by_sentence(request):
    return "no" if "Rossi" in request.messages[0].content.rpartition("Requirement:")[2] else "yes"


async def verdict(requirement, ctx, backend=None):
    return await requirement.validate(backend or ScriptedBackend([by_sentence] * 2), ctx)


async def test_sentence_that_is_not_supported_is_named():
    result = await verdict(GroundednessRequirement(["Rome is the capital of Italy."]), conversation())

    assert not result
    assert (result.reason, result.score) == ("not supported: Dr. Rossi lives there.", 0.5)


async def test_each_sentence_is_judged_against_the_documents():
    backend = ScriptedBackend("yes")

    result = await verdict(GroundednessRequirement(["The sky is blue."]), conversation(), backend)

    assert result
    assert len(backend.requests) == 2
    assert all("The sky is blue." in request.messages[0].content for request in backend.requests)


async def test_partial_support_is_enough_when_allowed():
    requirement = GroundednessRequirement(["Rome is Italy's capital."], allow_partial_support=True)

    assert await verdict(requirement, conversation())
    assert not await verdict(requirement, conversation(), ScriptedBackend("no"))


async def test_documents_of_the_conversation_are_used():
    backend = ScriptedBackend("yes")

    await verdict(
        GroundednessRequirement(), conversation(documents=[Document("Italy's capital is Rome.")]), backend
    )

    assert "Italy's capital is Rome." in backend.requests[0].messages[0].content


async def test_sentence_that_is_a_quote_needs_no_judge():
    backend = ScriptedBackend("no")

    result = await verdict(
        GroundednessRequirement(["A guide. Rome is in Italy. Who says that Dr. Rossi lives there. Nobody."]),
        conversation(),
        backend,
    )

    assert (result.reason, result.score) == ("not supported: Dr. Rossi lives there.", 0.5)
    assert len(backend.requests) == 1
    assert await verdict(GroundednessRequirement([ANSWER]), conversation(), ScriptedBackend())


async def test_what_was_spent_is_counted():
    result = await verdict(GroundednessRequirement(["x"]), conversation(), ScriptedBackend("yes"))

    assert isinstance(result.usage, Usage)
    assert result.usage.completion_tokens == 2


async def test_own_judge_judges():
    writer, judge = ScriptedBackend("no"), ScriptedBackend("yes")

    assert await verdict(GroundednessRequirement(["x"], judge=judge), conversation(), writer)
    assert writer.requests == []


async def test_verdicts_are_bounded_in_length():
    backend = ScriptedBackend("yes")

    await verdict(GroundednessRequirement(["x"], max_new_tokens=7), conversation(), backend)

    assert backend.requests[0].options["max_new_tokens"] == 7


async def test_empty_answer_says_nothing_unsupported():
    result = await verdict(GroundednessRequirement(["x"]), conversation(" "))

    assert (result.result, result.score) == (True, None)


@pytest.mark.parametrize(
    ("requirement", "ctx", "words"),
    [
        (GroundednessRequirement(["x"]), ChatContext(), "no output"),
        (GroundednessRequirement(), conversation(), "no documents"),
    ],
)
async def test_nothing_to_check_or_to_check_against_is_our_error(requirement, ctx, words):
    with pytest.raises(UsageError, match=words):
        await verdict(requirement, ctx)


async def test_judge_that_fails_is_an_error():
    with pytest.raises(ServerError):
        await verdict(
            GroundednessRequirement(["x"]), conversation(), ScriptedBackend([ServerError("It broke.")] * 2)
        )


async def test_failed_free_check_spares_it():
    backend = ScriptedBackend("yes")

    await validate_all(
        [GroundednessRequirement(["x"]), check("no", lambda ctx: False)], conversation(), backend
    )

    assert backend.requests == []


def test_one_text_instead_of_a_list_is_our_error():
    with pytest.raises(UsageError, match="documents"):
        GroundednessRequirement("one text")
