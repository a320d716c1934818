"""What happens before the first request: is the server there, does it have the model, and if not, pull it."""

from __future__ import annotations

import difflib
import logging
import os
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Self

import httpx
from ollama import Client, ResponseError

from mellea.core.errors import (
    MelleaError,
    ModelNotFoundError,
    ProviderConnectionError,
    StreamInterruptedError,
    UsageError,
)
from mellea.core.model_identifier import ModelIdentifier
from mellea.core.model_names import model_name
from mellea_ollama.client import BACKEND, http_settings, malformed, translate

__all__ = ["DEFAULT_HOST", "ensure_model", "full_name", "name_of", "resolve_host"]

DEFAULT_HOST = "http://127.0.0.1:11434"
_USER = re.compile(r"^(\w+://)?[^/@]*@")
_log = logging.getLogger(__name__)


def resolve_host(base_url: str | None) -> str:
    """Return the server's address: the one given, that of ``OLLAMA_HOST``, or the default.

    Raises:
        UsageError: It is no address.
    """
    host = base_url or os.environ.get("OLLAMA_HOST") or DEFAULT_HOST
    try:
        # The client leaves out a user name and password; neither may they stand in an error or a repr.
        host = _USER.sub(r"\1", host)
        with Client(host, **http_settings(None)):
            return host
    except (ValueError, TypeError, httpx.InvalidURL) as error:
        raise UsageError(
            f"{host!r} is no address of a server.", hint=f"Pass one like {DEFAULT_HOST}.", backend=BACKEND
        ) from error


def name_of(model_id: str | ModelIdentifier) -> str:
    """Return Ollama's name of a model.

    A model without one can still be pulled from the hub when its repository there holds GGUF files.

    Raises:
        UsageError: The name is empty, or the identifier has none that Ollama can use.
    """
    if (
        isinstance(model_id, ModelIdentifier)
        and not model_id.ollama_name
        and "gguf" in (model_id.hf_model_name or "").lower()
    ):
        return f"hf.co/{model_id.hf_model_name}"
    return model_name(model_id, "ollama_name", backend=BACKEND)


def full_name(name: str) -> str:
    """Return a name as the server lists it: with its tag, without the default registry.

    Case does not count.
    """
    short = name.strip().lower().removeprefix("registry.ollama.ai/").removeprefix("library/")
    return short if ":" in short.rpartition("/")[2] else f"{short}:latest"


def ensure_model(host: str, model_id: str, *, timeout: float | None, pull: bool) -> None:
    """Check that the server is there and has the model; pull the model if it is missing.

    Raises:
        ProviderConnectionError: No Ollama server answers.
        ModelNotFoundError: The model is missing, and may not or cannot be pulled.
    """
    with Client(host, **http_settings(timeout)) as client, _our_errors(host, model_id):
        installed = _installed(client, host, model_id)
        if full_name(model_id) in {full_name(name) for name in installed}:
            return
        if not pull:
            raise _missing(model_id, installed)
        _log.info("Ollama at %s has no model %s; pulling it", host, model_id)
        try:
            _pull(client, model_id)
        except ResponseError as error:
            raise ModelNotFoundError(
                f"Ollama at {host} has no model {model_id!r} and could not pull it: {error.error}.",
                hint=f"Check the name on ollama.com/library, or look what `ollama pull {model_id}` says.",
                backend=BACKEND,
                model_id=model_id,
            ) from error


@contextmanager
def _our_errors(host: str, model_id: str) -> Iterator[None]:
    try:
        yield
    except MelleaError:
        raise
    except (ValueError, AttributeError, TypeError) as error:
        raise malformed(error, model_id) from error
    except Exception as error:
        ours = translate(error, host=host, model_id=model_id)
        if ours is None:
            raise
        raise ours from error


def _installed(client: Client, host: str, model_id: str) -> list[str]:
    try:
        return [entry.model for entry in client.list().models if entry.model]
    except ResponseError as error:
        if error.status_code not in {404, 405}:
            raise
        raise ProviderConnectionError(
            f"What answers at {host} is no Ollama server: it has no /api/tags.",
            hint="Pass the server's own address as base_url, without /v1.",
            backend=BACKEND,
            model_id=model_id,
        ) from error


def _missing(model_id: str, installed: Iterable[str]) -> ModelNotFoundError:
    names = sorted(installed)
    near = difflib.get_close_matches(full_name(model_id), names, n=3, cutoff=0.3) or names[:3]
    there = (
        f" Installed are {', '.join(near)}{' and others' if len(names) > len(near) else ''}." if near else ""
    )
    return ModelNotFoundError(
        f"The Ollama server has no model {model_id!r}.{there}",
        hint=f"Pull it with: ollama pull {model_id} (or leave out pull=False).",
        backend=BACKEND,
        model_id=model_id,
    )


def _pull(client: Client, model_id: str) -> None:
    """Pull a model, with a progress bar for each layer if someone looks on."""
    status = ""
    with _Bars(model_id) as bars:
        for progress in client.pull(model_id, stream=True):
            status = progress.status or status
            bars.show(progress.digest, progress.completed, progress.total)
    if status != "success":
        raise StreamInterruptedError(
            f"The pull of {model_id!r} ended before it was complete; the last word was {status!r}.",
            hint="Try again: Ollama goes on where it stopped.",
            backend=BACKEND,
            model_id=model_id,
        )


class _Bars:
    """Progress bars on standard error; none when that is no terminal."""

    def __init__(self, model_id: str) -> None:
        self._model_id = model_id
        self._bars: dict[str, Any] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        for bar in self._bars.values():
            bar.close()

    def show(self, digest: str | None, completed: int | None, total: int | None) -> None:
        if not digest or not total or not sys.stderr.isatty():
            return
        bar = self._bars.get(digest)
        if bar is None:
            from tqdm import tqdm  # noqa: PLC0415  only a pull that someone looks at needs it

            title = f"{self._model_id} {digest.removeprefix('sha256:')[:12]}"
            bar = self._bars[digest] = tqdm(
                total=total, desc=title, unit="B", unit_scale=True, file=sys.stderr
            )
        bar.update((completed or 0) - bar.n)
