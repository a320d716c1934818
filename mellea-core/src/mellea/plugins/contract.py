"""What a factory must be, as far as it shows without calling it."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any, get_type_hints

from attrs import frozen

from mellea.core.backend import Backend
from mellea.core.capabilities import Capability

__all__ = ["Flaw", "flaws_of", "made_by"]

_ANSWERING = ("stream_chat", "embed_texts", "complete", "generate_from_context", "_generate_from_context")
"""Methods of which a backend has one of its own."""
_PROMISES = {
    Capability.RAW: "complete",
    Capability.TOKEN_COUNT: "count_tokens",
    Capability.EMBEDDINGS: "embed_texts",
}
"""What a class has to implement that declares a capability."""
_GENERATOR = "Make it an asynchronous generator: `async def` with `yield`."


@frozen
class Flaw:
    """Something that is wrong with a factory.

    Args:
        what: What, as the end of a sentence that begins with the factory.
        remedy: What to do.
        fatal: Whether it cannot be called, or what it makes is of another kind.
    """

    what: str
    remedy: str
    fatal: bool = True


def made_by(factory: Any) -> type | None:
    """Return the class of what a factory makes, or None if only a call would tell."""
    if isinstance(factory, type):
        return factory
    try:
        made = get_type_hints(factory).get("return")
    except Exception:  # noqa: BLE001  an annotation may name what is imported for type checkers only
        return None
    return made if isinstance(made, type) else None


def flaws_of(factory: Any, wanted: type) -> Iterator[Flaw]:
    """Iterate over what is wrong with a factory, the worst first.

    Args:
        factory: What a manifest names, imported.
        wanted: The class of which it has to make an instance.
    """
    named = getattr(wanted, "to_subclass", f"mellea.core.{wanted.__name__}")
    remedy = f"Name a subclass of {named} there."
    if not callable(factory):
        yield Flaw(f"is a {type(factory).__name__}, which cannot be called", remedy)
        return
    made = made_by(factory)
    if made is None:
        return
    if not issubclass(made, wanted):
        yield Flaw(f"is {made.__name__}, which is no {wanted.__name__}", remedy)
    elif made is wanted and made is not factory:
        return  # a function that says no more than it has to
    elif missing := sorted(getattr(made, "__abstractmethods__", ())):
        yield Flaw(
            f"does not implement {', '.join(missing)}", f"Write {', '.join(missing)} in {made.__name__}."
        )
    elif issubclass(made, Backend):
        yield from _flaws_of_backend(made)


def _flaws_of_backend(made: type[Backend]) -> Iterator[Flaw]:
    if not any(_implements(made, name) for name in _ANSWERING):
        yield Flaw("has no stream_chat", f"Write it. {_GENERATOR}", fatal=False)
    if inspect.iscoroutinefunction(made.stream_chat) or inspect.isgeneratorfunction(made.stream_chat):
        kind = "coroutine function" if inspect.iscoroutinefunction(made.stream_chat) else "plain generator"
        yield Flaw(f"has a stream_chat that is a {kind}", _GENERATOR, fatal=False)
    declared: Any = made.capabilities
    if isinstance(declared, property):
        return
    if isinstance(declared, str) or not isinstance(declared, frozenset | set | tuple | list):
        yield Flaw(
            f"has capabilities that are {declared!r}", "Write frozenset({Capability.STREAMING}).", fatal=False
        )
        return
    for capability in declared:
        if capability not in set(Capability):
            known = ", ".join(sorted(Capability))
            yield Flaw(f"declares {capability!r}", f"Capabilities are {known}.", fatal=False)
    for capability, method in _PROMISES.items():
        if capability in declared and not _implements(made, method):
            remedy = f"Write {method} in {made.__name__}, or leave the capability out."
            yield Flaw(f"declares {capability.value!r} and has no {method}", remedy, fatal=False)


def _implements(made: type[Backend], method: str) -> bool:
    return getattr(made, method) is not getattr(Backend, method)
