"""What verbs are made of: what is said, a generation that is started or left to a strategy, and its end."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from mellea.core.backend import Backend
from mellea.core.blocks import make_audio_block, make_image_block
from mellea.core.component import Span, blockify
from mellea.core.context import Context
from mellea.core.errors import CapabilityError, UsageError
from mellea.core.foreign_backend import as_backend
from mellea.core.generate_config import GenerateConfig
from mellea.core.message import Message, Role
from mellea.core.options import ModelOption
from mellea.core.reading import sources_of_values
from mellea.core.requirement import Requirement
from mellea.core.sampling import SamplingResult, SamplingStrategy
from mellea.core.templates import render_text
from mellea.core.thunk import ComputedModelOutputThunk, ModelOutputThunk
from mellea.plugins.suggestions import with_alternatives
from mellea.stdlib.sampling._default_strategy import as_strategy
from mellea.stdlib.sampling._request import requirements_of

__all__ = [
    "loops",
    "refuse_rounds",
    "sample",
    "start_generation",
    "tool_options",
    "user_message",
    "wait_or_cancel",
    "with_made_tools",
]

S = TypeVar("S")
_TOOLS = (ModelOption.TOOLS, "tools")


async def start_generation(
    action: Span | str,
    context: Context,
    backend: Backend,
    config: GenerateConfig,
) -> tuple[ModelOutputThunk[Any], Context]:
    """Start a generation and return its thunk, on its way, with the context that contains both.

    Args:
        action: What the model is asked.
        context: The conversation that led here.
        backend: What generates.
        config: How the output is to be generated.

    Raises:
        UsageError: The call cannot be carried out; nothing was sent.
    """
    config, asked = with_made_tools(config), as_backend(backend)
    prepared = await context.prepare(asked)
    try:
        return await asked.generate_from_context(blockify(action), prepared, **config.keywords())
    except CapabilityError as error:
        raise with_alternatives(error) from None


def with_made_tools(config: GenerateConfig) -> GenerateConfig:
    """Return the config with functions among its tools made tools.

    Raises:
        UsageError: One of them is no tool, or two have the same name.
    """
    if not config.tool_calls:
        return config
    given = {name: config.options[name] for name in _TOOLS if config.options.get(name) is not None}
    if not given:
        return config
    from mellea.stdlib.tools.mellea_tool import as_tools  # noqa: PLC0415  few calls have tools

    return config.under({name: as_tools(tools) for name, tools in given.items()})


def loops(config: GenerateConfig) -> bool:
    """Tell whether calls of tools are carried out, and the model goes on until it answers."""
    return config.tool_calls and bool(config.options.get(ModelOption.TOOL_LOOP))


def refuse_rounds(verb: str, config: GenerateConfig, *, by_default: bool = False) -> None:
    """Refuse rounds of tools for a verb that streams: what is handed on of a text is not taken back.

    Args:
        verb: Its name.
        config: How the output is to be generated.
        by_default: Whether rounds are meant when nothing is said of them.

    Raises:
        UsageError: The calls are to be carried out.
    """
    said = config.options.get(ModelOption.TOOL_LOOP)
    if config.tool_calls and (by_default if said is None else said):
        raise UsageError(
            f"{verb} streams one answer and carries out no calls of tools; nothing was sent.",
            hint="Use instruct or chat with tools, or stream_react, which tells every call as it happens; or "
            "pass model_options={ModelOption.TOOL_LOOP: False} to find the calls in the output's tool_calls.",
        )


def tool_options(
    model_options: Mapping[str, Any] | None,
    tool_calls: bool,
    tools: Iterable[Any] | Mapping[str, Any] | None,
    tool_loop: Any = None,
    *,
    loops: bool = False,
) -> tuple[Mapping[str, Any] | None, bool]:
    """Return the options of a call with its tools among them, and whether it may call any.

    Args:
        model_options: The options so far.
        tool_calls: Whether it may without.
        tools: The tools of the call.
        tool_loop: How calls are carried out; None as ``loops`` says.
        loops: Whether calls of the call's own tools are carried out when nothing is said.
    """
    if tool_loop is None and tools is not None and loops:
        tool_loop = True
    if tools is None and tool_loop is None:
        return model_options, tool_calls
    told = dict(model_options or {})
    if tools is not None:
        told[ModelOption.TOOLS] = tools
    if tool_loop is not None:  # True means as the session says, if it says how
        told[ModelOption.TOOL_LOOP] = (
            told.get(ModelOption.TOOL_LOOP) or True if tool_loop is True else tool_loop
        )
    return told, tool_calls or tools is not None or bool(tool_loop)


async def wait_or_cancel(thunk: ModelOutputThunk[S]) -> ComputedModelOutputThunk[S]:
    """Wait for an output that nobody else has yet: whoever cancels the wait cancels the generation."""
    try:
        return await thunk.result()
    except BaseException:
        await thunk.cancel_generation()
        raise


async def sample(
    action: Span | str,
    context: Context,
    backend: Backend,
    config: GenerateConfig,
    *,
    requirements: Iterable[str | Requirement] | None = None,
    strategy: str | SamplingStrategy | None = None,
    strict: bool = False,
) -> SamplingResult[Any]:
    """Make attempts until one meets every requirement, as a strategy says.

    Args:
        action: What the model is asked.
        context: The conversation that led here.
        backend: What generates.
        config: How the outputs are to be generated.
        requirements: What the output must respect.
        strategy: How attempts are made, or the name of a strategy; the default one for None.
        strict: Whether it is an error that no attempt meets every requirement.

    Raises:
        RequirementsNotMetError: With ``strict``, no attempt met every requirement.
        BudgetError: The budget ended before the first attempt did.
        ProviderError: The provider failed, and no attempt was a success.
    """
    chosen = as_strategy(strategy)
    config = with_made_tools(config)
    required = requirements_of(requirements)
    try:
        result = await chosen.sample(blockify(action), context, backend, required, **config.keywords())
    except CapabilityError as error:
        raise with_alternatives(error) from None
    result.result.note_sampling(result)
    return result.raise_for_failure() if strict else result


def user_message(
    content: str,
    role: Role = "user",
    *,
    images: Iterable[Any] | None = None,
    audio: Iterable[Any] | None = None,
    documents: Iterable[Span | str] | None = None,
    user_variables: Mapping[str, Any] | None = None,
) -> Message:
    """Return the message that ``chat`` sends; with ``user_variables`` the content is a template."""
    for name, value in (("images", images), ("audio", audio), ("documents", documents)):
        if isinstance(value, str | bytes):
            raise UsageError(
                f"{name} is one {'text' if isinstance(value, str) else 'file'}.",
                hint=f"Pass a list: {name}=[...].",
            )
    sources = None
    if user_variables is not None:
        content = render_text(content, user_variables)
        sources = sources_of_values(user_variables)
    return Message(
        role,
        content,
        sources=sources,
        images=[make_image_block(image) for image in images] if images else None,
        audio=[make_audio_block(sound) for sound in audio] if audio else None,
        documents=documents,
    )
