"""Model options: one spelling for all backends, merged and translated in one place."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar, cast

from attrs import field, frozen

from mellea.core.call_site import warn_caller
from mellea.core.errors import UnsupportedOptionError, UsageError
from mellea.core.logprobs import check_logprobs

__all__ = [
    "ModelOption",
    "OptionNotSupportedWarning",
    "OptionTable",
    "UnknownOptionWarning",
    "merge_nested",
    "merge_options",
    "refuse_several",
    "report_unsupported",
    "translate_options",
]


_log = logging.getLogger("mellea.options")


class ModelOption:
    """Names of options that mean the same on every backend.

    Any other key is the provider's own and is passed on as it is.
    """

    MAX_NEW_TOKENS: ClassVar[str] = "@@@max_new_tokens@@@"
    """The most tokens to generate."""
    TEMPERATURE: ClassVar[str] = "temperature"
    """Sampling temperature; 0 is greedy."""
    SEED: ClassVar[str] = "@@@seed@@@"
    """Seed of the random draws."""
    STOP_SEQUENCES: ClassVar[str] = "@@@stop_sequences@@@"
    """Texts that end the generation; they are no part of the output."""
    SYSTEM_PROMPT: ClassVar[str] = "@@@system_prompt@@@"
    """A system message put first."""
    CONTEXT_WINDOW: ClassVar[str] = "@@@context_window@@@"
    """Size of the model's context window, in tokens."""
    THINKING: ClassVar[str] = "@@@thinking@@@"
    """Whether to reason first (bool), or how hard (str)."""
    STREAM: ClassVar[str] = "@@@stream@@@"
    """Whether to hand the text on piece by piece."""
    STREAM_TIMEOUT: ClassVar[str] = "@@@stream_timeout@@@"
    """The longest wait for the next piece, in seconds; None waits for ever."""
    TIMEOUT: ClassVar[str] = "@@@timeout@@@"
    """The longest that one generation may take in all, in seconds; 1,800 unless set, None for no bound."""
    MAX_RETRIES: ClassVar[str] = "max_retries"
    """How often a request that failed for a passing reason is sent again; 2 unless set."""
    STEER: ClassVar[str] = "@@@steer@@@"
    """Whether requirements that have a form steer the decoding, where the backend can; True unless set."""
    TOOLS: ClassVar[str] = "@@@tools@@@"
    """Tools offered to the model."""
    TOOL_CHOICE: ClassVar[str] = "tool_choice"
    """Whether a tool must be called: ``auto``, ``required``, ``none``, or a tool's name."""
    TOOL_LOOP: ClassVar[str] = "@@@tool_loop@@@"
    """How calls are carried out: a ``ToolRunner``, or True for the defaults; None leaves them alone."""
    LOGPROBS: ClassVar[str] = "@@@logprobs@@@"
    """Whether to keep the log-probabilities of the tokens, or with how many alternatives each (int)."""
    LOGITS: ClassVar[str] = "@@@logits@@@"
    """Whether to keep the processed scores of the vocabulary."""
    RAW_LOGITS: ClassVar[str] = "@@@raw_logits@@@"
    """Whether to keep the unprocessed scores of the vocabulary."""
    ADAPTER: ClassVar[str] = "@@@adapter@@@"
    """The name of the adapter that answers; None for the model alone."""

    @staticmethod
    def replace_keys(options: Mapping[str, Any], from_to: Mapping[str, str]) -> dict[str, Any]:
        """Return options under other names. Where the other name has a value already, that one wins."""
        renamed = {key: value for key, value in options.items() if key not in from_to}
        for old, new in from_to.items():
            if old in options and new in options and old != new:
                _log.warning("Both %r and %r are given; %r wins.", old, new, new)
            elif old in options:
                renamed.setdefault(new, options[old])
        return renamed

    @staticmethod
    def remove_special_keys(options: Mapping[str, Any]) -> dict[str, Any]:
        """Return the options that are no common ones, but the provider's own."""
        return {key: value for key, value in options.items() if not str(key).startswith("@@@")}

    @staticmethod
    def merge_model_options(
        persistent: Mapping[str, Any] | None, overwrite: Mapping[str, Any] | None
    ) -> dict[str, Any]:
        """Return the options of a call over others; of ``extra_body``, the arguments of the chat template."""
        below, above = dict(persistent or {}), dict(overwrite or {})
        bodies = below.get("extra_body"), above.get("extra_body")
        if all(isinstance(body, Mapping) and "chat_template_kwargs" in body for body in bodies):
            lower, upper = cast("tuple[Mapping[str, Any], Mapping[str, Any]]", bodies)
            arguments = {**lower["chat_template_kwargs"], **upper["chat_template_kwargs"]}
            above["extra_body"] = {**lower, **upper, "chat_template_kwargs": arguments}
        return {**below, **above}


_COMMON = {value: name for name, value in vars(ModelOption).items() if name.isupper()}
CORE_OPTIONS = frozenset(
    {
        ModelOption.SYSTEM_PROMPT,
        ModelOption.STREAM,
        ModelOption.STREAM_TIMEOUT,
        ModelOption.TIMEOUT,
        ModelOption.MAX_RETRIES,
        ModelOption.STEER,
        ModelOption.TOOLS,
        ModelOption.TOOL_CHOICE,
        ModelOption.TOOL_LOOP,
        ModelOption.ADAPTER,
    }
)
"""Options that the core carries out itself, so that no backend translates them."""


_NEAR = 0.81
"""How alike a name is to the one that it probably means: ``num_contex`` to ``num_ctx``, not ``min_k`` to
``min_p``."""


class OptionNotSupportedWarning(UserWarning):
    """A model option was left out because the backend cannot honour it."""


class UnknownOptionWarning(UserWarning):
    """A model option whose name is nearly that of another one was passed on as it is."""


@frozen
class OptionTable:
    """A backend's own names for the common options.

    Args:
        names: Native name of each common option, or a function from its value to native options.
            A common option that is not here is not supported.
        spellings: Native spellings that users may write, and the common option they stand for.
        native: The provider's other options, as far as they are known. An option that is in none of the
            three is passed on as it is, and reported if its name is nearly one of them. None for a backend
            that looks after unknown options by itself.
    """

    names: Mapping[str, str | Callable[[Any], Mapping[str, Any]]] = field(factory=dict)
    spellings: Mapping[str, str] = field(factory=dict)
    native: frozenset[str] | None = frozenset()

    def nearest(self, name: str) -> str | None:
        """Return the option that a misspelled name is likely to mean; None for a name that may be right."""
        own = {value for value in self.names.values() if isinstance(value, str)}
        if self.native is None or name in own or name in self.native:
            return None
        from difflib import get_close_matches  # noqa: PLC0415  only unknown options need it

        meant = {known.lower(): repr(known) for known in (*self.spellings, *own, *self.native)}
        for value in (*self.names, *CORE_OPTIONS):
            meant.setdefault(_COMMON[value].lower(), f"ModelOption.{_COMMON[value]}")
        found = get_close_matches(name.lower(), meant, n=1, cutoff=_NEAR)
        return meant[found[0]] if found else None

    def canonical(self, options: Mapping[str, Any] | None) -> dict[str, Any]:
        """Return the options with native spellings replaced by the common names; a common name wins."""
        if not options:
            return {}
        if not isinstance(options, Mapping):
            raise UsageError(
                f"Model options are a mapping, not {type(options).__name__}.",
                hint="Pass {ModelOption.SEED: 1}.",
            )
        spelled = self.spellings
        result = {spelled[key]: value for key, value in options.items() if key in spelled}
        result.update({key: value for key, value in options.items() if key not in spelled})
        return result


_CONTAINERS = ("extra_body", "extra_headers", "extra_query", "chat_template_kwargs")
"""Native options that hold options themselves, so that each layer may add some."""


def merge_options(*layers: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the layers merged; later ones win. No layer is modified.

    What ``extra_body`` and its like hold are options themselves, and merged in the same way.
    """
    merged: dict[str, Any] = {}
    for layer in layers:
        if layer:
            both = [name for name in _CONTAINERS if name in merged and name in layer]
            held = {name: _merged(merged[name], layer[name]) for name in both}
            merged.update(layer)
            merged.update(held)
    return merged


def merge_nested(*layers: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return mappings merged to their depth; later ones win. No layer is modified.

    Two mappings of different ``type`` are different things: the later one stands as it is.
    """
    merged: dict[str, Any] = {}
    for layer in layers:
        _merge_into(merged, layer or {})
    return merged


def _merge_into(merged: dict[str, Any], layer: Mapping[str, Any]) -> None:
    for name, value in layer.items():
        merged[name] = _merged(merged[name], value) if name in merged else value


def _merged(old: Any, new: Any) -> Any:
    if not (isinstance(old, Mapping) and isinstance(new, Mapping)):
        return new
    return merge_nested(old, new) if new.get("type", old.get("type")) == old.get("type") else new


def translate_options(
    options: Mapping[str, Any], table: OptionTable, *, backend: str, strict: bool, reported: set[str]
) -> dict[str, Any]:
    """Return the options under the provider's own names.

    Args:
        options: Options under common or native names.
        table: The backend's table.
        backend: The backend's name, for the report.
        strict: Whether an option that cannot be honoured is an error.
        reported: Options already reported for this backend; extended here, so that each is reported once.

    Raises:
        UsageError: No token may be generated, or a stop sequence is empty or no text.
        UnsupportedOptionError: In strict mode, an option that the backend cannot honour, or whose name is
            nearly that of another one.

    Warns:
        OptionNotSupportedWarning: Otherwise, once for each option that the backend cannot honour.
        UnknownOptionWarning: Otherwise, once for each whose name is nearly that of another one.
    """
    refuse_several(options)
    native: dict[str, Any] = {}
    unsupported: list[str] = []
    _check_values(options, backend)
    for key, value in options.items():
        if key in CORE_OPTIONS or value is None:
            continue
        target = table.names.get(key)
        if target is None:
            if key in _COMMON:
                unsupported.append(_COMMON[key])
            else:
                _merge_into(native, {key: value})
                if key not in reported and (nearest := table.nearest(key)) is not None:
                    _report_unknown(key, nearest, backend=backend, strict=strict)
                reported.add(key)
        elif isinstance(target, str):
            _merge_into(native, {target: value})
        else:
            _merge_into(native, target(value))
    report_unsupported(unsupported, backend=backend, strict=strict, reported=reported)
    return native


_SEVERAL = ("n", "best_of", "num_return_sequences", "candidate_count")
"""Native names under which providers are asked for several answers at once."""


def refuse_several(options: Mapping[str, Any]) -> None:
    """Refuse several answers in the place of one: they would run into each other.

    Raises:
        UsageError: An option asks for several answers.
    """
    for name in _SEVERAL:
        if options.get(name) not in (None, 1):
            raise UsageError(
                f"The option {name}={options[name]!r} asks for several answers, and a call gives one.",
                hint="Use BestOfNSamplingStrategy, or a voting strategy, which draw several and choose.",
            )


def report_unsupported(
    names: Iterable[str],
    *,
    backend: str,
    strict: bool,
    reported: set[str],
    warn: Callable[[Warning], None] = warn_caller,
) -> None:
    """Warn once for each option that a backend leaves out, or raise in strict mode.

    Raises:
        UnsupportedOptionError: In strict mode, when there is any.
    """
    new = [name for name in names if strict or name not in reported]
    if not new:
        return
    what = f"Backend {backend!r} cannot honour {', '.join(new)}."
    if strict:
        raise UnsupportedOptionError(
            what, hint="Leave the option out, or choose another backend.", backend=backend
        )
    reported.update(new)
    warn(OptionNotSupportedWarning(f"{what} The call goes on without."))


def _report_unknown(name: str, nearest: str, *, backend: str, strict: bool) -> None:
    what = f"Backend {backend!r} knows no option {name!r}; did you mean {nearest}?"
    if strict:
        raise UnsupportedOptionError(what, hint="Correct the name, or leave the option out.", backend=backend)
    warn_caller(UnknownOptionWarning(f"{what} It is passed on as it is."))


def _check_values(options: Mapping[str, Any], backend: str) -> None:
    """Refuse what says nothing, and means something else to every provider.

    No tokens at all are no limit to one and an error to another; an empty stop ends at once, or never.
    """
    limit = options.get(ModelOption.MAX_NEW_TOKENS)
    if isinstance(limit, int | float) and limit == 0:
        raise UsageError(
            "MAX_NEW_TOKENS is 0, so that nothing could be generated; nothing was sent.",
            hint="Pass 1 or more, or leave it out.",
            backend=backend,
        )
    check_logprobs(options.get(ModelOption.LOGPROBS), backend=backend)
    stops = options.get(ModelOption.STOP_SEQUENCES)
    each: Sequence[Any] = (stops,) if isinstance(stops, str) else stops or ()
    if isinstance(each, bytes) or not isinstance(each, Sequence | set | frozenset):
        each = (each,)
    wrong = next((stop for stop in each if not isinstance(stop, str) or not stop), None)
    if stops is not None and wrong is not None:
        raise UsageError(
            f"STOP_SEQUENCES holds {wrong!r}, which is no text that could end an answer; nothing was sent.",
            hint="Pass a text, or a list of texts, none of them empty.",
            backend=backend,
        )
