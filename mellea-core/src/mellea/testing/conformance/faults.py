"""The second level, second part: what goes wrong with a provider becomes an error that says so."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Mapping
from typing import Any

import pytest
from attrs import frozen

from mellea.core.errors import (
    AuthenticationError,
    ContextWindowError,
    MalformedResponseError,
    MelleaError,
    ModelNotFoundError,
    ProviderConnectionError,
    ProviderError,
    ProviderTimeoutError,
    RateLimitError,
    RefusalError,
    RequestRejectedError,
    ServerError,
    StreamInterruptedError,
)
from mellea.core.options import ModelOption
from mellea.testing.conformance.backend import BackendUnderTest
from mellea.testing.conformance.contract import on_both_ways
from mellea.testing.conformance.provider import Answer, Provider
from mellea.testing.conformance.terms import term

__all__ = ["FaultTests"]


@frozen
class _Failure:
    status: int
    words: str
    error: type[MelleaError]


FAILURES = {
    "key": _Failure(401, "Incorrect API key provided", AuthenticationError),
    "permission": _Failure(403, "Not for you", AuthenticationError),
    "model": _Failure(404, "The model `m` does not exist", ModelNotFoundError),
    "rate": _Failure(429, "slow down", RateLimitError),
    "server": _Failure(500, "boom", ServerError),
    "window": _Failure(400, "This model's maximum context length is 8", ContextWindowError),
    "request": _Failure(400, "No such option", RequestRejectedError),
}
NO_ANSWERS = {
    "words": b"engine died",
    "page": b"<html>not an API</html>",
    "something else": b'{"answer": 42}',
    "null": b"null",
}


_BROKEN = (ProviderConnectionError, MalformedResponseError)


class FaultTests(BackendUnderTest):
    """Failures, cuts, refusals, silence."""

    def fails(self, expected: type[MelleaError], *, stream: bool, **arguments: Any) -> MelleaError:
        """Ask one question, which fails, and return the error."""
        with pytest.raises(expected) as caught:
            self._ask(stream, arguments)
        for m in self._opened:
            assert m.ctx.is_root_node, "a failed call is part of the conversation"
            to_blame = {(each.provider, each.model_id) for each in (m.backend, *m.backend.inner_backends)}
            assert (caught.value.backend, caught.value.model_id) in to_blame
        return caught.value

    def _ask(self, stream: bool, arguments: Mapping[str, Any]) -> None:
        m = self.open(**arguments)  # some ask their server at once
        if stream:
            list(m.stream_chat("Hi."))
        else:
            m.chat("Hi.")

    @term("contract", plays=["status"])
    @on_both_ways
    @pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES)
    def test_failure_is_the_error_that_it_means(
        self, provider: Provider, failure: _Failure, stream: bool
    ) -> None:
        """A provider's failure is the error of its kind, in the provider's words, with a remedy."""
        provider.play(Answer(status=failure.status, words=failure.words))

        error = self.fails(failure.error, stream=stream)

        assert type(error) is failure.error
        assert failure.words in str(error)
        assert error.hint

    @term("contract", plays=["status"])
    @on_both_ways
    def test_rate_limit_says_when_to_try_again(self, provider: Provider, stream: bool) -> None:
        """The time that a provider asks to be left alone is a field of the error."""
        provider.play(Answer(status=429, words="slow down", retry_after=7))

        error: Any = self.fails(RateLimitError, stream=stream)

        assert error.retryable
        assert error.retry_after == 7

    @term("contract", plays=["bytes"])
    @on_both_ways
    @pytest.mark.parametrize("body", NO_ANSWERS.values(), ids=NO_ANSWERS)
    def test_what_is_no_answer_is_no_empty_text(self, provider: Provider, body: bytes, stream: bool) -> None:
        """A body that is no answer is an error, and never an empty text."""
        provider.play(Answer(body=body))

        self.fails(ProviderError, stream=stream)

    @term("contract", plays=["cut"])
    @on_both_ways
    def test_broken_connection_is_an_error(self, provider: Provider, stream: bool) -> None:
        """An answer whose connection breaks is not taken for a whole one."""
        provider.play(Answer(["Hel", "lo"], ends="cut"))

        error = self.fails(ProviderError, stream=stream)

        assert isinstance(error, StreamInterruptedError if stream else _BROKEN)

    @term("contract", plays=["short"])
    def test_stream_without_its_end_is_an_error(self, provider: Provider) -> None:
        """A stream that ends without the provider's end mark is not taken for a whole answer."""
        provider.play(Answer(["Hel", "lo"], ends="short"))

        self.fails(StreamInterruptedError, stream=True)

    @term("contract", plays=["refusal"])
    @on_both_ways
    def test_refusal_is_an_error(self, provider: Provider, stream: bool) -> None:
        """What the model says in place of an answer is an error with its words."""
        provider.play(Answer(refusal="I will not."))

        error: Any = self.fails(RefusalError, stream=stream)

        assert (error.text, error.retryable) == ("I will not.", False)

    @term("contract")
    @on_both_ways
    def test_silence_times_out_and_ends_the_work(self, provider: Provider, stream: bool) -> None:
        """A provider that falls silent is given up after the time allowed, and its work ends."""
        provider.play(Answer("Hel", ends="stall"))
        limit = ModelOption.STREAM_TIMEOUT if stream else ModelOption.TIMEOUT

        self.fails(ProviderTimeoutError, stream=stream, model_options={limit: self.silence})

        # Where the time is over before the request is there, nobody is at work.
        assert not provider.asked.is_set() or provider.left.wait(self.patience), "the provider goes on"

    @term("contract", plays=["address"])
    def test_nobody_there_is_an_error(self, provider: Provider) -> None:
        """An address where nobody answers is an error of the connection."""
        self.fails(ProviderConnectionError, stream=False, **provider.unreachable)

    @term("contract", plays=["status"])
    def test_failure_ends_with_the_call(self, provider: Provider) -> None:
        """After a failure the same session answers again."""
        provider.play(Answer(status=500, words="boom"), Answer("Fine."))
        m = self.open()

        with pytest.raises(ServerError):
            m.chat("Hi.")
        assert m.chat("Hi.").content == "Fine."

    @term("contract", plays=["status"])
    def test_failed_request_of_many_fails_alone(self, provider: Provider) -> None:
        """Of calls side by side, those that the provider answers are answered."""
        provider.play(Answer("Fine."), Answer(status=500, words="boom"), Answer("Fine."))

        async def ask() -> list[Any]:
            async with self.open() as m:
                return await asyncio.gather(*(m.achat("Hi.") for _ in range(3)), return_exceptions=True)

        said = asyncio.run(ask())

        assert sum(isinstance(each, ServerError) for each in said) == 1
        assert [each.content for each in said if not isinstance(each, Exception)] == ["Fine."] * 2

    @term("contract", plays=["redirect"])
    @on_both_ways
    @pytest.mark.parametrize("status", [301, 302, 307, 308])
    def test_redirect_to_another_host_is_not_followed(
        self, provider: Provider, status: int, stream: bool
    ) -> None:
        """A prompt is sent where the program says, and nowhere else."""
        assert self.provider_type is not None
        with self.provider_type() as elsewhere:
            elsewhere.play(Answer("caught"))
            target = f"{elsewhere.url}/v1/chat/completions"  # type: ignore[attr-defined]  # who plays it has an address
            provider.play(Answer(status=status, location=target, body=b""))

            self.fails(MelleaError, stream=stream)

            assert elsewhere.requests == []

    @term("contract", plays=["key", "status"])
    @on_both_ways
    def test_key_that_the_provider_repeats_is_not_shown(self, provider: Provider, stream: bool) -> None:
        """A key is in no error, no traceback and no description of the backend."""
        provider.play(Answer(status=401, words=f"Incorrect API key provided: {provider.key}"))

        error = self.fails(AuthenticationError, stream=stream)

        assert provider.key not in "".join(traceback.format_exception(error)) + repr(error)
