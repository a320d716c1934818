"""What a client asks: the body of a chat-completions request, and what programs get of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError

from mellea.core.errors import UsageError
from mellea.core.options import ModelOption
from mellea.core.schema import OutputSchema, misfits
from mellea.core.schema_check import check_schema
from mellea.core.tool import Tool
from mellea.serve.failures import RequestError
from mellea.serve.models import ChatMessage

__all__ = ["ChatCompletionRequest", "read_request"]

_MOST_REQUIREMENTS = 32

_REFUSED: Mapping[str, Any] = {
    "logprobs": (None, False),
    "top_logprobs": (None, 0),
    "logit_bias": (None, {}),
    "functions": (None, []),
    "function_call": (None, "none", "auto"),
    "modalities": (None, ["text"]),
    "audio": (None,),
    "web_search_options": (None,),
}
"""What a program cannot honour, and the values that ask for nothing."""

_NATIVE = ("top_p", "presence_penalty", "frequency_penalty")
_COMMON = {
    "temperature": ModelOption.TEMPERATURE,
    "seed": ModelOption.SEED,
    "stop": ModelOption.STOP_SEQUENCES,
    "reasoning_effort": ModelOption.THINKING,
}


class _StreamOptions(BaseModel):
    include_usage: bool | None = None


class _JsonSchema(BaseModel):
    name: Annotated[str, Field(max_length=64)] = "output"
    schema_: dict[str, Any] = Field(alias="schema", default_factory=dict)


class _ResponseFormat(BaseModel):
    type: Literal["text", "json_object", "json_schema"]
    json_schema: _JsonSchema | None = None


class _Function(BaseModel):
    name: Annotated[str, Field(min_length=1, max_length=128)]
    description: str | None = None
    parameters: dict[str, Any] | None = None


class _Tool(BaseModel):
    type: Literal["function"] = "function"
    function: _Function


class ChatCompletionRequest(BaseModel):
    """The body of a request.

    ``requirements`` is no field of OpenAI's: what the answer has to meet, in words.
    """

    model_config = ConfigDict(extra="allow")

    messages: Annotated[list[ChatMessage], Field(min_length=1)]
    model: str | None = None
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    n: int | None = None
    temperature: Annotated[FiniteFloat, Field(ge=0)] | None = None
    top_p: FiniteFloat | None = None
    presence_penalty: FiniteFloat | None = None
    frequency_penalty: FiniteFloat | None = None
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None
    seed: int | None = None
    stop: str | list[str] | None = None
    reasoning_effort: str | None = None
    tools: list[_Tool] | None = None
    tool_choice: str | dict[str, Any] | None = None
    response_format: _ResponseFormat | None = None
    requirements: Annotated[list[str], Field(max_length=_MOST_REQUIREMENTS)] | None = None

    @property
    def includes_usage(self) -> bool:
        """Whether a stream ends with the tokens that were spent."""
        return bool(self.stream_options and self.stream_options.include_usage)

    @property
    def schema_asked(self) -> OutputSchema | None:
        """What the answer has to look like; None for any text.

        Raises:
            RequestError: It is no JSON schema that can be met.
        """
        asked = self.response_format
        if asked is None or asked.type == "text":
            return None
        if asked.type == "json_object":
            return OutputSchema("output", {"type": "object"})
        if asked.json_schema is None:
            raise RequestError("response_format has no json_schema.", param="response_format")
        try:
            check_schema(asked.json_schema.schema_)
            return OutputSchema.of({"title": asked.json_schema.name, **asked.json_schema.schema_})
        except UsageError as error:
            raise RequestError(str(error), param="response_format") from error

    def model_options(self) -> dict[str, Any]:
        """Return what is asked as model options, under the common names where there are some."""
        given = {name: getattr(self, name) for name in (*_COMMON, *_NATIVE)}
        options = {_COMMON.get(name, name): value for name, value in given.items() if value is not None}
        if isinstance(self.stop, str):
            options[ModelOption.STOP_SEQUENCES] = [self.stop]
        most = self.max_completion_tokens or self.max_tokens
        if most is not None:
            options[ModelOption.MAX_NEW_TOKENS] = most
        if self.stream:
            options[ModelOption.STREAM] = True
        if self.tools:
            options[ModelOption.TOOLS] = [_as_tool(tool) for tool in self.tools]
            if self.tool_choice is not None:
                options[ModelOption.TOOL_CHOICE] = self.tool_choice
        return options

    def client_options(self) -> dict[str, Any]:
        """Return what the client sent besides: the model it names, and every field not known here."""
        named = {"model": self.model} if self.model is not None else {}
        return {**named, **(self.model_extra or {})}


def read_request(body: bytes) -> ChatCompletionRequest:
    """Return the request in a body.

    Raises:
        RequestError: It is none, or asks for what no program here can do.
    """
    try:
        given = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise RequestError("The body is no JSON.", code="invalid_json") from error
    if not isinstance(given, dict):
        raise RequestError("The body is no JSON object.", code="invalid_json")
    if b"\\u" in body:  # an escape may be of half a character
        _check_that_it_is_text(given)
    for name, nothing in _REFUSED.items():
        if given.get(name) not in nothing:
            raise RequestError(f"{name} is not supported here.", param=name, code="unsupported_parameter")
    if given.get("n") not in (None, 1):
        raise RequestError("Only one answer is given: n is 1.", param="n", code="unsupported_value")
    try:
        return ChatCompletionRequest.model_validate(_with_known_roles(given))
    except ValidationError as error:
        wrong: list[Any] = [*error.errors(include_url=False, include_context=False, include_input=False)]
        raise RequestError(f"The request is wrong: {misfits(wrong)}.", param=_place(wrong[0])) from error
    except RecursionError as error:
        raise RequestError("The request is nested too deeply.") from error


def _check_that_it_is_text(given: dict[str, Any]) -> None:
    try:
        json.dumps(given, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        half = error.object[error.start]
        raise RequestError(f"The request holds half a character, {ascii(half)[1:-1]}.") from error


def _place(wrong: Any) -> str:
    return ".".join(map(str, wrong["loc"]))


def _with_known_roles(given: dict[str, Any]) -> dict[str, Any]:
    """Return the body with ``system`` for the role ``developer``, as newer clients call it."""
    messages = given.get("messages")
    if not isinstance(messages, list):
        return given
    known = [
        {**one, "role": "system"} if isinstance(one, dict) and one.get("role") == "developer" else one
        for one in messages
    ]
    return {**given, "messages": known}


def _as_tool(given: _Tool) -> Tool:
    try:
        return Tool(given.function.name, _left_to_client, given.model_dump(exclude_none=True))
    except UsageError as error:
        raise RequestError(str(error), param="tools") from error


def _left_to_client(**arguments: Any) -> Any:
    """Refuse to run: a client's tool is the client's to carry out."""
    raise UsageError("This tool is the client's.", hint="Return its call, so that the client carries it out.")
