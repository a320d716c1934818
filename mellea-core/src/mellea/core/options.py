"""Model options: one spelling for all backends, merged and translated in one place."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar

from attrs import frozen

from mellea.core.errors import UnsupportedOptionError, UsageError

__all__ = [
    "ModelOption",
    "OptionNotSupportedWarning",
    "OptionTable",
    "merge_options",
    "report_unsupported",
    "translate_options",
]


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
    STEER: ClassVar[str] = "@@@steer@@@"
    """Whether requirements that have a form steer the decoding, where the backend can; True unless set."""
    TOOLS: ClassVar[str] = "@@@tools@@@"
    """Tools offered to the model."""
    TOOL_CHOICE: ClassVar[str] = "tool_choice"
    """Whether a tool must be called."""
    LOGITS: ClassVar[str] = "@@@logits@@@"
    """Whether to keep the processed scores of the vocabulary."""
    RAW_LOGITS: ClassVar[str] = "@@@raw_logits@@@"
    """Whether to keep the unprocessed scores of the vocabulary."""


_COMMON = {value: name for name, value in vars(ModelOption).items() if name.isupper()}
CORE_OPTIONS = frozenset(
    {
        ModelOption.SYSTEM_PROMPT,
        ModelOption.STREAM,
        ModelOption.STREAM_TIMEOUT,
        ModelOption.TIMEOUT,
        ModelOption.STEER,
        ModelOption.TOOLS,
    }
)
"""Options that the core carries out itself, so that no backend translates them."""


class OptionNotSupportedWarning(UserWarning):
    """A model option was left out because the backend cannot honour it."""


@frozen
class OptionTable:
    """A backend's own names for the common options.

    Args:
        names: Native name of each common option, or a function from its value to native options.
            A common option that is not here is not supported.
        spellings: Native spellings that users may write, and the common option they stand for.
        native: The provider's other options, as far as they are known. An option that is in none of the
            three is passed on as it is; one whose name is nearly one of them is reported.
    """

    names: Mapping[str, str | Callable[[Any], Mapping[str, Any]]]
    spellings: Mapping[str, str]
    native: frozenset[str] = frozenset()

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


def merge_options(*layers: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the layers merged; later ones win. No layer is modified."""
    merged: dict[str, Any] = {}
    for layer in layers:
        if layer:
            merged.update(layer)
    return merged


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
        UnsupportedOptionError: In strict mode, an option that the backend cannot honour.

    Warns:
        OptionNotSupportedWarning: Otherwise, once for each such option.
    """
    native: dict[str, Any] = {}
    unsupported: list[str] = []
    for key, value in options.items():
        if key in CORE_OPTIONS or value is None:
            continue
        target = table.names.get(key)
        if target is None:
            if key in _COMMON:
                unsupported.append(_COMMON[key])
            else:
                native[key] = value
        elif isinstance(target, str):
            native[target] = value
        else:
            native.update(target(value))
    report_unsupported(unsupported, backend=backend, strict=strict, reported=reported)
    return native


def report_unsupported(names: Iterable[str], *, backend: str, strict: bool, reported: set[str]) -> None:
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
    warnings.warn(f"{what} The call goes on without.", OptionNotSupportedWarning, stacklevel=2)
