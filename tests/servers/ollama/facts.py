"""What a real Ollama server answers, case by case, and how an answer is held against it.

The cases are in ``facts.json``, with where they were seen. A case is a request (``ask``: method, path, body),
what it is answered with (``status``, ``type``), and of the answer either its ``fields``, its ``error``, its
``lines`` or its ``text``. What a model says may differ: where the fields depend on it, ``words`` are what the
model is made to say. ``before`` is a request that comes first. ``{700 words}`` in a text stands for so many
words.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

__all__ = ["CASES", "FREE", "ask", "fields", "kind", "values", "without_numbers"]

CASES: Mapping[str, Mapping[str, Any]] = json.loads(
    (Path(__file__).parent / "facts.json").read_text(encoding="utf-8")
)["cases"]
FREE = re.compile(
    r"(model_info\.|tensors|modelfile|license|parameters|template|context$|\[\]\.context$"
    r"|models\.\[\]\.details\.|message\.thinking|\[\]\.message\.thinking)"
)
"""Fields that tell of the machine or of the model's file, not of the protocol."""


def ask(base_url: str, method: str, path: str, body: Any) -> httpx.Response:
    """Send a request, and return the answer."""
    text = body if isinstance(body, str) or body is None else json.dumps(body)
    content = text and re.sub(r"\{(\d+) words\}", lambda found: "word " * int(found[1]), text)
    with httpx.Client(base_url=base_url, timeout=120, trust_env=False) as client:
        return client.request(method, path, content=content, headers={"Content-Type": "application/json"})


def kind(answer: httpx.Response) -> str:
    """Return an answer's kind of content."""
    return answer.headers["content-type"].partition(";")[0]


def values(answer: httpx.Response) -> Any:
    """Return what an answer holds: one value, or the values of its lines."""
    if kind(answer) == "application/x-ndjson":
        return [json.loads(line) for line in answer.text.splitlines()]
    if kind(answer) == "text/event-stream":
        return [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: {")]
    return answer.json()


def fields(value: Any, path: str = "") -> set[str]:
    """Return the names of all fields in a value, but for those that a model chooses: arguments of a tool."""
    if isinstance(value, list):
        return {name for inner in value for name in fields(inner, f"{path}[].")}
    if not isinstance(value, dict):
        return set()
    within = (fields(inner, f"{path}{key}.") for key, inner in value.items() if key != "arguments")
    return {f"{path}{key}" for key in value}.union(*within)


def without_numbers(error: Any) -> str:
    """Return an error's words, without the numbers, which depend on the model."""
    return re.sub(r"\d+", "N", json.dumps(error))
