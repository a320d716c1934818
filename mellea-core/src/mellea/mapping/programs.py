"""Programs that rows go through: typed functions, and functions of a session and a row."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from attrs import field, frozen

from mellea.core.errors import UsageError
from mellea.core.event_loop import in_thread
from mellea.core.message import Message
from mellea.core.sampling import SamplingResult
from mellea.core.thunk import ModelOutputThunk
from mellea.evaluation.calling import takes_session
from mellea.mapping.rows import as_json
from mellea.stdlib.program_file import load_program

if TYPE_CHECKING:
    from mellea.stdlib.session import MelleaSession

__all__ = ["Program"]

_NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


@frozen(eq=False)
class Program:
    """A function that rows go through.

    Args:
        function: The function.
        name: What it is called.
        takes_session: Whether its first argument is a session.
        parameters: Its parameters but for the session.
        given: What it was named by, or the function.
    """

    function: Callable[..., Any]
    name: str
    takes_session: bool
    parameters: Mapping[str, inspect.Parameter]
    given: Any = None
    _called: Callable[..., Awaitable[Any]] = field(init=False)
    _needed: Sequence[str] = field(init=False)
    _takes_any: bool = field(init=False)

    @_called.default
    def _find_called(self) -> Callable[..., Awaitable[Any]]:
        typed: Callable[..., Awaitable[Any]] | None = getattr(self.function, "acall", None)
        if typed is not None or inspect.iscoroutinefunction(self.function):
            return typed or self.function
        return partial(_called_in_thread, self.function)

    @_needed.default
    def _find_needed(self) -> Sequence[str]:
        empty = inspect.Parameter.empty
        return [name for name, each in self.parameters.items() if each.default is empty]

    @_takes_any.default
    def _find_whether_it_takes_any(self) -> bool:
        return any(each.kind is inspect.Parameter.VAR_KEYWORD for each in self.parameters.values())

    @classmethod
    def of(cls, given: Any) -> Program:
        """Return the program that something stands for: a function, or ``program.py:function``.

        Raises:
            UsageError: It is neither, there is none of that name, or it takes no row.
        """
        function = load_program(given) if isinstance(given, str) else given
        if not callable(function) or isinstance(function, type):
            raise UsageError(
                f"{given!r} is no program.", hint="Pass a function, or its name: program.py:function."
            )
        parameters = dict(inspect.signature(function).parameters)
        with_session = takes_session(function)
        if with_session and not hasattr(function, "acall"):
            del parameters[next(iter(parameters))]
        name = str(getattr(function, "__qualname__", None) or type(function).__qualname__)
        if not parameters:
            raise UsageError(
                f"{name} takes no row.", hint="Give it a parameter: async def step(session, row)."
            )
        return cls(function, name, with_session, parameters, given)

    async def call(self, session: MelleaSession | None, row: Any) -> Any:
        """Return what the function returns for a row, as JSON values.

        Args:
            session: The session, if it takes one.
            row: The row.

        Raises:
            UsageError: It cannot take the row, or JSON cannot hold what it returns.
        """
        first = () if session is None else (session,)
        args, kwargs = self._arguments(row)
        given = await self._called(*first, *args, **kwargs)
        return as_json(await _value(given), f"What {self.name} returned")

    def _arguments(self, row: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return a row as arguments: by their names where it has them all, else as the one argument."""
        if isinstance(row, dict):
            if self._takes_any:
                return (), {str(key): value for key, value in row.items()}
            named, needed = {name: row[name] for name in self.parameters if name in row}, self._needed
            if named and all(name in named for name in needed):
                return (), named
            if len(needed) > 1 or hasattr(self.function, "acall"):
                missing = ", ".join(name for name in needed if name not in row)
                there = ", ".join(map(str, row)) or "nothing"
                raise UsageError(
                    f"{self.name} finds no {missing} in the row, which has: {there}.",
                    hint="Name the columns as the parameters.",
                )
        return (row,), {}


async def _called_in_thread(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    given = await in_thread(lambda: function(*args, **kwargs))
    return await given if inspect.isawaitable(given) else given


async def _value(given: Any) -> Any:
    if isinstance(given, SamplingResult):
        given = given.result
    if isinstance(given, ModelOutputThunk):
        await given.avalue()
        given = given.parsed
    return given.content if isinstance(given, Message) else given
