"""The next backend is asked where one fails, and only then."""

from __future__ import annotations

import pytest

from mellea import MelleaSession
from mellea.composition import fallback
from mellea.core import Backend, Capability, CBlock, ModelOption, OptionTable, UsageError
from mellea.core.errors import (
    ContextWindowError,
    MelleaError,
    ProviderConnectionError,
    ProviderError,
    ProviderTimeoutError,
    RateLimitError,
    RefusalError,
    StreamInterruptedError,
)
from mellea.core.event_loop import run_sync
from mellea.testing import Fault, ScriptedBackend


class Translating(ScriptedBackend):
    """Knows the errors of its SDK."""

    def translate_error(self, error: Exception) -> MelleaError | None:
        return ProviderError(f"The SDK failed: {error}.") if str(error) == "SDK" else None


def _down() -> ScriptedBackend:
    return ScriptedBackend(ProviderConnectionError("It is down.", backend="scripted"))


@pytest.mark.parametrize(
    "error",
    [
        ProviderConnectionError("It is down."),
        ProviderTimeoutError("It is slow."),
        RateLimitError("Too often."),
        ContextWindowError("It is too long."),
        RuntimeError("SDK"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_another_backend_is_asked_after_an_error_of_the_provider(error: Exception) -> None:
    first, second = Translating(error), ScriptedBackend("There.")
    session = MelleaSession(fallback(first, second))

    output = session.instruct("Hi.")

    assert str(output) == "There."
    assert output.generation.provider == "fallback"
    assert [str(each) for each in run_sync(session.backend.generate_from_raw([CBlock("Hi.")]))] == ["There."]
    assert second.calls == 2


@pytest.mark.parametrize("error", [UsageError("Wrong."), RefusalError("No.")], ids=lambda e: type(e).__name__)
def test_what_is_no_failure_of_the_provider_is_raised(error: MelleaError) -> None:
    second = ScriptedBackend("There.")
    with pytest.raises(type(error), match=error.message):
        MelleaSession(fallback(ScriptedBackend(error), second)).instruct("Hi.")
    assert second.calls == 0


def test_no_other_backend_is_asked_once_a_piece_is_there() -> None:
    second = ScriptedBackend("There.")
    with pytest.raises(StreamInterruptedError):
        MelleaSession(fallback(ScriptedBackend(Fault.cut_stream(after=1)), second)).instruct("Hi.")
    assert second.calls == 0


def test_a_backend_that_says_nothing_is_left_after_a_time() -> None:
    session = MelleaSession(
        fallback(ScriptedBackend(Fault.stall()), ScriptedBackend("There."), patience=0.01)
    )
    assert str(session.instruct("Hi.")) == "There."


def test_a_backend_that_failed_rests_unless_the_request_was_to_blame() -> None:
    down, long, up = (
        _down(),
        ScriptedBackend(ContextWindowError("It is too long.")),
        ScriptedBackend("There."),
    )
    session = MelleaSession(fallback(down, long, up))
    for _ in range(3):
        session.instruct("Hi.")
    assert (down.calls, long.calls, up.calls) == (1, 3, 3)

    restless = MelleaSession(fallback(down, up, pause=0))
    restless.instruct("Hi.")
    assert down.calls == 2


def test_where_none_answers_all_are_told() -> None:
    last = ScriptedBackend(RateLimitError("Too often.", retry_after=7, hint="Wait."))
    with pytest.raises(ProviderError, match=r"None of 2 backends .*It is down\..*Too often\.") as raised:
        MelleaSession(fallback(_down(), last)).instruct("Hi.")
    assert raised.value.retry_after == 7
    with pytest.raises(ProviderConnectionError, match="It is down"):
        MelleaSession(fallback(_down())).instruct("Hi.")


def test_it_can_do_what_each_can_and_hands_options_on_by_their_names() -> None:
    class Other(ScriptedBackend):
        options = OptionTable({ModelOption.MAX_NEW_TOKENS: "num_predict"}, {}, native=None)

    first = ScriptedBackend(
        ProviderError("Down."),
        capabilities=[Capability.STREAMING, Capability.IMAGES],
        model_options={"seed": 3},
    )
    second = Other("There.", capabilities=[Capability.STREAMING, Capability.AUDIO])
    both = fallback(first, second)
    assert both.capabilities == {Capability.STREAMING}

    MelleaSession(both).instruct("Hi.", model_options={ModelOption.MAX_NEW_TOKENS: 5})

    assert dict(first.requests[0].options) == {"max_new_tokens": 5, "seed": 3}
    assert dict(second.requests[0].options) == {"num_predict": 5}


async def test_all_backends_are_closed_though_one_fails() -> None:
    class Stuck(ScriptedBackend):
        async def aclose(self) -> None:
            raise ProviderError("It does not close.")

    last = ScriptedBackend()
    with pytest.raises(ProviderError, match="does not close"):
        await fallback(last, Stuck()).aclose()
    assert last.closed


def test_what_is_no_backend_is_refused() -> None:
    no_backend: Backend = "ollama"  # type: ignore[assignment]
    with pytest.raises(UsageError, match="'ollama' is no backend"):
        fallback(no_backend)
    with pytest.raises(UsageError, match="There is no backend"):
        fallback()
    with pytest.raises(UsageError, match="patience is -1"):
        fallback(ScriptedBackend(), patience=-1)
