"""What is read of a request before any model is looked at, and how the server says that it cannot."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from tests.servers.ollama.errors import RejectedError
from tests.servers.ollama.names import is_name

__all__ = ["model_name", "read_body", "thinks"]

_LEVELS = (True, False, "high", "medium", "low", "max")


async def read_body(request: web.Request) -> dict[str, Any]:
    """Return the request's JSON object.

    Raises:
        RejectedError: It is none.
    """
    text = await request.text()
    try:
        body = json.loads(text)
    except json.JSONDecodeError as error:
        ended = error.pos >= len(text.rstrip())
        raise RejectedError(
            400, "unexpected EOF" if ended and text else str(error) if text else "missing request body"
        ) from error
    if not isinstance(body, dict):
        raise RejectedError(400, "json: cannot unmarshal into Go value of type api.ChatRequest")
    _check_images(body)
    return body


def model_name(body: Mapping[str, Any]) -> str:
    """Return the name of the model that a request is for.

    Raises:
        RejectedError: There is none, or no model can have that name.
    """
    name = str(body.get("model") or body.get("name") or "")
    if not name:
        raise RejectedError(400, "model is required")
    if not is_name(name):
        raise RejectedError(400, "invalid model name")
    return name


def thinks(body: Mapping[str, Any]) -> bool | None:
    """Return whether the request wants reasoning; None if it leaves that to the model.

    Raises:
        RejectedError: It says it in a word that Ollama does not know.
    """
    think = body.get("think")
    if think is None:
        return None
    if think not in _LEVELS or (isinstance(think, int | float) and not isinstance(think, bool)):
        levels = '"high", "medium", "low", "max", true, or false'
        raise RejectedError(400, f"invalid think value: {json.dumps(think)} (must be {levels})")
    return think is not False


def _check_images(body: Mapping[str, Any]) -> None:
    messages = [message for message in body.get("messages") or () if isinstance(message, Mapping)]
    for image in [image for holder in (body, *messages) for image in holder.get("images") or ()]:
        try:
            base64.b64decode(image, validate=True)
        except binascii.Error as error:
            raise RejectedError(400, "illegal base64 data at input byte 0") from error
