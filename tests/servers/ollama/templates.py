"""The models' templates: what they make of a conversation, and how ``/api/show`` gives them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["rendered", "source"]

_PLAIN = """\
{{- range .Messages }}<|im_start|>{{ .Role }}
{{ .Content }}<|im_end|>
{{ end }}<|im_start|>assistant
"""
_THINKING = """\
{{- range .Messages }}<|im_start|>{{ .Role }}
{{ if and .Thinking (eq .Role "assistant") }}<think>
{{ .Thinking }}
</think>
{{ end }}{{ .Content }}<|im_end|>
{{ end }}<|im_start|>assistant
{{ if .Think }}<think>
{{ end }}"""
_TOOLS = """\
{{- if .Tools }}<|im_start|>system
You may call one or more functions. Available functions:
{{- range .Tools }}
{"type": "function", "function": {{ .Function }}}
{{- end }}
For each call return a JSON object within <tool_call></tool_call> tags:
<tool_call>
{"name": <function-name>, "arguments": <args-json-object>}
</tool_call><|im_end|>
{{ end }}
{{- range .Messages }}<|im_start|>{{ .Role }}
{{ if .ToolCalls }}{{ range .ToolCalls }}<tool_call>
{"name": "{{ .Function.Name }}", "arguments": {{ .Function.Arguments }}}
</tool_call>
{{ end }}{{ else }}{{ .Content }}{{ end }}<|im_end|>
{{ end }}<|im_start|>assistant
"""
_OFFER = """\
<|im_start|>system
You may call one or more functions. Available functions:{listed}
For each call return a JSON object within <tool_call></tool_call> tags:
<tool_call>
{{"name": <function-name>, "arguments": <args-json-object>}}
</tool_call><|im_end|>
"""
Message = Mapping[str, Any]


def source(capabilities: Sequence[str]) -> str:
    """Return the template of a model that can do this."""
    return _THINKING if "thinking" in capabilities else _TOOLS if "tools" in capabilities else _PLAIN


def rendered(messages: Sequence[Message], tools: Sequence[Message] = (), *, think: bool) -> str:
    """Return the prompt that a conversation is to the model.

    Args:
        messages: The conversation.
        tools: What the model may call.
        think: Whether it is to begin with its reasoning.
    """
    offer = _OFFER.format(listed="".join(map(_listed, tools))) if tools else ""
    said = "".join(f"<|im_start|>{message['role']}\n{_content(message)}<|im_end|>\n" for message in messages)
    return f"{offer}{said}<|im_start|>assistant\n" + ("<think>\n" if think else "")


def _listed(tool: Message) -> str:
    return f'\n{{"type": "function", "function": {_compact(tool["function"])}}}'


def _content(message: Message) -> str:
    calls = "".join(
        f'<tool_call>\n{{"name": "{call["function"]["name"]}", '
        f'"arguments": {_compact(call["function"]["arguments"])}}}\n</tool_call>\n'
        for call in message.get("tool_calls") or ()
    )
    thought = message.get("thinking") if message["role"] == "assistant" else None
    return calls or (f"<think>\n{thought}\n</think>\n" if thought else "") + (message.get("content") or "")


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
