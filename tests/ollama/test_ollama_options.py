"""What reaches the server of the options that a program sets."""

import warnings

import pytest

from mellea import MelleaSession
from mellea.core import ModelOption, OptionNotSupportedWarning, UnsupportedOptionError, UsageError
from mellea.core.options import UnknownOptionWarning
from mellea.core.steering import steer
from mellea.stdlib.requirements import word_count
from mellea.stdlib.requirements.forms import Bullets, of_form
from mellea.stdlib.sampling import RejectionSamplingStrategy


async def test_common_options_arrive_under_ollamas_names(ask, server):
    options = {
        ModelOption.MAX_NEW_TOKENS: 3,
        ModelOption.TEMPERATURE: 0.5,
        ModelOption.SEED: 7,
        ModelOption.STOP_SEQUENCES: ["END"],
        ModelOption.CONTEXT_WINDOW: 512,
    }

    await (await ask("Hello.", **options)).avalue()

    sent = server.sent("/api/chat")[0]["options"]
    assert sent == {"num_predict": 3, "temperature": 0.5, "seed": 7, "stop": ["END"], "num_ctx": 512}


@pytest.mark.parametrize("spelling", ["num_predict", "max_tokens", "max_completion_tokens", "max_new_tokens"])
async def test_other_spellings_mean_the_same(ask, server, spelling):
    await (await ask("Hello.", **{spelling: 2})).avalue()

    assert server.sent("/api/chat")[0]["options"]["num_predict"] == 2


async def test_native_options_pass_through(ask, server):
    await (await ask("Hello.", top_k=1, repeat_penalty=1.3)).avalue()

    sent = server.sent("/api/chat")[0]["options"]
    assert sent["top_k"] == 1
    assert sent["repeat_penalty"] == 1.3


async def test_fields_of_the_request_stand_beside_the_options(ask, server):
    await (await ask("Hello.", keep_alive="2m", think=False, format="json", max_tokens=40)).avalue()

    body = server.sent("/api/chat")[0]
    assert (body["keep_alive"], body["think"], body["format"]) == ("2m", False, "json")
    assert body["options"] == {"num_predict": 40, "temperature": 0.0}


async def test_system_prompt_comes_first(ask, server):
    await (await ask("Hello.", system="You are a pirate.")).avalue()

    assert server.sent("/api/chat")[0]["messages"][0] == {"role": "system", "content": "You are a pirate."}


async def test_keep_alive_of_the_backend_goes_with_every_request(make, ask, server):
    await (await ask("Hello.", of=make(keep_alive=30))).avalue()

    assert server.sent("/api/chat")[0]["keep_alive"] == 30


async def test_options_of_the_call_beat_those_of_the_backend(make, ask, server):
    backend = make(model_options={"seed": 1, "top_k": 5})

    await (await ask("Hello.", of=backend, max_tokens=2, **{ModelOption.SEED: 2})).avalue()

    sent = server.sent("/api/chat")[0]["options"]
    assert (sent["seed"], sent["top_k"]) == (2, 5)


async def test_unsupported_option_is_reported_once(ask, server):
    with pytest.warns(OptionNotSupportedWarning, match="RAW_LOGITS"):
        await (await ask("Hello.", **{ModelOption.RAW_LOGITS: True})).avalue()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        await (await ask("Hello.", **{ModelOption.RAW_LOGITS: True})).avalue()

    assert [body["options"].keys() for body in server.sent("/api/chat")] == [
        {"num_predict", "temperature"}
    ] * 2


async def test_unsupported_option_is_an_error_in_strict_mode(make, ask, server):
    strict = make(strict_options=True)

    with pytest.raises(UnsupportedOptionError, match="LOGITS"):
        await ask("Hello.", of=strict, **{ModelOption.LOGITS: True})

    assert server.sent("/api/chat") == []


@pytest.mark.parametrize(
    "options", [{"num_predict": 0}, {"max_tokens": 0}, {"stop": ""}, {"stop": ["a", ""]}]
)
def test_no_tokens_and_empty_stops_are_refused_before_anything_is_sent(play, played, options):
    m = play()

    with pytest.raises(UsageError, match="nothing was sent"):
        m.chat("Hi", model_options=options)

    assert played.requests == []


def test_option_that_nobody_knows_is_sent_and_reported_with_the_nearest_name(play, played):
    m = play()

    with pytest.warns(UnknownOptionWarning, match=r"'num_contex'.*'num_ctx'"):
        m.chat("Hi", model_options={"num_contex": 9000})

    assert played.requests[-1]["options"] == {"num_contex": 9000}


def test_options_of_the_server_are_known(play, played):
    options = {
        "min_p": 0.1,
        "repeat_last_n": 64,
        "mirostat": 0,
        "num_thread": 2,
        "main_gpu": 0,
        "brand_new": 1,
    }

    play().chat("Hi", model_options=options)

    assert played.requests[-1]["options"] == options


async def test_pattern_of_a_text_arrives_whole_with_options_against_repetition(backend, server):
    rules = [of_form(Bullets(1)), word_count(at_most=12)]
    with MelleaSession(backend) as session:
        result = await session.ainstruct(
            "Name a drink.",
            requirements=rules,
            strategy=RejectionSamplingStrategy(loop_budget=1),
            model_options={ModelOption.MAX_NEW_TOKENS: 400, ModelOption.TEMPERATURE: 0.4},
            return_sampling_results=True,
        )

    sent = server.sent("/api/chat")[0]
    assert sent["format"] == {"type": "string", "pattern": steer([f for r in rules for f in r.forms]).pattern}
    assert (sent["options"]["repeat_penalty"], sent["options"]["repeat_last_n"]) == (1.1, 256)
    assert set(result.steering.values()) == {"steered"}
