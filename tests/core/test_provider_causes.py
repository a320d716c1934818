"""What a provider's library raises is chained once, without what led to it in the libraries below."""

import textwrap
import traceback

import pytest

from mellea.core import Backend, Chunk, ProviderError, ServerError
from mellea.stdlib.context import SimpleContext
from tests.warm import warm


class LibraryError(Exception):
    pass


def deep(number):
    """Raise an error that has as many causes, as HTTP libraries do."""
    if number == 0:
        raise OSError("refused")
    try:
        deep(number - 1)
    except Exception as error:
        raise LibraryError(f"layer {number}") from error


class Deep(Backend):
    provider = "deep"
    known = True

    async def stream_chat(self, request):
        deep(5)
        yield Chunk(text="x")

    def translate_error(self, error):
        return ServerError("The server is down.") if self.known else None


class Ours(Deep):
    """Raises an error of ours by itself."""

    async def stream_chat(self, request):
        try:
            deep(5)
        except LibraryError as error:
            raise ServerError("The server is down.") from error
        yield Chunk(text="x")


async def failure(backend):
    thunk, _ = await backend.generate_from_context("hi", SimpleContext())
    with pytest.raises(ProviderError) as caught:
        await thunk.avalue()
    return caught.value


@pytest.mark.parametrize("kind", [Deep, Ours])
async def test_provider_error_has_one_cause_without_its_own(kind):
    error = await failure(kind("m"))

    assert str(error.__cause__) == "layer 5"
    assert error.__cause__.__cause__ is error.__cause__.__context__ is error.__cause__.__traceback__ is None
    shown = "".join(traceback.format_exception(error))
    assert "layer 5" in shown
    assert "layer 4" not in shown
    assert "refused" not in shown


async def test_error_that_nobody_knows_keeps_where_it_comes_from():
    backend = Deep("m")
    backend.known = False

    shown = "".join(traceback.format_exception(await failure(backend)))

    assert "in deep" in shown
    assert "layer 1" in shown


@pytest.fixture(scope="module")
def warm_openai():
    with warm("import mellea, openai, mellea_openai.backend") as parent:
        yield parent


@pytest.mark.parametrize("end", ["pass", "raise SystemExit(0)", "m.stream_chat('x').__iter__().__next__()"])
def test_session_that_nobody_closes_leaves_nothing_on_stderr(end, llama_server, warm_openai):
    program = f"""
        import gc, warnings
        from mellea import start_session

        warnings.simplefilter("default", ResourceWarning)

        def ask():
            m = start_session("openai", "m", base_url="{llama_server.base_url}", api_key="k",
                              model_options={{"max_tokens": 3}})
            m.chat("Hi")
            {end}

        for _ in range(2):
            ask()
        gc.collect()
    """
    done = warm_openai.run(textwrap.dedent(program))

    assert (done.returncode, done.stderr) == (0, "")
