"""Our errors as JSON values and back, for cassettes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mellea.core import errors
from mellea.core.backend import Backend
from mellea.core.errors import MelleaError, ProviderError
from mellea.core.request_key import without_secrets_in_text

__all__ = ["error_from_json", "error_to_json"]

_ERROR_FIELDS = ("backend", "model_id", "status", "retry_after", "missing")


def error_to_json(error: MelleaError, holder: Backend) -> dict[str, Any]:
    """Return an error as JSON, without the secrets of the backend that it comes from."""
    about = {key: value for key in _ERROR_FIELDS if (value := getattr(error, key, None)) is not None}
    hint = {"hint": without_secrets_in_text(error.hint, holder)} if error.hint else {}
    return {
        "type": type(error).__name__,
        "message": without_secrets_in_text(error.message, holder),
        **hint,
        **about,
    }


def error_from_json(kept: Mapping[str, Any]) -> MelleaError:
    """Return the error that was recorded; of a class that is not known here, a plain provider's error."""
    kind = getattr(errors, str(kept.get("type")), None)
    if not isinstance(kind, type) or not issubclass(kind, MelleaError):
        kind = ProviderError
    known = {key: kept[key] for key in ("hint", *_ERROR_FIELDS) if key in kept}
    if not issubclass(kind, errors.CapabilityError):
        known.pop("missing", None)
    return kind(str(kept.get("message", "")), **known)
