"""Requirements that an adapter judges."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mellea.core.adapter import AdapterMixin
from mellea.core.adapter_action import Intrinsic, likelihood_in
from mellea.core.call_site import warn_caller
from mellea.core.capabilities import Capability
from mellea.core.context import Context
from mellea.core.errors import AdapterSchemaMismatchError, OutputParseError, UsageError
from mellea.core.judges import backend_of
from mellea.core.requirement import Requirement, ValidationResult
from mellea.core.response import as_usage
from mellea.stdlib.context.chat import ChatContext

if TYPE_CHECKING:
    from mellea.core.backend import Backend

__all__ = ["ALoraRequirement", "requirement_check_to_bool"]

_CHECK, _SCORE = "requirement_check", "score"


class ALoraRequirement(Requirement):
    """A requirement that an adapter judges, where the backend has it; else a model does, like any other.

    The adapter is asked below the conversation, with the variable ``requirement``. It says how likely the
    requirement is met, from 0 to 1, or true or false: met is what is above 0.5.

    Args:
        description: The requirement in words.
        intrinsic_name: The adapter.
        adapter_types: Kept for programs that pass it.
        judge: The backend that has the adapter; by default the one that wrote.
    """

    def __init__(
        self,
        description: str,
        intrinsic_name: str | None = None,
        adapter_types: Sequence[Any] | None = None,
        *,
        judge: Backend | None = None,
    ) -> None:
        super().__init__(description, judge=judge)
        self.intrinsic_name = intrinsic_name or "requirement-check"
        self.adapter_types = adapter_types

    @property
    def is_free(self) -> bool:
        """Return False: a model judges."""
        return False

    async def validate(
        self,
        backend: Backend,
        ctx: Context,
        *,
        format: Any = None,
        model_options: Mapping[str, Any] | None = None,
    ) -> ValidationResult:
        """Return whether the adapter holds the requirement for met.

        An answer that cannot be read is no yes, and ``error`` says why.

        Raises:
            UsageError: There is no output in the context.
            ProviderError: The judge could not be asked.

        Warns:
            UserWarning: The backend has no such adapter.
        """
        asked = backend_of(self.judge, backend)
        if not _has(asked, self.intrinsic_name):
            warn_caller(
                UserWarning(
                    f"Backend {asked.provider!r} has no adapter {self.intrinsic_name!r}; a model judges "
                    f"{self.name!r}. Take the adapter in: backend.add_adapter(folder)."
                )
            )
            return await super().validate(backend, ctx, format=format, model_options=model_options)
        if ctx.last_output() is None:
            raise UsageError("There is no output to check in this context.", hint="Generate something first.")
        conversation: Context = ChatContext()
        for span in ctx.as_list():
            conversation = conversation.add(span)
        asking = Intrinsic(self.intrinsic_name, {"requirement": self.description})
        thunk, _ = await asked.generate_from_context(asking, conversation, model_options=model_options)
        await thunk.avalue()
        known: dict[str, Any] = {
            "thunk": thunk,
            "context": conversation,
            "usage": as_usage(thunk.generation.usage),
            "seconds": thunk.generation.seconds or 0.0,
        }
        try:
            score = likelihood_in(self.intrinsic_name, thunk.parsed)
        except (AdapterSchemaMismatchError, OutputParseError) as error:
            return ValidationResult(False, reason=str(error), error=error, undecided=True, **known)
        met = score > 0.5
        said = f"Adapter {self.intrinsic_name!r} says {score:.2f}: {self.name}"
        return ValidationResult(met, reason=said, score=score, **known)


def requirement_check_to_bool(x: Any) -> bool:
    """Return whether a requirement is met, in the words of an adapter that checks requirements.

    Args:
        x: A text, block or thunk with ``{"requirement_check": {"score": number from 0 to 1}}``.

    Raises:
        JSONDecodeError: It is no JSON.
        AdapterSchemaMismatchError: It has another shape.
    """
    value = json.loads(str(x))
    if not isinstance(value, Mapping):
        raise _NoObjectError(_CHECK, [type(value).__name__], [_CHECK])
    check = value.get(_CHECK)
    if not isinstance(check, Mapping) or _SCORE not in check:
        observed = check if isinstance(check, Mapping) else value
        raise AdapterSchemaMismatchError(_CHECK, map(str, observed), [f"{_CHECK}.{_SCORE}"])
    if isinstance(check[_SCORE], bool):
        raise AdapterSchemaMismatchError(_CHECK, [repr(check[_SCORE])], ["a number from 0 to 1"])
    return likelihood_in(_CHECK, check[_SCORE]) > 0.5


class _NoObjectError(AdapterSchemaMismatchError, ValueError):
    """JSON that is no object, for which the published 0.8 raises a ValueError."""


def _has(backend: Any, name: str) -> bool:
    if Capability.ADAPTERS not in getattr(backend, "capabilities", ()):
        return False
    if not isinstance(backend, AdapterMixin):
        return False
    try:
        backend.adapter(name)
    except UsageError:
        return False
    return True
