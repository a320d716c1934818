"""What the LiteLLM backend does to the process around it. Each test runs a program of its own."""

import os
import subprocess
import sys
import textwrap

import pytest

from tests.servers.faults import Reply, completion, delta
from tests.warm import warm

WARNING = """
import warnings
warnings.simplefilter("default")
warnings.simplefilter("ignore", DeprecationWarning)
"""
"""As ``run`` says them to Python: what LiteLLM's own modules deprecate is not ours to mend."""

CHAT = """
import asyncio, os, sys
from mellea import ModelOption, start_session
from mellea.core import CBlock

def opened(model_id="openai/m", **kwargs):
    return start_session("litellm", model_id=model_id, base_url=os.environ["FAULTS"], api_key="k", **kwargs)
"""


def run(program, address=""):
    """Return what a program wrote to stdout, after checking that it ended well and said nothing on stderr."""
    done = subprocess.run(
        # What LiteLLM's own modules deprecate is not ours to mend.
        [sys.executable, "-W", "default", "-W", "ignore::DeprecationWarning", "-c", textwrap.dedent(program)],
        env={**os.environ, "FAULTS": address},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.stderr, done.returncode) == ("", 0)
    return done.stdout


@pytest.fixture(scope="module")
def warm_litellm():
    """A process with LiteLLM, from which programs start that are not about its import."""
    with warm(
        "import asyncio, openai, mellea\nfrom mellea_litellm.route import load_litellm; load_litellm()"
    ) as parent:
        yield parent


@pytest.fixture
def run_warm(warm_litellm, faults):
    """Run a program whose sessions lead to the server of faults; what it says on stderr is a failure."""

    def run(program):
        source = WARNING + CHAT + textwrap.dedent(program)
        done = warm_litellm.run(source, environment={"FAULTS": faults.base_url})
        assert (done.stderr, done.returncode) == ("", 0)
        return done.stdout

    return run


def test_importing_and_making_the_backend_imports_no_sdk():
    assert (
        run("""
        import sys
        import mellea_litellm, mellea_litellm.plugin
        print([name for name in ("litellm", "openai", "httpx", "aiohttp", "pydantic") if name in sys.modules])
        mellea_litellm.LiteLLMBackend("openai/m")
        print([name for name in ("litellm", "openai", "httpx", "aiohttp", "pydantic") if name in sys.modules])
    """)
        == "[]\n[]\n"
    )


def test_event_loops_in_a_row_and_side_by_side_leave_no_warning(faults, run_warm):
    answer = completion("hello")
    faults.answers(Reply({**answer, "choices": [{**answer["choices"][0], "text": "hello"}]}))
    program = """
        async def cancel_at_any_point(session):
            for moment in range(30):
                call = asyncio.create_task(session.achat("Hi."))
                await asyncio.sleep(moment / 2000)
                call.cancel()
                await asyncio.wait([call])

        async def both_faces(session):
            there = [asyncio.to_thread(session.chat, "Hi.") for _ in range(5)]
            await asyncio.gather(*(session.achat("Hi.") for _ in range(5)), *there)

        for model_id in ("openai/m", "hosted_vllm/m"):
            session = opened(model_id)
            for _ in range(2):
                assert session.chat("Hi.").content == "hello"
                assert asyncio.run(session.achat("Hi.")).content == "hello"
            asyncio.run(both_faces(session))
            asyncio.run(cancel_at_any_point(session))
            asyncio.run(session.backend.generate_from_raw([CBlock("a")]))
    """

    assert run_warm(program) == ""


def test_streams_read_and_abandoned_leave_no_warning(faults, run_warm):
    faults.answers(Reply([delta("Hel"), delta("lo", "stop"), "data: [DONE]\n\n"]))
    program = """
        async def abandon(session):
            thunk = await session.astream_chat("Hi.")
            await anext(aiter(thunk))
            await thunk.cancel_generation()
            for moment in range(30):
                call = asyncio.create_task(session.achat("Hi.", model_options={ModelOption.STREAM: True}))
                await asyncio.sleep(moment / 2000)
                call.cancel()
                await asyncio.wait([call])

        for model_id in ("openai/m", "hosted_vllm/m"):
            session = opened(model_id)
            assert "".join(session.stream_chat("Hi.")) == "Hello"
            asyncio.run(abandon(session))
            with session.stream_chat("Hi.") as thunk:
                next(iter(thunk))
    """

    assert run_warm(program) == ""


def test_nothing_is_printed_and_no_setting_of_litellm_is_changed(faults):
    faults.answers(Reply({"error": {"message": "no"}}, 400))
    program = """
        from mellea.core.errors import RequestRejectedError, UsageError
        try:
            asyncio.run(opened().backend.generate_from_raw([CBlock("Hi.")]))
        except RequestRejectedError:
            pass
        for model_id in ("openai/m", "hosted_vllm/m", "ollama_chat/m", "no-such-provider/m"):
            try:
                opened(model_id).chat("Hi.")
            except (RequestRejectedError, UsageError):
                pass
        import litellm, logging
        print(logging.getLogger("LiteLLM").handlers, end=" ")
        print(litellm.drop_params, litellm.num_retries, litellm.api_key)
        print(os.environ["LITELLM_LOCAL_MODEL_COST_MAP"])
    """

    assert run(CHAT + textwrap.dedent(program), faults.base_url) == "[] False None None\nTrue\n"


def test_registered_callbacks_see_the_calls(faults, run_warm):
    faults.answers(Reply(completion("hello")))
    program = """
        session = opened()
        session.chat("Hi.")
        import litellm, threading
        from litellm.integrations.custom_logger import CustomLogger
        seen = threading.Event()
        class Logger(CustomLogger):
            async def async_log_success_event(self, kwargs, response_obj, start_time, end_time):
                print(response_obj.choices[0].message.content)
                seen.set()
        litellm.callbacks.append(Logger())
        session.chat("Hi.")
        assert seen.wait(10)
    """

    assert run_warm(program) == "hello\n"


def test_session_works_in_a_forked_child(faults, run_warm):
    faults.answers(Reply(completion("hello")))
    program = """
        session = opened()
        session.chat("Hi.")
        child = os.fork()
        if child == 0:
            os._exit(0 if session.chat("Hi.").content == "hello" else 1)
        assert os.waitpid(child, 0)[1] == 0
        assert session.chat("Hi.").content == "hello"
    """

    assert run_warm(program) == ""


def test_warnings_of_litellms_import_are_not_the_users(tmp_path):
    (tmp_path / "litellm.py").write_text("import warnings\nwarnings.warn('mine', DeprecationWarning)\n")
    code = "from mellea_litellm.route import load_litellm; load_litellm()"

    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}"},
    )

    assert (done.returncode, done.stderr) == (0, "")
