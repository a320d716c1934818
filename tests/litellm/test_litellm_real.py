"""What only the LiteLLM backend does with a real model."""

import pytest
from pydantic import BaseModel

from mellea import ModelOption
from mellea.core import CapabilityError, CBlock

SHORT = {ModelOption.MAX_NEW_TOKENS: 12, ModelOption.TEMPERATURE: 0.0, ModelOption.SEED: 1}


class City(BaseModel, extra="forbid"):
    name: str


async def test_raw_completion_with_a_format_is_refused_before_anything_is_sent(open_session):
    async with open_session().backend as backend:
        with pytest.raises(CapabilityError, match="chat"):
            await backend.generate_from_raw([CBlock("Paris:")], format=City)


def test_ollama_models_run_through_the_same_backend(open_session, ollama_server):
    session = open_session(
        model_id="ollama_chat/smollm2:latest",
        base_url=ollama_server.base_url,
        api_key=None,
        model_options=SHORT,
    )

    whole = session.chat("Say hello.", model_options={ModelOption.CONTEXT_WINDOW: 1024}).content

    assert "".join(session.stream_chat("Say hello.")) == whole
