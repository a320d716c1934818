"""Typed functions as tools of the Model Context Protocol, for our own client."""

from __future__ import annotations

import os
import sys

import pytest

from mellea.core.errors import ToolServerError
from mellea.serve.mcp_tools import mcp_server
from mellea.serve.programs import TypedFunction
from mellea.stdlib.tools.mcp import MCPClient, http_connection, stdio_connection
from tests.serve.programs import backend, sentiment, total
from tests.serve.serving import serving

PROGRAM = '''
from mellea import ModelOption, generative

print("what is printed disturbs nothing")

@generative(model_options={ModelOption.MAX_RETRIES: 0})
def shout(text: str) -> str:
    """Say it loudly.

    Args:
        text: What is said.
    """
'''


@pytest.fixture(scope="module")
def client():
    server = mcp_server([TypedFunction(sentiment), TypedFunction(total)], backend())
    app = server.streamable_http_app(stateless_http=True, json_response=True)
    with serving(app) as (address, _), MCPClient(http_connection(f"{address}/mcp")) as client:
        yield client


def test_tools_have_the_signature_and_the_docstring(client):
    specs = {spec.name: spec for spec in client.specs()}

    assert specs["total"].description == "Add numbers."
    schema = specs["total"].input_schema
    assert schema["required"] == ["numbers"]
    assert schema["properties"]["numbers"]["description"] == "What is added."


def test_calls_give_the_value(client):
    assert client.call("total", {"numbers": [1, 2, 3]}) == "6"
    assert client.call("sentiment", {"text": "sentiment: good"}) == "positive"


@pytest.mark.parametrize(
    ("name", "arguments", "why"),
    [
        ("total", {"numbers": "many"}, "numbers"),
        ("total", {}, "numbers"),
        ("other", {}, "There is no tool 'other'"),
    ],
)
def test_what_does_not_fit_is_told(client, name, arguments, why):
    with pytest.raises(ToolServerError, match=why):
        client.call(name, arguments)


def test_program_is_served_over_standard_input_and_output(tmp_path):
    (tmp_path / "program.py").write_text(PROGRAM)
    arguments = ["-m", "mellea.cli", "mcp", str(tmp_path / "program.py"), "-b", "openai", "-m", "m"]
    env = {"PYTHONPATH": os.environ.get("PYTHONPATH", ""), "OPENAI_BASE_URL": "http://127.0.0.1:9/v1"}
    connection = stdio_connection(sys.executable, args=arguments, timeout=60, env=env)
    with MCPClient(connection) as client:
        assert [tool.name for tool in client.tools()] == ["shout"]
        with pytest.raises(ToolServerError, match="The model's provider failed"):
            client.call("shout", {"text": "Hello"})
