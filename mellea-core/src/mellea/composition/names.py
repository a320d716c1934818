"""Compositions by name: ``fallback:ollama,hf``, ``cached:openai/gpt-5.1``, ``limited:fallback:ollama,hf``."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any

from mellea.core.backend import Backend
from mellea.core.call_site import warn_caller
from mellea.core.errors import ProviderError, UsageError

__all__ = ["BackendLeftOutWarning", "is_composition", "open_composition"]

_SEVERAL = {
    "fallback": "mellea.composition.fallbacks:fallback",
    "router": "mellea.composition.routing:router",
}
_ONE = {
    "cached": "mellea.composition.caching:CachedBackend",
    "limited": "mellea.composition.limits:LimitedBackend",
    "recorded": "mellea.testing:RecordingBackend",
}


class BackendLeftOutWarning(UserWarning):
    """A fallback does without a backend that could not be opened."""


def is_composition(name: str) -> bool:
    """Tell whether a name is one of a composition, and not of a plugin."""
    kind, colon, _ = name.partition(":")
    return bool(colon) and kind in _SEVERAL | _ONE


def open_composition(
    name: str, open_one: Callable[[str, Mapping[str, Any]], Backend], arguments: Mapping[str, Any]
) -> Backend:
    """Open what a name like ``fallback:ollama,hf/model`` says.

    A composition takes its own arguments. Of one backend, the others are that backend's; of several, only
    ``model_options`` goes to each of them. What was opened is closed again where another fails to open; a
    fallback does without a backend whose provider fails already then.

    Args:
        name: The name of a composition, a colon, and the names of backends, each with ``/`` and a model where
            it is not the usual one. Commas stand between several.
        open_one: Opens a backend by its name and its arguments.
        arguments: Arguments by name.

    Raises:
        UsageError: A name is missing, or an argument is of neither.
        ProviderError: A backend could not be opened; of a fallback, none.

    Warns:
        BackendLeftOutWarning: A fallback does without a backend.
    """
    kind, _, inside = name.partition(":")
    make = _imported((_SEVERAL | _ONE)[kind])
    names = inside.split(",") if kind in _SEVERAL else [inside]
    if not all(each.strip() for each in names):
        raise UsageError(
            f"{name!r} leaves out a backend.", hint="Write it like fallback:ollama,hf or cached:openai."
        )
    own = {key: value for key, value in arguments.items() if key in _parameters(make)}
    others = {key: value for key, value in arguments.items() if key not in own}
    if kind in _SEVERAL and (foreign := sorted(others.keys() - {"model_options"})):
        raise UsageError(
            f"{kind!r} of several backends takes no argument {foreign[0]!r}.",
            hint=f"Name a model with its backend, as in {kind}:ollama/granite4.1:3b,hf; "
            "for all else, pass instances.",
        )
    with ExitStack() as opened:
        backends, failures = [], []
        for each in map(str.strip, names):
            try:
                backends.append(opened.enter_context(_opened(each, open_one, others)))
            except ProviderError as error:
                if kind != "fallback":
                    raise
                failures.append((each, error))
        if not backends:
            raise failures[0][1]
        made: Backend = make(*backends, **own)
        opened.pop_all()
    for each, failure in failures:
        warn_caller(BackendLeftOutWarning(f"The fallback does without {each!r}: {failure}"))
    return made


def _opened(
    name: str, open_one: Callable[[str, Mapping[str, Any]], Backend], arguments: Mapping[str, Any]
) -> Backend:
    if is_composition(name):
        return open_composition(name, open_one, arguments)
    backend, slash, model = name.partition("/")
    return open_one(backend, {**arguments, "model_id": model} if slash else arguments)


def _imported(target: str) -> Callable[..., Backend]:
    module, _, attribute = target.partition(":")
    found: Callable[..., Backend] = getattr(importlib.import_module(module), attribute)
    return found


def _parameters(make: Callable[..., Backend]) -> frozenset[str]:
    """Return the arguments that a composition takes beside the backends."""
    return frozenset(
        parameter.name
        for parameter in inspect.signature(make).parameters.values()
        if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
        and parameter.name not in ("backend", "inner")
    )
