"""What happens before the first request: is the server there, does it have the model, and if not, pull it."""

from __future__ import annotations

import difflib
import logging
import os
import sys
from collections.abc import Sequence
from typing import Any, Self

from attrs import frozen

from mellea.core.errors import (
    MelleaError,
    ModelNotFoundError,
    ProviderConnectionError,
    ProviderError,
    ProviderTimeoutError,
    StreamInterruptedError,
)
from mellea.core.model_identifier import ModelIdentifier
from mellea.core.model_names import model_name
from mellea_ollama.address import BACKEND, Access
from mellea_ollama.client import WireClient, malformed_answer, translate

__all__ = ["Installed", "ensure_model", "full_name", "name_of"]

_SHOWN = 8
"""The most models that an error names."""
_log = logging.getLogger(__name__)


@frozen
class Installed:
    """A model that a server has.

    Args:
        name: Its name, with the tag.
        capabilities: What it can do, in the server's words; None if the server does not tell.
    """

    name: str
    capabilities: tuple[str, ...] | None


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


async def ensure_model(access: Access, model_id: str, *, pull: bool) -> Installed:
    """Return the model as the server lists it; it is pulled if it is missing.

    Raises:
        ProviderConnectionError: No Ollama server answers.
        ModelNotFoundError: The model is missing, and may not or cannot be pulled.
    """
    client = WireClient(access, model_id)
    try:
        return await _ensured(client, access, model_id, pull=pull)
    except MelleaError:
        raise
    except Exception as error:
        ours = translate(error, host=access.url, model_id=model_id)
        if ours is None:
            raise
        raise ours from error
    finally:
        await client.close()


async def _ensured(client: WireClient, access: Access, model_id: str, *, pull: bool) -> Installed:
    models = await _list_installed(client, access, model_id)
    if found := _named(models, model_id):
        return found
    if not pull:
        raise _model_not_found(access, model_id, models)
    _log.info("Ollama at %s has no model %s; pulling it", access.url, model_id)
    try:
        await _pull(client, model_id)
    except (ProviderConnectionError, ProviderTimeoutError):
        raise
    except ProviderError as error:
        raise ModelNotFoundError(
            f"Ollama at {access.url} has no model {model_id!r} and could not pull it: "
            f"{error.message.partition(': ')[2]} {_told(models, model_id)}",
            hint="Check the name on ollama.com/library, and that the server reaches its registry: "
            f"ollama pull {model_id}",
            backend=BACKEND,
            model_id=model_id,
        ) from error
    found = _named(await _list_installed(client, access, model_id), model_id)
    return found or Installed(full_name(model_id), None)


async def _list_installed(client: WireClient, access: Access, model_id: str) -> list[Installed]:
    try:
        listed = (await client.whole("/api/tags")).get("models")
    except MelleaError as error:
        if error.status not in {404, 405}:
            raise
        raise ProviderConnectionError(
            f"What answers at {access.url} is no Ollama server: it has no /api/tags.",
            hint="Pass the server's own address as base_url.",
            backend=BACKEND,
            model_id=model_id,
        ) from error
    if not isinstance(listed or [], list):
        raise malformed_answer("the list of its models is none", model_id)
    models = []
    for entry in listed or []:
        name = entry.get("model") or entry.get("name") if isinstance(entry, dict) else None
        if isinstance(name, str):
            can = entry.get("capabilities")
            models.append(Installed(name, tuple(map(str, can)) if isinstance(can, list) and can else None))
    return models


def _named(models: Sequence[Installed], model_id: str) -> Installed | None:
    wanted = full_name(model_id)
    return next((model for model in models if full_name(model.name) == wanted), None)


def _told(models: Sequence[Installed], model_id: str) -> str:
    """Return in words which models there are, the likest first."""
    names = sorted(model.name for model in models)
    if not names:
        return "No model is installed."
    near = difflib.get_close_matches(full_name(model_id), names, n=3, cutoff=0.5)
    shown = [*near, *(name for name in names if name not in near)][:_SHOWN]
    return f"Installed are {', '.join(shown)}{' and others' if len(names) > len(shown) else ''}."


def _model_not_found(access: Access, model_id: str, models: Sequence[Installed]) -> ModelNotFoundError:
    return ModelNotFoundError(
        f"Ollama at {access.url} has no model {model_id!r}. {_told(models, model_id)}",
        hint=f"Pull it with: ollama pull {model_id} (or leave out pull=False).",
        backend=BACKEND,
        model_id=model_id,
    )


async def _pull(client: WireClient, model_id: str) -> None:
    """Pull a model, with a progress bar for each layer if someone looks on."""
    status = ""
    with _Bars(model_id) as bars:
        async for progress in client.lines("/api/pull", {"model": model_id, "stream": True}):
            status = str(progress.get("status") or status)
            bars.show(progress.get("digest"), progress.get("completed"), progress.get("total"))
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
        if not digest or not total or not sys.stderr.isatty() or os.environ.get("MELLEA_PROGRESS") == "0":
            return
        bar = self._bars.get(digest)
        if bar is None:
            from tqdm import tqdm  # noqa: PLC0415  only a pull that someone looks at needs it

            title = f"{self._model_id} {digest.removeprefix('sha256:')[:12]}"
            bar = self._bars[digest] = tqdm(
                total=total, desc=title, unit="B", unit_scale=True, file=sys.stderr
            )
        bar.update((completed or 0) - bar.n)
