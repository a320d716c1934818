"""The options that SDKs of chat-completions take beside the fields of a request.

``extra_body`` adds fields, ``extra_headers`` and ``extra_query`` go where their names say, and ``timeout`` is
the client's. Backends that speak chat-completions take all of them as the SDK does.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from typing import Any, Self

from attrs import frozen

from mellea.core.errors import UsageError
from mellea.core.options import merge_nested, refuse_several
from mellea.core.redaction import secrets_of_headers

__all__ = ["SDKOptions"]

_MAPPINGS = ("extra_body", "extra_headers", "extra_query")
_RESERVED = {
    "stream": "Say ModelOption.STREAM, or call stream_chat or stream_instruct.",
    "messages": "Give the conversation to the session.",
}
"""Fields that only the call itself can say, and how."""


@frozen
class SDKOptions:
    """What an SDK takes beside the fields of a request.

    Args:
        fields: The other options, which are fields.
        given: ``extra_body``, ``extra_headers``, ``extra_query`` and ``timeout``, as far as they are given.
    """

    fields: Mapping[str, Any]
    given: Mapping[str, Any]

    @classmethod
    def taken_from(cls, options: Mapping[str, Any]) -> Self:
        """Split options under the provider's names.

        Raises:
            UsageError: One of them is of the wrong kind, or says what only the call can say.
        """
        if not options:
            return cls(options, {})
        given = {name: options[name] for name in (*_MAPPINGS, "timeout") if name in options}
        for name in _MAPPINGS:
            if not isinstance(given.get(name, {}), Mapping):
                raise UsageError(
                    f"The option {name!r} is {type(given[name]).__name__}; nothing was sent.",
                    hint="Pass a mapping, as to the SDK.",
                )
        _check_headers(given.get("extra_headers", {}))
        _check_body(given.get("extra_body", {}))
        _check_timeout(given.get("timeout", 1))
        return cls({name: value for name, value in options.items() if name not in given}, given)

    def body(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Return the fields of a request with ``extra_body`` over them; nested mappings are merged."""
        return merge_nested(fields, self.given.get("extra_body"))

    def arguments(self) -> dict[str, Any]:
        """Return all options as arguments for an SDK.

        A mapping in ``extra_body`` goes to the field that it adds to.
        """
        given = copy.deepcopy(dict(self.given))  # the SDK may write into what it is handed
        fields, extra = dict(self.fields), given.pop("extra_body", {})
        for name in fields.keys() & extra.keys():
            if isinstance(fields[name], Mapping) and isinstance(extra[name], Mapping):
                fields |= merge_nested({name: fields[name]}, {name: extra.pop(name)})
        return {**fields, **given, **({"extra_body": extra} if extra else {})}

    @property
    def headers(self) -> Mapping[str, str]:
        """The extra headers."""
        headers: Mapping[str, str] = self.given.get("extra_headers", {})
        return headers

    @property
    def query(self) -> Mapping[str, Any]:
        """The extra parameters of the address."""
        query: Mapping[str, Any] = self.given.get("extra_query", {})
        return query

    @property
    def secrets(self) -> tuple[str, ...]:
        """The keys in the headers, which servers may repeat."""
        return secrets_of_headers(self.headers)


def _check_headers(headers: Mapping[Any, Any]) -> None:
    for name, value in headers.items():
        fine = isinstance(name, str) and isinstance(value, str) and name.isascii() and name.isprintable()
        if not fine or not value.replace("\t", " ").isprintable():
            raise UsageError(
                f"The header {name!r} among extra_headers cannot be sent.",
                hint="Names and values of headers are text in one line; names are ASCII.",
            )


def _check_body(body: Mapping[str, Any]) -> None:
    refuse_several(body)
    for name, remedy in _RESERVED.items():
        if name in body:
            raise UsageError(f"The field {name!r} among extra_body says what the call says.", hint=remedy)


def _check_timeout(timeout: Any) -> None:
    if isinstance(timeout, bool | str):
        wrong = True
    elif isinstance(timeout, int | float):
        wrong = not 0 < timeout < math.inf
    else:
        wrong = False  # an SDK's own value, which bounds connecting, sending and reading apart
    if wrong:
        raise UsageError(
            f"The option timeout={timeout!r} is no time; nothing was sent.",
            hint="Pass seconds, more than 0, or leave it out for the backend's own.",
        )
