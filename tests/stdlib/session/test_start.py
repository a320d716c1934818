import pytest

from mellea import start_backend, start_session
from mellea.backends import model_ids
from mellea.core import Backend, PluginLoadError, ServerError, UnknownPluginError, UsageError
from mellea.plugins import BackendManifest, ContextManifest, hookimpl
from mellea.stdlib.context import ChatContext, SimpleContext, WindowCompactor
from mellea.testing import ScriptedBackend

MADE: list[Backend] = []


class Recording(Backend):
    """Remembers how it was made, and whether it was closed."""

    def __init__(self, model_id, *, base_url="default"):
        super().__init__(model_id)
        self.given, self.base_url, self.closed = model_id, base_url, False
        MADE.append(self)

    async def aclose(self):
        self.closed = True


class Failing(Backend):
    def __init__(self):
        raise ZeroDivisionError("no weights")


class Refusing(Backend):
    def __init__(self):
        raise ServerError("loading")


class Confused:
    """No backend, although its plugin says so."""


class Plugin:
    """A plugin that a session brings along."""

    @hookimpl
    def mellea_register_backends(self, register):
        for name in ("Recording", "Failing", "Refusing", "Confused"):
            register(
                BackendManifest(
                    name=name.lower(),
                    summary=name,
                    factory=f"{__name__}:{name}",
                    default_model_id="the-default" if name == "Recording" else None,
                )
            )

    @hookimpl
    def mellea_register_contexts(self, register):
        register(ContextManifest(name="short", summary="Short.", factory=f"{__name__}:short_context"))


def short_context():
    return ChatContext(window_size=2)


PLUGINS = [Plugin()]


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    monkeypatch.delenv("MELLEA_BACKEND", raising=False)
    monkeypatch.delenv("MELLEA_MODEL", raising=False)
    MADE.clear()


def test_backend_of_the_sessions_own_plugin_is_opened_and_closed():
    with start_session("recording", plugins=PLUGINS, base_url="http://x") as m:
        assert (m.backend.given, m.backend.base_url) == ("the-default", "http://x")
    assert m.backend.closed


def test_instance_is_used_as_it_is_and_stays_open():
    backend = ScriptedBackend("x")
    with start_session(backend) as m:
        assert m.chat("hi").content == "x"
    assert m.backend is backend
    assert not backend.closed


@pytest.mark.parametrize("kwargs", [{"model_id": "m"}, {"base_url": "http://x"}])
def test_arguments_of_a_backend_do_not_go_with_an_instance(kwargs):
    with pytest.raises(UsageError, match="already open"):
        start_session(ScriptedBackend("x"), **kwargs)


def test_unknown_argument_is_named_with_the_nearest():
    with pytest.raises(UsageError, match=r"takes no argument 'base_ulr'\. Did you mean 'base_url'\?"):
        start_session("recording", plugins=PLUGINS, base_ulr="http://x")


def test_old_name_of_the_argument_works():
    assert start_session(backend_name="recording", plugins=PLUGINS).backend.given == "the-default"


def test_both_names_of_the_argument_are_refused():
    with pytest.raises(UsageError, match="Both backend and backend_name"):
        start_session("recording", backend_name="recording", plugins=PLUGINS)


def test_environment_names_backend_and_model(monkeypatch):
    monkeypatch.setenv("MELLEA_BACKEND", "recording")
    monkeypatch.setenv("MELLEA_MODEL", "from-environment")
    assert start_session(plugins=PLUGINS).backend.given == "from-environment"
    assert start_session(plugins=PLUGINS, model_id="mine").backend.given == "mine"


def test_model_of_the_environment_is_for_the_default_backend_only(monkeypatch):
    monkeypatch.setenv("MELLEA_MODEL", "from-environment")
    assert start_session("recording", plugins=PLUGINS).backend.given == "the-default"


def test_identifier_of_a_model_reaches_the_backend():
    m = start_session("recording", model_ids.QWEN3_8B, plugins=PLUGINS)
    assert m.backend.given is model_ids.QWEN3_8B


@pytest.mark.parametrize("kwargs", [{"ctx": "chat"}, {"context_type": "chat"}, {"ctx": ChatContext()}])
def test_context_is_named_or_given(kwargs):
    assert type(start_session(ScriptedBackend("x"), **kwargs).ctx) is ChatContext


def test_context_of_a_plugin_is_found_by_name():
    assert start_session(ScriptedBackend("x"), ctx="short", plugins=PLUGINS).ctx.window_size == 2


def test_context_is_simple_by_default():
    assert type(start_session(ScriptedBackend("x")).ctx) is SimpleContext
    assert type(start_session(ScriptedBackend("x"), context_type="simple").ctx) is SimpleContext


@pytest.mark.parametrize(
    ("kwargs", "error"),
    [
        ({"ctx": ChatContext(), "context_type": "chat"}, UsageError),
        ({"ctx": 5}, UsageError),
        ({"ctx": WindowCompactor(1)}, UsageError),
        ({"ctx": "caht"}, UnknownPluginError),
        ({"model_options": 5}, UsageError),
    ],
)
def test_wrong_arguments_are_refused_before_a_backend_opens(kwargs, error):
    with pytest.raises(error):
        start_session("recording", plugins=PLUGINS, **kwargs)
    assert all(backend.closed for backend in MADE)


@pytest.mark.parametrize("name", ["", "  ", 5])
def test_name_that_is_none_is_refused(name):
    with pytest.raises(UsageError):
        start_session(name)


def test_constructor_that_raises_is_an_error_of_the_plugin_with_its_cause():
    with pytest.raises(
        PluginLoadError, match=r"'failing' of .* could not open: ZeroDivisionError: no weights"
    ) as caught:
        start_session("failing", plugins=PLUGINS)
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_factory_that_makes_something_else_is_refused():
    with pytest.raises(
        PluginLoadError, match=r"'confused' of this session cannot .* no Backend\. Name a subclass"
    ):
        start_session("confused", plugins=PLUGINS)


def test_our_own_error_of_a_constructor_passes_as_it_is():
    with pytest.raises(ServerError, match="loading"):
        start_session("refusing", plugins=PLUGINS)


def test_options_of_the_session_are_not_the_backends():
    m = start_session(ScriptedBackend("x"), model_options={"a": 1})
    m.chat("hi", model_options={"b": 2})
    assert m.backend.requests[0].options == {"a": 1, "b": 2}
    assert m.backend.model_options == {}


def test_context_and_backend_can_be_opened_without_a_session(monkeypatch):
    monkeypatch.setenv("MELLEA_BACKEND", "nonexistent-backend")
    with pytest.raises(UnknownPluginError):
        start_backend(context_type="chat")
    with pytest.raises(UsageError):
        start_backend(ctx=ChatContext(), context_type="chat")
