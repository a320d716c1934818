"""The backend, judged by Mellea's kit: on a scripted engine, and on the real one."""

import json
import time
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
from mellea.testing.conformance import BackendConformance, ChatCompletionsProvider

from tests.conftest import SMALL


class ScriptedEngine(ChatCompletionsProvider):
    """Answers as the kit says, by the calls of the engine."""

    plays = frozenset(
        {"embeddings", "options", "raw", "refusal", "thinking", "tools", "usage"}
    )
    knows_tools = True

    def start(self) -> None:
        self.server = SimpleNamespace(
            handle_chat_completions=self.chat,
            handle_completions=self.complete,
            handle_embeddings=self.embed,
        )

    def close(self) -> None:
        pass

    @property
    def arguments(self) -> Mapping[str, Any]:
        return {"engine": self}

    def chat(self, body, hand_on) -> None:
        answer = self.answer_to(json.dumps(body, ensure_ascii=False))
        time.sleep(answer.latency)
        for event in self.stream(body, answer):
            if "[DONE]" not in event and hand_on(
                json.loads(event.removeprefix("data: "))
            ):
                break
        while answer.ends == "stall" and not hand_on({"choices": []}):
            time.sleep(0.01)
        if answer.ends == "stall":
            self.left.set()

    def complete(self, body, hand_on) -> None:
        answer = self.answer_to(json.dumps(body, ensure_ascii=False))
        hand_on(self.whole({**body, "path": "/completions"}, answer))

    def embed(self, body) -> Any:
        answer = self.answer_to(json.dumps(body))
        return self.whole({**body, "path": "/embeddings"}, answer)


@pytest.mark.usefixtures("model")
class TestLlamaCpp(BackendConformance):
    name = "llamacpp"
    provider_type = ScriptedEngine
    options: ClassVar = SMALL
    exceptions: ClassVar = {
        "test_image_is_sent": "it loads no second file, for images",
        "test_audio_is_sent": "it loads no second file, for sound",
    }
