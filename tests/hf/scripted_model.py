"""A model that writes what the kit says, byte by byte, in the place of weights."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from mellea.testing.conformance import Provider
from tests.hf import tiny

__all__ = ["ScriptedModel"]

_END, _UNSEEN = 0, 1
"""The end of an answer, and a token without text."""


class ScriptedModel(Provider):
    """A tiny model whose scores are replaced by those of the next byte of an answer."""

    plays = frozenset({"raw"})

    def start(self) -> None:
        from tests.hf.conftest import on_engine

        self._tokenizer, self._model = on_engine(lambda: (tiny.tokenizer(), tiny.model(window=100_000)))
        # It knows one batch of prompts at a time, and none of the engine's packed rows.
        self._model._supports_attention_backend = False  # noqa: SLF001
        self._model.register_forward_hook(self._write, with_kwargs=True)
        self._generate, self._model.generate = self._model.generate, self._until_it_ends
        self._rows: list[list[int]] = []
        self._written = 0

    @property
    def arguments(self) -> Mapping[str, Any]:
        return {"model_id": "scripted", "custom_config": (self._tokenizer, self._model, "cpu")}

    def _write(self, module: Any, args: Any, given: Mapping[str, Any], output: Any) -> Any:
        ids = given.get("input_ids", args[0] if args else None)
        if ids.shape[1] > 1:
            self._rows = [self._begin(row) for row in ids.tolist()]
            self._written = 0
        output.logits[:] = -1e9
        for place, row in enumerate(self._rows):
            output.logits[place, -1, row[min(self._written, len(row) - 1)]] = 0.0
        self._written += 1
        return output

    def _until_it_ends(self, **given: Any) -> Any:
        try:
            return self._generate(**given)
        finally:
            self.left.set()

    def _begin(self, ids: list[int]) -> list[int]:
        """Return the tokens that answer a prompt."""
        said = self._tokenizer.decode(ids)
        answer = self.answer_to(said)
        time.sleep(answer.latency)
        text = answer.text if "<|assistant|>" in said else f"{answer.text}{said.replace('<|end|>', '')}"
        tokens = self._tokenizer.encode(text, add_special_tokens=False)
        return [*tokens, _UNSEEN if answer.ends == "stall" else _END]
