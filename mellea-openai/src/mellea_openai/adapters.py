"""Adapters that a server has: how a request names one.

llama.cpp's server lists those of ``--lora`` under ``/lora-adapters``, and takes the scale of each in the
field ``lora`` of a request. vLLM lists those of ``--lora-modules`` among its models, and takes the name as
the model's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath
from typing import Any

from mellea.core import Adapter, UsageError
from mellea.core.openai_servers import LLAMA_CPP, VLLM, Ask, root_of

__all__ = ["ServedAdapters"]


class ServedAdapters:
    """The adapters of one server that a program has named.

    Args:
        ask: Asks the server.
        base_url: Its address, up to and with ``/v1``.
        model_id: The model.
    """

    def __init__(self, ask: Ask, base_url: str, model_id: str) -> None:
        self._ask, self._base_url, self._model_id = ask, base_url, model_id
        self._fields: dict[str, Mapping[str, Any]] = {}
        self._off: Mapping[str, Any] = {}

    async def find(self, adapter: Adapter, server: str) -> None:
        """Find out how a request names an adapter.

        Args:
            adapter: The adapter.
            server: Who owns the server's models, in its own words.

        Raises:
            UsageError: The server does not have it, or is none that has adapters.
        """
        if server == LLAMA_CPP:
            listed = await self._listed(f"{root_of(self._base_url)}/lora-adapters")
            ids = {_stem(entry): int(entry["id"]) for entry in listed if "id" in entry}
            if adapter.name in ids:
                self._fields[adapter.name] = {"lora": [{"id": ids[adapter.name], "scale": 1.0}]}
                self._off = {"lora": [{"id": one, "scale": 0.0} for one in ids.values()]}
                return
            raise self._missing(adapter, ids, "Start it with --lora FILE.gguf; the file's name counts.")
        if server == VLLM:
            models = await self._listed("/models")
            names = [str(entry.get("id")) for entry in models if entry.get("id") != self._model_id]
            if adapter.name in names:
                self._fields[adapter.name] = {"model": adapter.name}
                return
            raise self._missing(
                adapter, names, "Start it with --enable-lora --lora-modules NAME=FOLDER; the name counts."
            )
        raise UsageError(
            f"The server at {self._base_url} is not known to have adapters; nothing was sent.",
            hint="llama.cpp's and vLLM's have; on others name the adapter's model as model_id.",
            backend="openai",
            model_id=self._model_id,
        )

    def forget(self, adapter: Adapter) -> None:
        """Forget an adapter; the server keeps it."""
        self._fields.pop(adapter.name, None)

    def fields(self, name: str | None) -> Mapping[str, Any]:
        """Return the fields of a request that an adapter answers, or the model alone for None."""
        return self._off if name is None else self._fields[name]

    async def _listed(self, address: str) -> list[Mapping[str, Any]]:
        told = await self._ask(address, None)
        entries = told.get("data") if isinstance(told, Mapping) else told
        return [one for one in entries if isinstance(one, Mapping)] if isinstance(entries, list) else []

    def _missing(self, adapter: Adapter, names: Iterable[str], hint: str) -> UsageError:
        return UsageError(
            f"The server at {self._base_url} has no adapter {adapter.name!r}; "
            f"it has: {', '.join(names) or 'none'}.",
            hint=hint,
            backend="openai",
            model_id=self._model_id,
        )


def _stem(entry: Mapping[str, Any]) -> str:
    return PurePosixPath(str(entry.get("path", "")).replace("\\", "/")).stem
