"""``decompose`` as programs of the 0.8 line call it; see ``mellea.decompose`` for today's."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Any

from mellea.core.options import ModelOption
from mellea.decompose.decomposing import decompose as take_apart
from mellea.stdlib.session import start_session

__all__ = ["DecompBackend", "decompose"]


class DecompBackend(StrEnum):
    """What a task is taken apart with."""

    ollama = "ollama"
    openai = "openai"


def decompose(
    task_prompt: str,
    user_input_variable: Sequence[str] | None = None,
    model_id: str | None = None,
    backend: DecompBackend | str = DecompBackend.ollama,
    backend_req_timeout: int = 300,
    backend_endpoint: str | None = None,
    backend_api_key: str | None = None,
) -> dict[str, Any]:
    """Return a task taken apart, as JSON values under the names of 0.8.

    Args:
        task_prompt: The task.
        user_input_variable: The names of what is given along with it; by default the model finds them.
        model_id: The model; by default the backend's own.
        backend: The name of an installed backend.
        backend_req_timeout: Seconds that a request may take.
        backend_endpoint: The address of the server.
        backend_api_key: The key for it.

    Raises:
        DecompositionError: The model could not do a step.
        UsageError: The task is empty, or a variable has no name that a program can use.
        ProviderError: The provider failed.
    """
    others: dict[str, Any] = {"base_url": backend_endpoint, "api_key": backend_api_key}
    with start_session(
        str(backend),
        model_id=model_id,
        model_options={ModelOption.TIMEOUT: float(backend_req_timeout)},
        **{name: value for name, value in others.items() if value is not None},
    ) as m:
        return take_apart(task_prompt, m, variables=user_input_variable).to_dict()
