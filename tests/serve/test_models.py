"""Messages as programs of 0.8 get them, and the classes made of schemas."""

import subprocess
import sys

import pytest
from pydantic import ValidationError

from mellea.core import ImageBlock, ImageUrlBlock, OutputSchema
from mellea.serve import App, ChatMessage, ImageUrlContent, TextContent
from mellea.serve.chat_request import read_request
from mellea.serve.format_class import class_of

DOT = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
PARTS = [
    {"type": "text", "text": "See"},
    {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{DOT}", "detail": "low"}},
    TextContent(text="and hear."),
    {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
    {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
]


def test_parts_become_their_classes_and_blocks():
    message = ChatMessage(role="user", content=PARTS)

    assert message.get_text_content() == "See and hear."
    assert message.get_image_urls()[1] == "https://example.com/a.png"
    assert [type(block) for block in message.get_image_blocks()] == [ImageBlock, ImageUrlBlock]
    assert [block.format for block in message.get_audio_blocks()] == ["wav"]
    assert len(message.to_message().images) == 2


@pytest.mark.parametrize(("content", "text"), [("Hi", "Hi"), (None, ""), ([], "")])
def test_plain_content_has_text_alone(content, text):
    message = ChatMessage(role="assistant", content=content)

    assert message.get_text_content() == text
    assert message.get_image_urls() == message.get_image_blocks() == message.get_audio_blocks() == []


@pytest.mark.parametrize(
    "given",
    [{"role": "king"}, {"role": "user", "content": [{"type": "video"}]}, {"role": "user", "content": 1}],
)
def test_anything_else_is_no_message(given):
    with pytest.raises(ValidationError):
        ChatMessage(**given)


@pytest.mark.parametrize(
    ("url", "why"),
    [("data:image/png;base64,%%%" + "x" * 500, "Invalid image data"), ("ftp://x", "URL"), ("", "URL")],
)
def test_what_is_no_image_is_quoted_in_part(url, why):
    message = ChatMessage(role="user", content=[ImageUrlContent(image_url={"url": url} if url else {})])
    with pytest.raises(ValueError, match=why) as error:
        message.get_image_blocks()
    assert len(str(error.value)) < 300


def test_developer_is_system_and_tool_calls_are_kept():
    body = (
        b'{"messages": [{"role": "developer", "content": "x"}, {"role": "assistant", "tool_calls": '
        b'[{"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]}]}'
    )
    first, second = read_request(body).messages

    assert first.role == "system"
    assert second.to_message().tool_calls[0]["id"] == "1"


def test_class_of_a_schema_checks_and_has_attributes():
    schema = {
        "type": "object",
        "title": "Team",
        "required": ["people", "class"],
        "properties": {
            "people": {"type": "array", "items": {"$ref": "#/$defs/person"}},
            "class": {"enum": ["a", "b"]},
            "note": {"type": "string"},
        },
        "$defs": {
            "person": {
                "type": "object",
                "properties": {"name": {"type": "string"}, "boss": {"$ref": "#/$defs/person"}},
                "required": ["name"],
            }
        },
    }
    made = class_of(OutputSchema.of(schema))
    team = made.model_validate_json('{"people": [{"name": "Ada", "boss": {"name": "B"}}], "class": "a"}')

    assert (made.__name__, made.model_json_schema()) == ("Team", schema)
    assert (team.people[0].name, team.people[0].boss, team.note) == ("Ada", {"name": "B"}, None)
    with pytest.raises(ValidationError, match="class"):
        made.model_validate({"people": [], "class": "c"})


def test_models_need_neither_starlette_nor_uvicorn():
    program = (
        "import sys, mellea.serve; mellea.serve.models.ChatMessage(role='user'); import mellea\n"
        "assert not {'starlette', 'uvicorn', 'prometheus_client', 'mcp'} & set(sys.modules)"
    )
    program = program.replace("mellea.serve.models", "mellea.serve")
    subprocess.run([sys.executable, "-c", program], check=True)
    assert App.__module__ == "mellea.serve.app"
