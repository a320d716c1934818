"""A provider's failure as one of our errors.

What counts, in this order: the provider's names of the failure, its words, the HTTP status. Names beat
statuses because providers share few statuses among many failures: a used-up quota, a rate limit and a
prompt that is too long all come as 429.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from attrs import evolve, frozen

from mellea.core.capabilities import Capability
from mellea.core.errors import (
    AuthenticationError,
    CapabilityError,
    ContextWindowError,
    MelleaError,
    ModelNotFoundError,
    ProviderTimeoutError,
    QuotaError,
    RateLimitError,
    RefusalError,
    RequestRejectedError,
    ServerError,
    retry_after_seconds,
)
from mellea.core.provider_words import ProviderWords, provider_words
from mellea.core.redaction import redacted

__all__ = ["error_for_status"]


@frozen
class _Kind:
    """A kind of failure.

    Args:
        error: Our class.
        hint: What to do about it.
        codes: Providers' names of it, in lower case.
        words: What their words hold: an expression, compiled with the first failure.
        statuses: The statuses with which the words count; None for those that say nothing more precise.
    """

    error: type[MelleaError]
    hint: str
    codes: frozenset[str] = frozenset()
    words: str | None = None
    statuses: frozenset[int | None] | None = None


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _any_of(*expressions: str) -> str:
    return "|".join(expressions)


_VAGUE: frozenset[int | None] = frozenset({400, 413, 422, 500, None})
"""Statuses that leave open what happened."""

_WINDOW = _Kind(
    ContextWindowError,
    "Shorten the prompt, or bound the conversation with ChatContext(window_size=...).",
    _names(
        "context_length_exceeded exceed_context_size_error context_window_exceeded"
        " model_context_window_exceeded prompt_too_long context_size_exceeded max_context_length_exceeded"
        " string_above_max_length request_too_large contextwindowexceedederror tokens_limit_reached"
    ),
    _any_of(
        r"context.{0,3}(?:length|window|size|limit)",
        r"maximum (?:context|prompt|model|input) length",
        r"exceed_context",
        r"(?:prompt|input|request|message)s?(?: is| are)? too (?:long|large)\b(?! for \S+ in organization)",
        r"too many (?:input |prompt )?tokens",
        r"token (?:count|limit).{0,40}exceed",
        r"exceed\w*.{0,60}(?:token (?:limit|count)|maximum number of tokens)",
        r"input tokens exceed|tokens (?:in request )?(?:exceed|more than)",
        r"inputs` (?:tokens|must have less than)",
        r"longer than the (?:maximum )?(?:model|context)",
        r"reduce the length of the (?:messages|prompt|input)",
        r"range of input length should be",
        r"prompt exceeds",
    ),
    _VAGUE,
)
_REFUSED = _Kind(
    RefusalError,
    "Change what is asked, or ask another model.",
    _names(
        "content_filter content_filtered content_policy_violation responsibleaipolicyviolation"
        " data_inspection_failed datainspectionfailed content_policy safety prohibited_content"
        " content_blocked moderation_blocked image_safety guardrail_intervened guardrail_violation refusal"
        " content_moderation inappropriate_content"
    ),
    _any_of(
        r"content (?:management |usage )?(?:policy|policies|filter)",
        r"safety (?:system|filter|setting)",
        r"usage polic(?:y|ies)",
        r"(?:flagged|blocked) (?:by|as|for|due to)\b.{0,60}"
        r"(?:moderation|safety|policy|guardrail|harm|sexual|violen|hate)",
        r"inappropriate content",
        r"requires moderation",
    ),
    frozenset({400, 403, 451, None}),
)
_QUOTA = _Kind(
    QuotaError,
    "Look at the plan and the billing of the account, or use another key.",
    _names(
        "insufficient_quota billing_hard_limit_reached billing_not_active insufficient_balance"
        " insufficient_funds payment_required insufficient_credits billing_error"
        " exceeded_current_quota_error arrearage quota_exhausted credit_balance_too_low"
        " servicequotaexceededexception"
    ),
    _any_of(
        r"credit balance",
        r"insufficient (?:balance|credits?|funds|quota)",
        r"(?:more|no|out of|not enough) credits",
        r"check your plan and billing",
        r"used up your quota",
        r"(?:quota|spending limit|credits?) (?:has|have|is|are) (?:been )?"
        r"(?:exhausted|used up|reached|exceeded)",
        r"payment required",
    ),
    frozenset({400, 402, 403, 429, None}),
)
_KEY = _Kind(
    AuthenticationError,
    "Check the API key.",
    _names(
        "invalid_api_key authentication_error authenticationerror unauthenticated api_key_invalid"
        " unauthorized unrecognizedclientexception expiredtokenexception invalid_authentication"
        " invalid_authentication_error authentication_token_expired invalidsignatureexception"
        " api_key_missing"
    ),
    _any_of(
        r"api key (?:not valid|not found|expired)", r"(?:invalid|incorrect|missing|no|wrong) api[ -]?key"
    ),
    frozenset({400, 401, 403, None}),
)
_PERMISSION = _Kind(
    AuthenticationError,
    "Check that the API key may use this model.",
    _names(
        "permission_error permissiondeniederror permission_denied accessdeniedexception access_denied"
        " forbidden"
    ),
)
_MODEL = _Kind(
    ModelNotFoundError,
    "Check the model id and the base URL.",
    _names(
        "model_not_found notfounderror not_found_error deploymentnotfound resourcenotfoundexception"
        " not_found invalid_model model_not_supported"
    ),
    _any_of(
        r"model.{0,80}(?:does not exist|not found|is not available|not supported by any provider)",
        r"(?:no such|unknown|invalid) model",
        r"not a valid model",
    ),
    frozenset({400, 404, 422, None}),
)
_RATE = _Kind(
    RateLimitError,
    "Wait, then try again.",
    _names(
        "rate_limit_exceeded rate_limit_error ratelimiterror resource_exhausted throttlingexception"
        " too_many_requests request_limit_exceeded throttled rate_limit rate_limited"
        " toomanyrequestsexception ratelimitreached throttling"
    ),
)
_TIME = _Kind(
    ProviderTimeoutError,
    "Try again, or raise the time-out.",
    _names("timeout_error deadline_exceeded request_timeout modeltimeoutexception timeout"),
)
_BUSY = _Kind(
    ServerError,
    "It has more to do than it can take: try again in a moment.",
    _names(
        "overloaded_error overloaded engine_overloaded unavailable service_unavailable"
        " modelnotreadyexception capacity"
    ),
    _any_of(
        r"overloaded",
        r"\bbusy\b",
        r"\bqueue\b",
        r"maximum pending requests",
        r"at (?:full )?capacity|capacity (?:exceeded|reached)",
        r"currently loading|loading model|model is loading",
        r"no (?:slot|worker|server|instance)s?\b.{0,20}available",
    ),
    frozenset({500, 502, 503, 504, 529, None}),
)
_SERVER = _Kind(
    ServerError,
    "Try again; if it lasts, look at the provider's log.",
    _names(
        "server_error internal_server_error internal internalservererror internalserverexception"
        " internalfailure"
    ),
)
_REQUEST = _Kind(
    RequestRejectedError,
    "Change the request as the provider says.",
    words=_any_of(
        r"must be of type",
        r"invalid (?:json schema|format|option|parameter)",
        r"json schema conversion failed",
        r"requires more system memory",
    ),
    statuses=frozenset({500}),
)
_NAMED = (_REFUSED, _QUOTA, _WINDOW, _KEY, _MODEL, _PERMISSION, _RATE, _TIME, _BUSY, _SERVER)
"""The kinds in the order in which their codes count: the rarer is the more precise."""
_WORDED = (_WINDOW, _REFUSED, _QUOTA, _KEY, _REQUEST, _MODEL, _BUSY)
_BY_STATUS = {
    401: _KEY,
    402: _QUOTA,
    403: _PERMISSION,
    404: _MODEL,
    405: evolve(_REQUEST, hint="Check the base URL: what answers there does not take such requests."),
    408: _TIME,
    413: _WINDOW,
    429: _RATE,
    451: _REFUSED,
    529: _BUSY,
}

_LACKS = r"does not support (thinking|tools|chat|images?|vision|audio|embeddings)"
_READS_TEXT_ONLY = r"image input|multimodal (?:data|requests?)|does not support image|not a multimodal model"
_REMEDIES = {
    "thinking": "Leave THINKING out, or choose a model that reasons.",
    "tools": "Leave the tools out, or choose a model that calls tools.",
    "chat": "Choose a model that chats; this one only embeds.",
    "images": "This model reads text only: choose a vision model, or leave the image out.",
    "audio": "Leave the audio out, or choose a model that listens.",
    "embeddings": "Choose a model that embeds.",
}
_NUMBERS = (
    r"request \(P# tokens\) exceeds the available context size \(W# tokens\)",
    r"P# tokens? ?> ?W# maximum",
    r"limit of W# tokens?.{0,80}?(?:resulted in|contains?|requested) P#",
    r"length (?:is|of) W# tokens?.{0,200}?\(P# in (?:the messages|your prompt)",
    r"length (?:is|of) W#.{0,120}?(?:requested|contains|resulted in|has) (?:about )?P#",
    r"length P#\)? is longer than the (?:maximum )?(?:model|context) length of W#",
    r"token count \(P#\) exceeds the maximum number of tokens allowed \(W#\)",
    r"must be <= W#\. Given: P# `inputs`",
    r"must have less than W# tokens\. Given: P#",
    r"contains P# tokens.{0,80}?with W# maximum",
    r"exceed context limit: P# \+ \d+ > W#",
    r"Max input tokens: W#, request input token count: P#",
    r"(?:limit of|token limit:|maximum (?:context|prompt) length (?:is|of)) W#",
)
"""How providers tell the tokens of the prompt (P#) and of the window (W#)."""
_NUMBER = r"(?P<{}>\d[\d,]{{0,11}})"


def error_for_status(
    status: int | None,
    body: Any,
    headers: Mapping[str, str] | None = None,
    *,
    backend: str,
    model_id: str,
    retry_after: float | None = None,
    secrets: Iterable[str | None] = (),
    hints: Mapping[type[MelleaError], str] | None = None,
) -> MelleaError:
    """Return our error for the failure that a provider reports.

    Args:
        status: HTTP status; None when the provider reported the error inside a stream or an answer.
        body: What it sent: its words, or a whole body as text, bytes or JSON values.
        headers: The answer's headers, which may say when to try again.
        backend: Name of the backend, for the error's fields.
        model_id: Model of the request.
        retry_after: Seconds from a ``Retry-After`` header, for who has read it.
        secrets: Keys that the provider may repeat.
        hints: Remedies that are better than the common ones, by error class.
    """
    words = provider_words(body)
    told = redacted(words.text, secrets) or "it gives no reason"
    named = {name.lower(): value for name, value in (headers or {}).items()}
    codes = (*words.codes, named.get("x-amzn-errortype", "").partition(":")[0].lower())
    asked = retry_after if retry_after is not None else _wait(named)
    asked = asked if asked is not None else words.retry_after
    head = f"{backend} ({model_id}) answered" + (f" {status}" if status else " with an error")
    fields: dict[str, Any] = {
        "backend": backend,
        "model_id": model_id,
        "status": status,
        "retry_after": asked,
    }
    found = f"{head}: {told.rstrip('.')}."
    lacking = _lacking(words, status)
    if lacking is not None:
        return CapabilityError(found, hint=_REMEDIES[lacking], missing=lacking, **fields)
    if (target := named.get("x-redirected-to") or named.get("location")) and status and 300 <= status < 400:
        found = f"{head}: go to {redacted(target, secrets)}."
    kind = _kind(words, codes, _effective(status, words.status), asked)
    hint = (hints or {}).get(kind.error, kind.hint)
    if kind.error is RateLimitError and asked is not None:
        hint = f"Try again in {asked:g} seconds."
    if kind.error is ContextWindowError:
        prompt_tokens, window = _window_numbers(words)
        return ContextWindowError(found, hint=hint, prompt_tokens=prompt_tokens, window=window, **fields)
    if kind.error is RefusalError:
        return RefusalError(found, hint=hint, text=told, **fields)
    return kind.error(found, hint=hint, **fields)


def _window_numbers(words: ProviderWords) -> tuple[int | None, int | None]:
    """Return the tokens of a prompt and of the window that is too small for it, where they are told."""
    if words.prompt_tokens is not None and words.window is not None:
        return words.prompt_tokens, words.window
    found = next((found for numbers in _NUMBERS if (found := _numbers(numbers, words.text))), None)
    told = found.groupdict() if found else {}

    def number(name: str) -> int | None:
        return int(told[name].replace(",", "")) if told.get(name) else None

    return words.prompt_tokens or number("prompt_tokens"), words.window or number("window")


def _numbers(expression: str, text: str) -> re.Match[str] | None:
    for mark, name in (("P#", "prompt_tokens"), ("W#", "window")):
        expression = expression.replace(mark, _NUMBER.format(name))
    return re.search(expression, text, re.IGNORECASE)


def _effective(status: int | None, inner: int | None) -> int | None:
    """Return the status that counts: the body's own where the answer's is one of success, or of a gateway."""
    return inner if inner is not None and (status is None or status < 300 or status >= 500) else status


def _lacking(words: ProviderWords, status: int | None) -> str | None:
    """Return what the model cannot do, where that is what the provider says."""
    if status in (401, 402, 403, 404, 429, 503):
        return None
    if re.search(_READS_TEXT_ONLY, words.text, re.IGNORECASE):
        return Capability.IMAGES.value
    found = re.search(_LACKS, words.text, re.IGNORECASE)
    if found is None:
        return None
    what = found[1].lower()
    return Capability.IMAGES.value if what in ("image", "images", "vision") else what


def _kind(words: ProviderWords, codes: Iterable[str], status: int | None, asked: float | None) -> _Kind:
    codes = set(codes)
    for kind in _NAMED:
        if kind.codes & codes and not (kind is _RATE and _never_fits(words.text)):
            return _RATE if kind is _BUSY and status == 429 else kind
    if _never_fits(words.text):
        return evolve(_REQUEST, hint="The request alone is larger than the rate limit: shorten the prompt.")
    for kind in _WORDED:
        if (
            kind.words
            and re.search(kind.words, words.text, re.IGNORECASE)
            and (kind.statuses is None or status in kind.statuses)
        ):
            if kind is _QUOTA and asked is not None:  # a quota that is full again soon is a rate
                continue
            return kind
    if status in _BY_STATUS:
        known = _BY_STATUS[status]
        if known is _MODEL and (words.is_page or words.text.strip().rstrip(".").lower() in _NO_SUCH_PATH):
            return evolve(known, hint="Nothing is served at this address: check the base URL.")
        return known
    if status is not None and 300 <= status < 400:
        return evolve(
            _REQUEST,
            hint="It is not followed to another host: if you trust that one, set the base URL to it.",
        )
    return _SERVER if status is None or status >= 500 else _REQUEST


_NO_SUCH_PATH = frozenset({"", "not found", "404 page not found", "no route matched", "page not found"})


def _never_fits(text: str) -> bool:
    """Tell whether a rate limit refuses a request for being larger than the whole rate."""
    found = re.search(r"request too large\b.{0,200}?limit:? (\d+), requested:? (\d+)", text, re.IGNORECASE)
    return found is not None and int(found[2]) > int(found[1])


def _wait(headers: Mapping[str, str]) -> float | None:
    milliseconds = headers.get("retry-after-ms")
    if milliseconds is not None and re.fullmatch(r"\d{1,9}(?:\.\d{1,9})?", milliseconds):
        return float(milliseconds) / 1000
    return retry_after_seconds(headers.get("retry-after"))
