"""What is served: a program's ``serve`` function, and typed functions."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar, TypeAlias

from attrs import field, frozen

from mellea.core.backend import Backend
from mellea.core.errors import OutputParseError, ToolArgumentsError, UsageError
from mellea.core.event_loop import in_thread
from mellea.core.options import ModelOption
from mellea.core.requirement import Requirement
from mellea.core.tool import Tool
from mellea.serve.answers import Answer, as_text, fitting_text
from mellea.serve.chat_request import ChatCompletionRequest
from mellea.serve.failures import RequestError
from mellea.serve.format_class import class_of
from mellea.serve.limits import Slot
from mellea.serve.verdicts import verdicts_of
from mellea.stdlib.components.genstub import GenerativeStub, PreconditionException
from mellea.stdlib.context.simple import SimpleContext
from mellea.stdlib.program_file import load_module, load_program
from mellea.stdlib.session import MelleaSession
from mellea.stdlib.tools.mellea_tool import MelleaTool

__all__ = ["Served", "ServedFunction", "TypedFunction", "programs_in", "served", "typed_functions_in"]


@frozen
class ServedFunction:
    """A function ``serve(input, requirements, model_options, ...)``.

    Args:
        function: It may be a coroutine function. A parameter ``format`` gets a pydantic class for the JSON
            schema that the client asks for, ``client_options`` what the client sent besides.
        name: The model that clients see.

    Raises:
        UsageError: It takes no ``input``.
    """

    function: Callable[..., Any]
    name: str
    needs_backend: ClassVar[bool] = False
    _parameters: frozenset[str] = field(init=False)

    def __attrs_post_init__(self) -> None:
        found = inspect.signature(self.function).parameters
        if "input" not in found:
            raise UsageError(
                f"{self.name} cannot be served: it takes no input.",
                hint="Write serve(input, requirements, model_options), or a typed function.",
            )
        object.__setattr__(self, "_parameters", frozenset(found))

    async def answer(self, asked: ChatCompletionRequest, backend: Backend | None, slot: Slot) -> Any:
        """Return what the function gives, which may still be on its way.

        Args:
            asked: What is asked.
            backend: The server's own, which this does without.
            slot: Lasts as long as the thread that a plain function runs in.

        Raises:
            RequestError: The client asks for what the function does not take.
        """
        arguments = self._arguments(asked)
        with _staying():
            if inspect.iscoroutinefunction(self.function):
                return await self.function(**arguments)
            work = asyncio.ensure_future(in_thread(self._called, arguments))
            slot.hold(work)
            given = await asyncio.shield(work)
            return await given if inspect.isawaitable(given) else given

    def _called(self, arguments: Mapping[str, Any]) -> Any:
        with _staying():
            return self.function(**arguments)

    def _arguments(self, asked: ChatCompletionRequest) -> dict[str, Any]:
        schema = asked.schema_asked
        given: dict[str, Any] = {
            "input": asked.messages,
            "requirements": asked.requirements,
            "model_options": asked.model_options(),
            "format": class_of(schema) if schema is not None else None,
            "client_options": asked.client_options(),
        }
        if asked.requirements and "requirements" not in self._parameters:
            raise _not_taken(self.name, "requirements")
        if schema is not None and "format" not in self._parameters:
            raise _not_taken(self.name, "response_format")
        return {name: value for name, value in given.items() if name in self._parameters}


@contextlib.contextmanager
def _staying() -> Iterator[None]:
    """Let no program end the server."""
    try:
        yield
    except (SystemExit, KeyboardInterrupt) as error:
        raise RuntimeError("The program tried to end the process.") from error


def _not_taken(name: str, param: str) -> RequestError:
    return RequestError(f"{name} takes no {param}.", param=param, code="unsupported_parameter")


@frozen
class TypedFunction:
    """A typed function, which gets a session of its own for each request.

    Args:
        function: The function.
    """

    function: GenerativeStub[Any, Any, Any]
    needs_backend: ClassVar[bool] = True
    tool: Tool = field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "tool", MelleaTool.from_callable(self.function))

    @property
    def name(self) -> str:
        """The model that clients see: the function's name."""
        return self.function.__name__

    async def answer(self, asked: ChatCompletionRequest, backend: Backend | None, slot: Slot) -> Answer:
        """Return what the function gives for the arguments in the last message.

        Args:
            asked: What is asked.
            backend: What its session generates with.
            slot: Not needed: the function ends with the request.

        Raises:
            RequestError: The arguments do not fit, or the client offers tools.
            MelleaError: The call failed.
        """
        if asked.tools:
            raise _not_taken(self.name, "tools")
        schema = asked.schema_asked
        arguments = self._arguments(asked.messages[-1].get_text_content())
        options = {key: value for key, value in asked.model_options().items() if key != ModelOption.STREAM}
        value, session = await self.call(arguments, backend, asked.requirements or (), options)
        output = session.ctx.last_output()
        verdicts = verdicts_of(output.sampling if output is not None else None)
        if schema is None:
            return Answer(as_text(value), verdicts=verdicts)
        try:
            return Answer(fitting_text(value, schema), verdicts=verdicts)
        except OutputParseError as error:
            raise RequestError(
                f"{self.name} answers with what does not fit the schema. {error.message}",
                param="response_format",
            ) from error

    async def call(
        self,
        arguments: Mapping[str, Any],
        backend: Backend | None,
        requirements: Iterable[Requirement | str] = (),
        model_options: Mapping[str, Any] | None = None,
    ) -> tuple[Any, MelleaSession]:
        """Return what the function gives, and the session that it was called with, closed.

        Args:
            arguments: By name, as JSON gives them.
            backend: What generates.
            requirements: More requirements than its own.
            model_options: Options of the session.

        Raises:
            RequestError: The arguments do not fit.
            MelleaError: The call failed.
        """
        assert backend is not None  # noqa: S101  whoever serves it has opened one
        try:
            checked = self.tool.arguments(arguments)
        except ToolArgumentsError as error:
            raise RequestError(error.message, param="messages") from error
        more = {"requirements": [*self.function.requirements, *requirements]} if requirements else {}
        async with MelleaSession(backend, SimpleContext(), model_options=model_options) as session:
            try:
                return await self.function.acall(session, **checked, **more), session
            except PreconditionException as error:
                raise RequestError(str(error), param="messages", code="precondition_failed") from error

    def _arguments(self, text: str) -> Mapping[str, Any]:
        """Return the arguments in a text: a JSON object with their names, or the one that there is."""
        known = self.tool.parameters.get("properties", {})
        read: Any = None
        with contextlib.suppress(ValueError, RecursionError):
            read = json.loads(text)
        if isinstance(read, dict) and read.keys() <= known.keys() and (read or not known):
            return read
        required = self.tool.parameters.get("required") or list(known)
        if len(required) == 1 or len(known) == 1:
            name = required[0] if len(required) == 1 else next(iter(known))
            takes_text = known[name].get("type") == "string" or read is None
            return {name: text if takes_text else read}
        raise RequestError(
            f"{self.name} takes {', '.join(known) or 'nothing'}: send a JSON object with these in the last "
            "message.",
            param="messages",
        )


Served: TypeAlias = ServedFunction | TypedFunction


def served(program: Any, name: str | None = None) -> Served:
    """Return a function as what is served.

    Args:
        program: A typed function, or ``serve(input, requirements, model_options)``.
        name: The model that clients see, of a function that is not typed; by default its own name.

    Raises:
        UsageError: It is neither.
    """
    if isinstance(program, ServedFunction | TypedFunction):
        return program
    if isinstance(program, GenerativeStub):
        return TypedFunction(program)
    if callable(program) and not isinstance(program, type):
        return ServedFunction(program, str(name or getattr(program, "__name__", type(program).__name__)))
    raise UsageError(f"{program!r} cannot be served.", hint="Pass a function.")


def programs_in(name: str) -> tuple[Served, ...]:
    """Return what a text names: a function, a file's ``serve``, or else the typed functions of the file.

    Args:
        name: ``program.py``, ``program.py:function``, or the same with a module.

    Raises:
        UsageError: There is none.
    """
    place, function = _split(name)
    label = Path(place).stem if place.endswith(".py") else place.rpartition(".")[2]
    if function:
        return (served(load_program(name), label if function == "serve" else function),)
    module = load_module(place)
    if callable(found := getattr(module, "serve", None)):
        return (served(found, label),)
    return typed_functions_in(name)


def typed_functions_in(name: str) -> tuple[TypedFunction, ...]:
    """Return the typed functions that a text names.

    Args:
        name: ``program.py``, or ``program.py:function``.

    Raises:
        UsageError: There is none.
    """
    place, function = _split(name)
    if function:
        found = [load_program(name)]
    else:
        module = load_module(place)
        found = [value for value in vars(module).values() if _is_of(module, value)]
    typed = tuple(TypedFunction(one) for one in found if isinstance(one, GenerativeStub))
    if not typed:
        raise UsageError(
            f"{name} has nothing to serve: neither serve(input, requirements, model_options) nor a typed "
            "function.",
            hint="Decorate a function with @generative.",
        )
    return typed


def _split(name: str) -> tuple[str, str]:
    place, separator, function = name.rpartition(":")
    return (place, function) if separator else (name, "")


def _is_of(module: ModuleType, value: Any) -> bool:
    return isinstance(value, GenerativeStub) and getattr(value, "__module__", None) == module.__name__
