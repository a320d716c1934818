"""What every payload of a hook says. Frozen; ``model_copy`` gives a changed one.

Lists and mappings in them cannot be changed in place either: a change goes into what the handler returns.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, ClassVar, Self

from attrs import evolve, field, fields_dict, frozen

from mellea.core._read_only import read_only_list, read_only_mapping
from mellea.core.errors import UsageError
from mellea.core.hook_names import HookName

__all__ = ["MelleaBasePayload", "list_field", "mapping_field"]


def _now() -> datetime:
    return datetime.now(UTC)


@frozen(kw_only=True)
class MelleaBasePayload:
    """What every payload says.

    Args:
        session_id: The session whose call it is; None outside of one.
        request_id: The call of a verb, the same in everything that it leads to.
        timestamp: When it happened, in UTC.
        user_metadata: Empty; for handlers that hand a payload on.
    """

    hook: ClassVar[HookName]
    writable: ClassVar[tuple[str, ...]] = ()
    """The fields that a handler may change."""

    session_id: str | None = None
    request_id: str = ""
    timestamp: datetime = field(factory=_now, eq=False)
    user_metadata: Mapping[str, Any] = field(default=MappingProxyType({}), eq=False, repr=False)

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Return the payload with other values.

        Args:
            update: Fields with their new values.
            deep: Kept for programs that pass it; what a payload holds cannot be changed.

        Raises:
            UsageError: There is no such field.
        """
        known = fields_dict(type(self))
        if unknown := sorted(set(update or {}) - set(known)):
            raise UsageError(
                f"The payload of {self.hook} has no {unknown[0]!r}.", hint=f"It has {', '.join(known)}."
            )
        return evolve(self, **dict(update or {}))


def mapping_field() -> Any:
    """Return a field with a mapping that cannot be changed in place."""
    return field(default=None, converter=read_only_mapping)


def list_field() -> Any:
    """Return a field with a list that cannot be changed in place."""
    return field(factory=list, converter=read_only_list)
