"""What a backend or its library raises, in our words and without secrets."""

from __future__ import annotations

import os
from collections.abc import Iterator

from mellea.core._error_words import words_of
from mellea.core.errors import MelleaError, ProviderError
from mellea.core.model_api import ModelAPI
from mellea.core.redaction import blank_error, secrets_within

__all__ = ["blank", "cut_off", "in_our_words", "translated"]


def translated(backend: ModelAPI, error: Exception) -> MelleaError | None:
    """Return our error for one that a backend or its library raised; None for one that it does not know."""
    if isinstance(error, MelleaError):
        return error
    try:
        return backend.translate_error(error)
    except Exception as failure:  # noqa: BLE001  the error that was to be translated matters more
        raised = f"{type(failure).__name__}: {words_of(failure)}"
        note = f"{type(backend).__name__}.translate_error raised {raised}."
        if note not in getattr(error, "__notes__", ()):
            error.add_note(note)
    return None


def in_our_words(backend: ModelAPI, error: Exception) -> MelleaError:
    """Return our error for whatever a backend or its library raised, chained to that."""
    ours = translated(backend, error)
    if ours is None:
        ours = ProviderError(
            f"Backend {backend.described()} failed: {type(error).__name__}: {words_of(error)}.",
            hint="The original error is chained to this one.",
            backend=backend.provider,
            model_id=backend.model_id,
        )
    elif ours is not error:
        cut_off(error)
    if ours is not error:
        ours.__cause__ = error
    return ours


def cut_off(error: BaseException) -> None:
    """Take from a provider's error what led to it in the libraries below.

    Our error says what went wrong; a hundred lines of other people's code before it do not.
    """
    error.__cause__ = error.__context__ = None
    error.__traceback__ = None


def blank(error: MelleaError, backend: ModelAPI) -> None:
    """Blank what a backend, or the environment, keeps under the name of a secret."""
    blank_error(error, [*_secrets_of(backend), *secrets_within(os.environ)])


def _secrets_of(backend: ModelAPI) -> Iterator[str]:
    yield from secrets_within(vars(backend))
    for inner in backend.inner_backends:
        yield from _secrets_of(inner)
