"""Keeps secrets out of what people read and programs keep: errors, reprs, logs, traces, cassettes.

Blanked are the keys that are known, user names and passwords in addresses, the values of an address's
query, what stands under a name such as ``api_key`` or ``Authorization``, and texts in the shape of a
provider's key.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeVar
from urllib.parse import quote, quote_plus, unquote, urlsplit

__all__ = [
    "BLANK",
    "blank_error",
    "redacted",
    "secrets_of_address",
    "secrets_of_headers",
    "secrets_within",
]

BLANK = "[hidden]"
"""What stands in place of a secret."""

T = TypeVar("T")

_PLACEHOLDERS = frozenset(
    {
        "none",
        "null",
        "true",
        "false",
        "empty",
        "dummy",
        "test",
        "fake",
        "ollama",
        "openai",
        "token",
        "secret",
        "default",
        "local",
    }
)
"""What people pass for a key where none is needed; such words occur in any text."""

_NAME = (
    r"(?:[\w-]{0,40}(?:api[-_]?key|secret|password|passwd|credential|access[-_]?token|auth[-_]?token)[\w-]{0,40}"
    r"|authorization|cookie)"
)
_SECRET_HEADER = re.compile(r"auth|key|token|secret|password|cookie", re.IGNORECASE)
_SECRET_NAME = re.compile(
    r"api[-_]?key|secret|passw|credential|authorization|cookie|headers$"
    r"|(?:^|[-_])(?:auth|access|bearer|hf|id|session|refresh)?[-_]?token$",
    re.IGNORECASE,
)
"""Names of what is secret as a whole; every header is, for anything may be in it."""
_PLAIN_HEADERS = frozenset(
    {"accept", "accept-encoding", "accept-language", "connection", "content-type", "host", "user-agent"}
)

_NAMED = re.compile(
    rf"""(?<![\w-])(?P<name>["']?{_NAME}["']?\s{{0,4}}[=:]\s{{0,4}}(?:b(?=["']))?)(?P<quote>["']?)(?P<scheme>(?:bearer|basic|token)\s{{1,4}})?"""
    rf"""(?P<secret>[^\s"',;&)}}\]]{{1,4096}})""",
    re.IGNORECASE,
)
_ADDRESS = re.compile(
    r"(?P<head>[a-z][a-z0-9+.-]{1,15}://)(?P<user>[^\s/?#\"'<>@]{1,512}@)?(?P<rest>[^\s?#\"'<>`]{0,2048})(?P<query>\?[^\s#\"'<>`]{1,4096})?"
)
_PARAMETER = re.compile(r"(?<==)[^&;]+")
_SCHEME = re.compile(
    r"\b(?P<scheme>bearer|basic)\s{1,4}(?=[\w.~+/=-]{0,100}[0-9=])(?P<secret>[\w.~+/=-]{8,4096})",
    re.IGNORECASE,
)
_KEY = re.compile(
    r"(?<![\w-])(?:"
    r"(?:sk|pk|rk|xai|nvapi|pplx|tgp_v1|key)-(?=[\w-]{0,64}[0-9])[\w-]{8,256}"
    r"|(?:gsk|hf|r8|ghp|gho|ghs|glpat|pat|fw|csk)_(?=\w{0,64}[0-9])\w{12,256}"
    r"|AIza[\w-]{20,256}|AKIA[0-9A-Z]{12,64}|ya29\.[\w-]{16,512}"
    r"|eyJ[\w-]{8,4096}\.[\w-]{8,4096}\.[\w-]{0,4096}"
    r")"
)


def redacted(value: T, secrets: Iterable[str | None] = ()) -> T:
    """Return a text, or values that hold texts, without the secrets in them.

    Mappings, lists and tuples are walked through; under a name such as ``api_key`` everything is blanked.
    Other values are returned as they are.

    Args:
        value: A text, or what holds texts.
        secrets: Keys and passwords that are known. Placeholders such as ``none``, and those of fewer than
            four characters, are left.
    """
    known = sorted(
        {form for secret in secrets if _counts(secret) for form in _forms(str(secret))}, key=len, reverse=True
    )
    patterns = [
        re.compile(re.escape(form) if len(form) >= 8 else rf"(?<!\w){re.escape(form)}(?!\w)")
        for form in known
    ]
    result: Any = _redacted(value, patterns)
    return result  # type: ignore[no-any-return]


def secrets_within(values: Mapping[Any, Any]) -> Iterator[str]:
    """Iterate over the texts that a mapping, or one inside it, holds under the name of a secret.

    Args:
        values: An object's attributes, the environment, options.
    """
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from secrets_within(value)
            if _is_secret(name):
                named = {key: item for key, item in value.items() if str(key).lower() not in _PLAIN_HEADERS}
                yield from (item for item in named.values() if isinstance(item, str))
        elif isinstance(value, list | tuple) and _is_secret(name):
            yield from (item for item in value if isinstance(item, str))
        elif isinstance(value, str) and _is_secret(name):
            yield value
        elif isinstance(value, str) and "://" in value[:20] and "@" in value:
            yield from secrets_of_address(value)


def blank_error(error: BaseException, secrets: Iterable[str | None]) -> None:
    """Blank the secrets in the words of an error and of all that are chained below it."""
    known, seen = tuple(secrets), set[int]()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        for name in ("message", "hint"):
            words = getattr(link, name, None)
            if isinstance(words, str):
                with contextlib.suppress(AttributeError, TypeError):  # some libraries let nobody set it
                    setattr(link, name, redacted(words, known))
        if any(isinstance(argument, str) for argument in link.args):
            link.args = redacted(link.args, known)
        link = link.__cause__ or link.__context__


def secrets_of_address(address: str | None) -> tuple[str, ...]:
    """Return the password, or the user name that stands alone, in an address, in both ways of writing it."""
    if not address:
        return ()
    try:
        parts = urlsplit(address)
    except ValueError:
        return ()
    secret = parts.password or parts.username
    return (secret, unquote(secret)) if secret else ()


def secrets_of_headers(headers: Mapping[str, str]) -> tuple[str, ...]:
    """Return the keys in headers, with and without the word before them, as in ``Bearer KEY``."""
    values = [value for name, value in headers.items() if _SECRET_HEADER.search(name)]
    return tuple(part for value in values for part in (value, value.rpartition(" ")[2]))


def _is_secret(name: object) -> bool:
    return isinstance(name, str) and _SECRET_NAME.search(name) is not None


def _counts(secret: str | None) -> bool:
    return secret is not None and len(secret) >= 4 and secret.lower() not in _PLACEHOLDERS


def _forms(secret: str) -> set[str]:
    """Return a secret as it may be written: as it is, and within an address."""
    return {secret, quote(secret, safe=""), quote_plus(secret)}


def _redacted(value: Any, known: list[re.Pattern[str]]) -> Any:
    if isinstance(value, str):
        return _text(value, known)
    if isinstance(value, Mapping):
        return {
            _redacted(name, known): BLANK
            if isinstance(name, str) and _SECRET_NAME.search(name) and item
            else _redacted(item, known)
            for name, item in value.items()
        }
    if type(value) in (list, tuple):
        return type(value)(_redacted(item, known) for item in value)
    return value


def _text(text: str, known: list[re.Pattern[str]]) -> str:
    for pattern in known:
        text = pattern.sub(BLANK, text)
    if "://" in text:
        text = _ADDRESS.sub(_address, text)
    if "=" in text or ":" in text:
        text = _NAMED.sub(_named, text)
    text = _SCHEME.sub(lambda found: f"{found['scheme']} {BLANK}", text)
    return _KEY.sub(BLANK, text)


def _address(found: re.Match[str]) -> str:
    query = _PARAMETER.sub(BLANK, found["query"] or "")
    if query and "=" not in query:
        query = f"?{BLANK}"
    return f"{found['head']}{f'{BLANK}@' if found['user'] else ''}{found['rest']}{query}"


def _named(found: re.Match[str]) -> str:
    secret = found["secret"]
    if secret.lower() in _PLACEHOLDERS or secret == BLANK[:-1] or not any(map(str.isalnum, secret)):
        return found.group()
    return f"{found['name']}{found['quote']}{found['scheme'] or ''}{BLANK}"
