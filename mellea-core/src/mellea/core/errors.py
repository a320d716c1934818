"""Every error that this project raises on purpose.

The class says who is to blame, each one also is the fitting builtin, and the message ends with the remedy::

    MelleaError
    ├── UsageError (ValueError)                     the caller
    │   ├── UnsupportedOptionError
    │   ├── CapabilityError
    │   ├── LimitTooSmallError
    │   ├── TemplateError
    │   ├── ContextTypeMismatchError (TypeError)
    │   └── ClosedError (RuntimeError)
    ├── ModelError                                  the model
    │   ├── OutputParseError (ValueError)
    │   │   ├── ComponentParseError
    │   │   └── NoAnswerError
    │   ├── AdapterSchemaMismatchError
    │   ├── RepetitionError
    │   ├── ToolArgumentsError (ValueError)
    │   ├── RequirementsNotMetError
    │   ├── PoorJudgeError
    │   └── StreamRestartedError (RuntimeError)
    ├── ProviderError                               the provider, or the way to it
    │   ├── ProviderConnectionError (ConnectionError)
    │   │   └── StreamInterruptedError
    │   ├── ProviderTimeoutError (TimeoutError)
    │   ├── AuthenticationError (PermissionError)
    │   ├── RateLimitError
    │   ├── QuotaError
    │   ├── RefusalError
    │   ├── ModelNotFoundError (LookupError)
    │   ├── RequestRejectedError (ValueError)
    │   │   └── ContextWindowError
    │   ├── ServerError
    │   └── MalformedResponseError (ValueError)
    ├── BudgetError (RuntimeError)                  whoever set the budget
    ├── GenerationCancelledError (RuntimeError)     whoever cancelled
    ├── SandboxError (RuntimeError)                 the machine: it cannot enforce a policy
    ├── ToolServerError                             a server of tools
    │   ├── ToolServerConnectionError (ConnectionError)
    │   └── ToolServerTimeoutError (TimeoutError)
    └── PluginError                                 a plugin, or its absence
        ├── UnknownPluginError (LookupError, ValueError)
        ├── BackendNotInstalledError (ImportError)
        ├── AmbiguousPluginError
        ├── PluginLoadError (ImportError)
        ├── PluginApiError
        ├── PluginViolationError                    a handler, which stops the call
        └── HookFailedError (RuntimeError)          a handler, which has failed

Errors pickle, so that they cross process pools.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

__all__ = [
    "AdapterSchemaMismatchError",
    "AmbiguousPluginError",
    "AuthenticationError",
    "BackendNotInstalledError",
    "BudgetError",
    "CapabilityError",
    "ClosedError",
    "ComponentParseError",
    "ContextTypeMismatchError",
    "ContextWindowError",
    "GenerationCancelledError",
    "HookFailedError",
    "LimitTooSmallError",
    "MalformedResponseError",
    "MelleaError",
    "ModelError",
    "ModelNotFoundError",
    "NoAnswerError",
    "OutputParseError",
    "PluginApiError",
    "PluginError",
    "PluginLoadError",
    "PluginViolationError",
    "PoorJudgeError",
    "ProviderConnectionError",
    "ProviderError",
    "ProviderTimeoutError",
    "QuotaError",
    "RateLimitError",
    "RefusalError",
    "RepetitionError",
    "RequestRejectedError",
    "RequirementsNotMetError",
    "SandboxError",
    "ServerError",
    "StreamInterruptedError",
    "StreamRestartedError",
    "TemplateError",
    "ToolArgumentsError",
    "ToolServerConnectionError",
    "ToolServerError",
    "ToolServerTimeoutError",
    "UnknownPluginError",
    "UnsupportedOptionError",
    "UsageError",
    "retry_after_seconds",
    "stream_interrupted",
]


class MelleaError(Exception):
    """Base of every error of this project.

    Args:
        message: What happened, to which thing.
        hint: What to do about it; appended to the message as its last sentence.
        backend: Name of the backend concerned, when there is one.
        model_id: Model concerned, when there is one.
        retry_after: Seconds after which the provider asks to be tried again.
        status: HTTP status of the provider's answer, when there was one.
    """

    retryable: ClassVar[bool] = False
    """Whether the same call may succeed later without a change."""
    tries: int = 0
    """How often the provider was asked, where it may be asked again; 0 where nobody counted."""

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        backend: str | None = None,
        model_id: str | None = None,
        retry_after: float | None = None,
        status: int | None = None,
    ) -> None:
        super().__init__(f"{message} {hint}" if hint else message)
        self.message = message
        self.hint = hint
        self.backend = backend
        self.model_id = model_id
        self.retry_after = retry_after
        self.status = status

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), dict(self.__dict__), self.args)


def _rebuild(cls: type[MelleaError], state: dict[str, Any], args: tuple[Any, ...]) -> MelleaError:
    error = cls.__new__(cls, *args)
    error.args = args
    error.__dict__.update(state)
    return error


class UsageError(MelleaError, ValueError):
    """The call cannot be carried out as it was written."""


class UnsupportedOptionError(UsageError):
    """A model option that the backend cannot honour, in strict mode."""


class CapabilityError(UsageError):
    """The backend does not declare what the call asks of it; nothing was sent.

    Args:
        missing: The capability's name, such as ``images``.
    """

    def __init__(self, message: str, *, missing: str, **fields: Any) -> None:
        super().__init__(message, **fields)
        self.missing = missing


class LimitTooSmallError(UsageError):
    """No output that the format asks for is known to fit into the limit on tokens; nothing was generated.

    Args:
        least: A limit that is enough for the shortest one known.
    """

    def __init__(self, message: str, *, least: int, **fields: Any) -> None:
        super().__init__(message, **fields)
        self.least = least


class TemplateError(UsageError):
    """A template that does not exist, does not compile, or lacks a variable."""


class ContextTypeMismatchError(UsageError, TypeError):
    """A context of another type came back than was handed in. For programs and backends that insist on it.

    Args:
        input_type: What was handed in; or, as for every error, the message.
        output_type: What came back.
        fields: As for every error.
    """

    def __init__(self, input_type: type | str, output_type: type | None = None, **fields: Any) -> None:
        if isinstance(input_type, str):
            super().__init__(input_type, **fields)
        else:
            came = output_type.__name__ if output_type is not None else "None"
            hint = "Return a context of the same type."
            super().__init__(
                f"A {input_type.__name__} was handed in, and a {came} came back.", **{"hint": hint, **fields}
            )
        self.input_type = input_type
        self.output_type = output_type


class ClosedError(UsageError, RuntimeError):
    """A session or backend was used after it was closed."""


class ModelError(MelleaError):
    """The model answered, but not as it should have."""


class OutputParseError(ModelError, ValueError):
    """The model's text is not what the format or the component asked for."""


class ComponentParseError(OutputParseError):
    """A component could not parse the output made for it."""


class NoAnswerError(OutputParseError):
    """There is no answer to read: the model only reasoned, or was stopped while it repeated itself."""


class AdapterSchemaMismatchError(ModelError):
    """An adapter's answer has another shape than what asked for it reads.

    Args:
        name: The adapter.
        observed_keys: What is in the answer.
        expected_keys: What was to be in it.
    """

    def __init__(
        self, name: str, observed_keys: Iterable[str] = (), expected_keys: Iterable[str] = (), **fields: Any
    ) -> None:
        self.name = name
        self.observed_keys, self.expected_keys = tuple(observed_keys), tuple(expected_keys)
        found, wanted = ", ".join(self.observed_keys) or "nothing", ", ".join(self.expected_keys)
        fields.setdefault("hint", "Give the adapter a schema that says so, or ask another one.")
        super().__init__(f"The answer of adapter {name!r} holds {found} instead of {wanted}.", **fields)


class RepetitionError(ModelError):
    """The model said the same again and again, and the provider broke its answer off.

    Args:
        text: The text so far.
    """

    def __init__(self, message: str, *, text: str = "", **fields: Any) -> None:
        super().__init__(message, **fields)
        self.text = text


class ToolArgumentsError(ModelError, ValueError):
    """The arguments of a tool call are not what the tool takes."""


class RequirementsNotMetError(ModelError):
    """No attempt met every requirement, in strict mode.

    Args:
        result: The ``SamplingResult`` with every attempt; left out when the error is pickled.
    """

    def __init__(self, message: str, *, result: Any = None, **fields: Any) -> None:
        super().__init__(message, **fields)
        self.result = result

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), {**self.__dict__, "result": None}, self.args)


class PoorJudgeError(ModelError):
    """A judge is no better than a constant answer."""


class StreamRestartedError(ModelError, RuntimeError):
    """The pieces read so far are withdrawn: the attempt failed, and the stream begins again."""


class ProviderError(MelleaError):
    """The provider did not do what it was asked."""


class ProviderConnectionError(ProviderError, ConnectionError):
    """No connection to the provider."""

    retryable = True


class StreamInterruptedError(ProviderConnectionError):
    """The stream ended before the provider said that it was complete."""


class ProviderTimeoutError(ProviderError, TimeoutError):
    """The provider took longer than the time-out allows."""

    retryable = True


class AuthenticationError(ProviderError, PermissionError):
    """The provider refused the key, or there is none."""


class RateLimitError(ProviderError):
    """Too many requests; ``retry_after`` says for how long, in seconds, if the provider did."""

    retryable = True


class QuotaError(ProviderError):
    """What the account may use is used up, or not paid; waiting does not help."""


class RefusalError(ProviderError):
    """The model, or a filter of its provider, refuses to answer.

    Args:
        text: The words of the refusal, or the part of the answer that came before a filter cut it; empty if
            there are none.
    """

    def __init__(self, message: str, *, text: str = "", **fields: Any) -> None:
        super().__init__(message, **fields)
        self.text = text


class ModelNotFoundError(ProviderError, LookupError):
    """The provider has no such model."""


class RequestRejectedError(ProviderError, ValueError):
    """The provider understood the request and refuses it."""


class ContextWindowError(RequestRejectedError):
    """The prompt, with the room asked for the answer, does not fit into the model's context window.

    Args:
        prompt_tokens: Tokens of the prompt, if the provider says how many.
        window: Tokens that the window holds, if the provider says how many.
    """

    def __init__(
        self, message: str, *, prompt_tokens: int | None = None, window: int | None = None, **fields: Any
    ) -> None:
        super().__init__(message, **fields)
        self.prompt_tokens = prompt_tokens
        self.window = window


class ServerError(ProviderError):
    """The provider failed by itself."""

    retryable = True


class MalformedResponseError(ProviderError, ValueError):
    """The provider's answer does not follow its own protocol."""


class BudgetError(MelleaError, RuntimeError):
    """The budget was spent before there was anything to return.

    Args:
        result: What there is all the same: of an agent the ``SamplingResult`` with every turn, whose chosen
            attempt is the best; left out when the error is pickled.
    """

    def __init__(self, message: str, *, result: Any = None, **fields: Any) -> None:
        super().__init__(message, **fields)
        self.result = result

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), {**self.__dict__, "result": None}, self.args)


class GenerationCancelledError(MelleaError, RuntimeError):
    """The generation was cancelled before it was complete."""


class SandboxError(MelleaError, RuntimeError):
    """A sandbox cannot be had here, or cannot enforce what its policy says; nothing was run.

    Args:
        tier: The sandbox's name.
        unenforced: What is missing, by the clause of the policy; empty when there is no sandbox at all.
    """

    def __init__(
        self, message: str, *, tier: str = "", unenforced: Mapping[str, str] | None = None, **fields: Any
    ) -> None:
        super().__init__(message, **fields)
        self.tier = tier
        self.unenforced = dict(unenforced or {})


class ToolServerError(MelleaError):
    """A server of tools reports an error, or its answer is not what it had announced."""


class ToolServerConnectionError(ToolServerError, ConnectionError):
    """A server of tools cannot be started or reached, or has gone away; the next call starts it again."""

    retryable = True


class ToolServerTimeoutError(ToolServerError, TimeoutError):
    """A server of tools took longer than the time-out allows."""

    retryable = True


class PluginError(MelleaError):
    """A plugin is absent, ambiguous or broken."""


class UnknownPluginError(PluginError, LookupError, ValueError):
    """No installed plugin has this name."""


class BackendNotInstalledError(PluginError, ImportError):
    """A well-known backend whose distribution is not installed."""


class AmbiguousPluginError(PluginError):
    """Two distributions provide the same name."""


class PluginLoadError(PluginError, ImportError):
    """The plugin asked for raised while it was loaded; the cause is chained."""


class PluginApiError(PluginError):
    """The plugin was made for another version of the plugin interface."""


class PluginViolationError(PluginError):
    """A handler of a hook does not let a call go on.

    Args:
        hook_type: The hook.
        reason: Why, in the handler's words.
        code: A short word for it, for programs.
        plugin_name: The handler.
        description: More words on it; by default the reason.
        details: What else the handler says.
    """

    def __init__(
        self,
        hook_type: str,
        reason: str,
        code: str = "",
        plugin_name: str = "",
        *,
        description: str = "",
        details: Mapping[str, Any] | None = None,
    ) -> None:
        who = f" by {plugin_name!r}" if plugin_name else ""
        coded = f" [{code}]" if code else ""
        super().__init__(
            f"The call was stopped{who} at {hook_type}{coded}: {reason.rstrip('.')}.",
            hint="Change what is asked, or attach no such handler.",
        )
        self.hook_type, self.reason, self.code, self.plugin_name = hook_type, reason, code, plugin_name
        self.description, self.details = description or reason, dict(details or {})


class HookFailedError(PluginError, RuntimeError):
    """A handler that decides whether a call goes on has failed, or took too long: the call does not go on."""


def retry_after_seconds(header: str | None) -> float | None:
    """Return the seconds that a ``Retry-After`` header asks to wait, given as seconds or as a date.

    None if it says nothing.
    """
    if not header:
        return None
    try:
        seconds = float(header)
    except ValueError:
        pass
    else:
        return seconds if 0 <= seconds < math.inf else None
    from datetime import UTC, datetime  # noqa: PLC0415  ten milliseconds that only a date costs
    from email.utils import parsedate_to_datetime  # noqa: PLC0415

    try:
        return max(0.0, (parsedate_to_datetime(header) - datetime.now(UTC)).total_seconds())
    except (TypeError, ValueError):
        return None


def stream_interrupted(*, backend: str, model_id: str) -> StreamInterruptedError:
    """Return the error for a stream that ended before the provider said that it was complete."""
    return StreamInterruptedError(
        f"The stream of {backend} ({model_id}) ended before the answer was complete.",
        hint="Try again; if it lasts, look at the provider's log.",
        backend=backend,
        model_id=model_id,
    )
