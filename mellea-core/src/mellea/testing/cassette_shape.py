"""What a cassette has to look like, so that one changed by hand is refused with the place that is wrong."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mellea.core.logprobs import logprobs_from

__all__ = ["wrong_parts"]

_TOO_LARGE = 10**15
"""No count and no number of seconds is as large as this."""
_TEXT = (str,)
_TEXT_OR_NONE = (str, type(None))
_COUNT = (int,)
_BACKEND: Mapping[str, tuple[type, ...]] = {
    "capabilities": (list,),
    "concurrent": (bool,),
    "strict_options": (bool,),
    "options": (list,),
    "spellings": (dict,),
    "model_options": (dict,),
    "default_max_new_tokens": (int, type(None)),
    "plain_patterns": (bool,),
    "schema_dialect": _TEXT,
    "asked": (dict,),
}
_CALL: Mapping[str, tuple[type, ...]] = {
    "complete": (bool,),
    "error": (dict, type(None)),
    "chunks": (list,),
    "completions": (list,),
    "tokens": (int, type(None)),
}
_ANSWER: Mapping[str, tuple[type, ...]] = {
    "text": _TEXT,
    "thinking": _TEXT,
    "finish_reason": _TEXT_OR_NONE,
    "response_id": _TEXT_OR_NONE,
    "response_model": _TEXT_OR_NONE,
    "index": _COUNT,
    "usage": (dict, type(None)),
    "logprobs": (list,),
    "tool_calls": (list,),
}
_TOOL_CALL: Mapping[str, tuple[type, ...]] = {
    "index": _COUNT,
    "tool_call_id": _TEXT_OR_NONE,
    "name": _TEXT,
    "arguments": (str, dict),
}
_ERROR: Mapping[str, tuple[type, ...]] = {
    "type": _TEXT,
    "message": _TEXT,
    "hint": _TEXT_OR_NONE,
    "backend": _TEXT_OR_NONE,
    "model_id": _TEXT_OR_NONE,
    "missing": _TEXT,
    "status": (int, type(None)),
    "retry_after": (int, float, type(None)),
}
_USAGE = dict.fromkeys(("prompt_tokens", "completion_tokens", "cached_tokens", "reasoning_tokens"), _COUNT)


def wrong_parts(kept: Mapping[str, Any]) -> Iterator[str]:
    """Iterate over what keeps a file of the right format from being read."""
    backend, calls = kept.get("backend"), kept.get("calls")
    if not isinstance(backend, dict) or not all(
        isinstance(backend.get(key), str) for key in ("provider", "model_id")
    ):
        yield "its backend has no name and model"
        return
    yield from _wrong_fields("backend", backend, _BACKEND)
    for key in ("capabilities", "options"):
        if not all(isinstance(name, str) for name in backend.get(key, ())):
            yield f"backend.{key} holds something else than names"
    for question, answers in backend.get("asked", {}).items():
        if not isinstance(answers, dict):
            yield f"backend.asked has {_kind(answers)} as {question!r}"
    if not isinstance(calls, list):
        yield "it has no list of calls"
        return
    for number, call in enumerate(calls):
        yield from _wrong_call(f"call {number}", call)


def _wrong_call(where: str, call: Any) -> Iterator[str]:
    if (
        not isinstance(call, dict)
        or not isinstance(call.get("kind"), str)
        or not isinstance(call.get("request"), dict)
    ):
        yield f"{where} has no kind and request"
        return
    yield from _wrong_fields(where, call, _CALL)
    for key, needed in (("chunks", ()), ("completions", ("text",))):
        for index, answer in enumerate(call.get(key, ())):
            if isinstance(answer, dict):
                yield from _wrong_answer(f"{where}, {key}[{index}]", answer, needed)
            else:
                yield f"{where} has no answer that can be read: {key}[{index}] is {_kind(answer)}"
    if call.get("error") is not None:
        yield from _wrong_fields(f"{where}, error", call["error"], _ERROR)


def _wrong_answer(where: str, answer: Mapping[str, Any], needed: tuple[str, ...]) -> Iterator[str]:
    for key in needed:
        if key not in answer:
            yield f"{where} has no {key!r}"
    yield from _wrong_fields(where, answer, _ANSWER)
    if isinstance(logprobs := answer.get("logprobs"), list):
        try:
            logprobs_from(logprobs)
        except TypeError as error:
            yield f"{where}.logprobs: {error}"
    for number, call in enumerate(answer.get("tool_calls") or ()):
        place = f"{where}.tool_calls[{number}]"
        if not isinstance(call, dict) or call.keys() - _TOOL_CALL.keys():
            yield f"{place} is no call of a tool"
        else:
            yield from _wrong_fields(place, call, _TOOL_CALL)
    if (usage := answer.get("usage")) is not None:
        yield from _wrong_fields(f"{where}.usage", usage, _USAGE)
        for key in usage.keys() - _USAGE.keys():
            yield f"{where}.usage has {key!r}, which is no count of tokens"


def _wrong_fields(
    where: str, value: Mapping[str, Any], fields: Mapping[str, tuple[type, ...]]
) -> Iterator[str]:
    for key, kinds in fields.items():
        if key not in value:
            continue
        given = value[key]
        if not isinstance(given, kinds) or (isinstance(given, bool) and bool not in kinds):
            yield f"{where} has {_kind(given)} as {key!r}"
        elif isinstance(given, int | float) and not 0 <= given < _TOO_LARGE:
            yield f"{where} has a number out of range as {key!r}"


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")
