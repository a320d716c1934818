"""Reasoning of local models: how a chat template switches it, and the control tokens that mark it.

Telling it from the answer is the core's; here the marks are kept in the text, so that the core sees them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from attrs import evolve
from jinja2 import TemplateSyntaxError
from jinja2.ext import do, loopcontrols
from jinja2.meta import find_undeclared_variables
from jinja2.sandbox import ImmutableSandboxedEnvironment

from mellea.core import ModelOption, UnsupportedOptionError
from mellea.core.options import OptionTable
from mellea.core.reasoning import MARKS, opened_at_the_end
from mellea_hf.options import OPTIONS

__all__ = ["marks_of", "opening_of", "switches_of", "table_for", "without_thinking"]

_SWITCHES = ("enable_thinking", "thinking")
"""Variables of chat templates that switch reasoning: Qwen, SmolLM3, GLM and Gemma; Granite and DeepSeek."""
_EFFORT = "reasoning_effort"
"""The one that says how hard to reason: gpt-oss, and others that take it from there."""
_GENERATION = re.compile(r"\{%-?\s*(?:end)?generation\s*-?%\}")
"""A tag of transformers' own, which Jinja does not know."""
_TAIL = 16
"""Tokens of a prompt's end that may hold the tag which opens reasoning."""


def switches_of(template: str) -> frozenset[str]:
    """Return the variables of a chat template that have to do with reasoning; none if it cannot be read."""
    environment = ImmutableSandboxedEnvironment(extensions=[loopcontrols, do])
    try:
        variables = find_undeclared_variables(environment.parse(_GENERATION.sub("", template)))
    except TemplateSyntaxError:
        return frozenset()
    return frozenset(variables) & {*_SWITCHES, _EFFORT}


def table_for(switches: frozenset[str]) -> OptionTable:
    """Return the options of a model whose chat template has these switches of reasoning."""
    if not switches:
        return OPTIONS

    def variables(value: Any) -> Mapping[str, Any]:
        known = {name: bool(value) for name in _SWITCHES if name in switches}
        if isinstance(value, str):
            return known | ({_EFFORT: value} if _EFFORT in switches else {})
        if not known and not value:
            raise UnsupportedOptionError(
                "The chat template cannot switch reasoning off; nothing was generated.",
                hint='Pass ModelOption.THINKING: "low".',
                backend="hf",
            )
        return known or {_EFFORT: "medium"}

    return evolve(OPTIONS, names={**OPTIONS.names, ModelOption.THINKING: variables})


def without_thinking(switches: frozenset[str], options: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the options with reasoning switched off unless they say something about it."""
    if not switches.isdisjoint(options):
        return options
    return {**options, **{name: False for name in _SWITCHES if name in switches}}


def marks_of(tokenizer: Any) -> Mapping[int, str]:
    """Return the control tokens that mark reasoning; decoded text would lack them."""
    found = {
        token: said.content
        for token, said in tokenizer.added_tokens_decoder.items()
        if said.special and said.content in MARKS
    }
    if "<|channel|>" not in found.values():  # the rest of gpt-oss's marks are ends of turns to others
        found = {token: text for token, text in found.items() if text not in _HARMONY}
    return found


_HARMONY = frozenset({"<|message|>", "<|start|>", "<|end|>"})


def opening_of(tokenizer: Any, prompt: Sequence[int]) -> str:
    """Return the tag with which a prompt opens reasoning, so that the answer begins within; else nothing."""
    return opened_at_the_end(tokenizer.decode(prompt[-_TAIL:]))
