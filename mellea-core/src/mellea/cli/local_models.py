"""What an Ollama server has, asked without its backend: names, sizes and what each model can do."""

from __future__ import annotations

import json
import os
import re
import threading
from contextlib import suppress
from typing import Any
from urllib.request import ProxyHandler, Request, build_opener

from attrs import frozen

from mellea.core.addresses import proxy_for, without_user

__all__ = ["DEFAULT_MODEL", "LocalModel", "list_models"]

DEFAULT_MODEL = "granite4.1:3b"
"""The model that the backend takes unless it is told another."""
_TAIL = re.compile(r"(?:/(?:v1|api))?/*$")
_MOST = 2**24
"""The longest list that is read, in bytes."""


@frozen
class LocalModel:
    """A model of a server.

    Args:
        name: Its name, with the tag.
        size: What it takes on disk, in bytes; None if the server does not say.
        abilities: What it can do, in the server's words.
    """

    name: str
    size: int | None
    abilities: tuple[str, ...]

    def __str__(self) -> str:
        size = self.size or 0
        spelled = f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB" if size else ""
        about = "; ".join(part for part in (spelled, ", ".join(self.abilities)) if part)
        return f"{self.name} ({about})" if about else self.name


def list_models(address: str, seconds: float) -> list[LocalModel] | None:
    """Return the models of a server; None if what answers is no Ollama server.

    Args:
        address: The server's, with its scheme.
        seconds: How long to wait.
    """
    found: list[list[LocalModel]] = []

    def ask() -> None:
        with suppress(OSError, ValueError, AttributeError, LookupError, TypeError):
            found.append(_asked(_TAIL.sub("", address), seconds))

    # Resolving a name has no time-out of its own, so a thread does it that may be left behind.
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(2 * seconds)
    return found[0] if found else None


def _asked(url: str, seconds: float) -> list[LocalModel]:
    bare, user = without_user(url)
    proxy, key = proxy_for(bare), os.environ.get("OLLAMA_API_KEY")
    said = f"Bearer {key}" if key else user
    request = Request(f"{bare}/api/tags", headers={"Authorization": said} if said else {})  # noqa: S310  http or https, as parsed
    opener = build_opener(ProxyHandler({"http": proxy, "https": proxy} if proxy else {}))
    with opener.open(request, timeout=seconds) as answer:
        listed = json.loads(answer.read(_MOST))["models"]
    return [_model(entry) for entry in listed or []]


def _model(entry: dict[str, Any]) -> LocalModel:
    size, can = entry.get("size"), entry.get("capabilities")
    return LocalModel(
        str(entry.get("model") or entry["name"]),
        size if type(size) is int and size > 0 else None,
        tuple(map(str, can)) if isinstance(can, list) else (),
    )
