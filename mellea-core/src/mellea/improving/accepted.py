"""The answers of recorded sessions that met every requirement, with what was asked."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping
from os import PathLike
from typing import Any

from attrs import field, frozen

from mellea.core.message import Message
from mellea.core.redaction import BLANK
from mellea.core.request_key import canonical
from mellea.core.training import TrainingExample
from mellea.evaluation.findings import counted
from mellea.history import History

__all__ = ["Accepted", "AcceptedAnswer", "accepted_answers"]

_ROLES = {"system", "user", "assistant"}
_PLAIN = {"role", "content"}
_OUTCOMES = {
    None: "never ended",
    "error": "ended with an error",
    "cancelled": "cancelled",
    "not met": "did not meet its requirements",
    "answered": "had no requirement to meet",
}


@frozen
class AcceptedAnswer:
    """An answer that met every requirement.

    Args:
        call: The number of its call.
        messages: What the model was asked at first, before any repair.
        answer: The answer.
        provider: Whose model wrote it.
        model: The model.
    """

    call: int
    messages: tuple[Message, ...]
    answer: str
    provider: str = ""
    model: str = ""

    @property
    def digest(self) -> str:
        """What names the request, whoever answers it."""
        asked = [[message.role, message.content] for message in self.messages]
        return hashlib.blake2b(canonical(asked).encode(), digest_size=16).hexdigest()

    @property
    def example(self) -> TrainingExample:
        """It as something to learn."""
        return TrainingExample(self.messages, self.answer)


@frozen
class Accepted:
    """What a history has that can be learned from.

    Args:
        answers: The answers, one of each request, the oldest first.
        calls: How many calls were read.
        left_out: How many of them are left out, by the reason.
    """

    answers: tuple[AcceptedAnswer, ...]
    calls: int
    left_out: Mapping[str, int] = field(factory=dict)

    @property
    def text(self) -> str:
        """What was read and what was left out, as a sentence."""
        why = "; ".join(f"{number:,} {reason}" for reason, number in self.left_out.items())
        left = f" Left out: {why}." if why else ""
        return f"{counted(len(self.answers), 'accepted answer')} in {counted(self.calls, 'call')}.{left}"


def accepted_answers(history: str | PathLike[str] | History, *, where: str | None = None) -> Accepted:
    """Return the answers in a history that met every requirement, each with what was asked at first.

    An answer counts if at least one requirement was looked at, and all were met; after repairs it counts as
    the answer to the first prompt. Of the answers to one request the newest is taken.

    Args:
        history: The history, or its file.
        where: Text that the prompt has to hold, in whatever case; None for all prompts.

    Raises:
        UsageError: There is no such file, or it cannot be read.
    """
    kept = history if isinstance(history, History) else History(history)
    found: dict[str, AcceptedAnswer] = {}
    reasons: Counter[str] = Counter()
    calls = 0
    for call in kept.export():
        calls += 1
        answer = _accepted(call)
        if isinstance(answer, AcceptedAnswer) and where is not None and not _holds(answer, where):
            answer = f"asked nothing with {where!r} in it"
        if isinstance(answer, str):
            reasons[answer] += 1
            continue
        if found.pop(answer.digest, None) is not None:
            reasons["of a request that a later one repeats"] += 1
        found[answer.digest] = answer
    return Accepted(tuple(found.values()), calls, dict(reasons.most_common()))


def _holds(answer: AcceptedAnswer, where: str) -> bool:
    return any(where.casefold() in message.content.casefold() for message in answer.messages)


def _accepted(call: Mapping[str, Any]) -> AcceptedAnswer | str:
    """Return the answer of a call, or why it has none to learn from."""
    trace, outcome = call["trace"], call["outcome"]
    if outcome != "met":
        return _OUTCOMES.get(outcome, str(outcome))
    if trace is None:
        return "kept no attempt"
    chosen = trace["attempts"][trace["result_index"]]
    verdicts = [one for one in chosen["requirements"] if not one["skipped"]]
    if not verdicts or not chosen["success"]:
        return _OUTCOMES["answered"] if chosen["success"] else _OUTCOMES["not met"]
    prompt, text = trace["attempts"][0]["prompt"], chosen["text"]
    if not prompt:
        return "kept no prompt"
    if _is_more_than_text(call, prompt):
        return "had tools, images or sounds"
    if not text.strip():
        return "had an empty answer"
    if any(BLANK in said for said in (text, *(message["content"] for message in prompt))):
        return "had a secret, which is hidden"
    messages = tuple(Message(message["role"], message["content"]) for message in prompt)
    sent: Mapping[str, Any] = next(iter(call["requests"]), {})
    return AcceptedAnswer(
        call["number"],
        messages,
        text,
        sent.get("provider") or "",
        chosen.get("model") or sent.get("model") or "",
    )


def _is_more_than_text(call: Mapping[str, Any], prompt: list[dict[str, Any]]) -> bool:
    """Tell whether a prompt has what a conversation of texts does not say."""
    if any(message["role"] not in _ROLES for message in prompt):
        return True
    asked = [message["content"] for message in prompt]
    return any(
        "tools" in request or any(message.keys() - _PLAIN for message in request["messages"])
        for request in _chats(call)
        if [message["content"] for message in request["messages"]] == asked
    )


def _chats(call: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    return (sent["request"] for sent in call["requests"] if "messages" in sent["request"])
