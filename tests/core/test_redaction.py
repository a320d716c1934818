import pytest
from hypothesis import given
from hypothesis import strategies as st

from mellea.core.errors import AuthenticationError
from mellea.core.redaction import BLANK, blank_error, redacted, secrets_of_address, secrets_within

KEY = "correct-horse-battery"

BLANKED = [
    ("a known key", f"Incorrect API key provided: {KEY}.", f"Incorrect API key provided: {BLANK}."),
    ("a known key within a word", f"x{KEY}y", f"x{BLANK}y"),
    ("a known key in an address", "http://a/%20p%40ss word", f"http://a/{BLANK} word"),
    ("a known short key", "The key s3cr is wrong.", f"The key {BLANK} is wrong."),
    ("user info", "http://ann:hunter2@localhost:8080/v1", f"http://{BLANK}@localhost:8080/v1"),
    ("a user alone", "https://token@host/v1", f"https://{BLANK}@host/v1"),
    ("an @ in the path", "https://host/@ann/v1", "https://host/@ann/v1"),
    (
        "a query",
        "GET https://host/v1?key=abc&model=m failed",
        f"GET https://host/v1?key={BLANK}&model={BLANK} failed",
    ),
    ("a query of one word", "https://host/?abc", f"https://host/?{BLANK}"),
    ("a bearer", "Authorization: Bearer abc.def-1", f"Authorization: Bearer {BLANK}"),
    ("a bearer alone", "sent Bearer abcdefgh12 twice", f"sent Bearer {BLANK} twice"),
    ("basic", "Basic YWxhZGRpbjpvcGVu=", f"Basic {BLANK}"),
    (
        "a header of a dict",
        "{'x-api-key': 'abc123', 'accept': '*/*'}",
        f"{{'x-api-key': '{BLANK}', 'accept': '*/*'}}",
    ),
    ("a header in bytes", "{b'authorization': b'x'}", f"{{b'authorization': b'{BLANK}'}}"),
    ("an argument", "Client(api_key='abc', timeout=3)", f"Client(api_key='{BLANK}', timeout=3)"),
    ("JSON", '{"client_secret": "abc", "a": 1}', f'{{"client_secret": "{BLANK}", "a": 1}}'),
    ("an environment variable", "OPENAI_API_KEY=abc", f"OPENAI_API_KEY={BLANK}"),
    ("a password", "password: hunter2", f"password: {BLANK}"),
    ("OpenAI", "sk-proj-abc123DEF456", BLANK),
    ("Anthropic", "the key sk-ant-api03-abc_def", f"the key {BLANK}"),
    ("Google", "AIzaSyA1234567890abcdefghijk", BLANK),
    ("Hugging Face", "hf_abcdefghij1234", BLANK),
    ("Groq", "gsk_abcdefghij1234", BLANK),
    ("xAI", "xai-abcdefgh1", BLANK),
    ("AWS", "AKIAIOSFODNN7EXAMPLE", BLANK),
    ("a web token", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc-def", BLANK),
]


@pytest.mark.parametrize(("text", "shown"), [row[1:] for row in BLANKED], ids=[row[0] for row in BLANKED])
def test_secrets_are_blanked(text, shown):
    assert redacted(text, [KEY, "s3cr", " p@ss"]) == shown


@pytest.mark.parametrize("text", [row[2] for row in BLANKED])
def test_what_is_blanked_stays_as_it_is(text):
    assert redacted(text, [KEY]) == text


LEFT = [
    "There is no API key for 'openai'; set OPENAI_API_KEY, or pass api_key=..., to openai.",
    "sk-learn and sk-learn-contrib",
    "max_tokens=3, token limit: 5, total_tokens: 8",
    "Bearer authentication is required",
    "a basic understanding of tokens",
    "hf_model_name: ibm-granite/granite-4.0",
    "http://127.0.0.1:11434/api/chat",
    "mail ann@example.org about secrets: none",
    "a_key-value pair",
    "none of the requests",
]


@pytest.mark.parametrize("text", LEFT)
def test_other_texts_are_left(text):
    assert redacted(text, ["none", "a", "", None]) == text


def test_values_are_walked_through():
    value = {
        "api_key": "abc",
        "messages": [{"content": f"my key is {KEY}"}],
        "max_tokens": 3,
        "pair": (KEY, 1),
        "password": None,
    }
    assert redacted(value, [KEY]) == {
        "api_key": BLANK,
        "messages": [{"content": f"my key is {BLANK}"}],
        "max_tokens": 3,
        "pair": (BLANK, 1),
        "password": None,
    }


def test_an_address_tells_its_secret():
    assert secrets_of_address("http://ann:p%40ss@host") == ("p%40ss", "p@ss")
    assert secrets_of_address("http://token@host") == ("token", "token")
    assert (
        secrets_of_address("http://host") == secrets_of_address(None) == secrets_of_address("http://[") == ()
    )


@pytest.mark.parametrize(
    "piece", ["://", "sk-", "a=", "Bearer ", "api_key", "http://a:", "?a=", "eyJ.", '"', "x-"]
)
def test_long_texts_are_read_to_their_end(piece):
    redacted(piece * 20_000)


@given(st.text(), st.text(min_size=8), st.text())
def test_a_known_key_never_remains(before, key, after):
    if key.lower() not in BLANK:
        assert key not in redacted(f"{before}{key}{after}", [key])


def test_secrets_are_found_by_the_names_they_stand_under():
    holder = {
        "_api_key": "one-key",
        "_client_options": {
            "api_key": "two-key",
            "timeout": 3,
            "default_headers": {"X-Team": "three-key", "Accept": "*/*"},
        },
        "_secrets": ("four-key", None),
        "base_url": "http://ann:five-key@host",
        "model_id": "a-model",
        "password": 5,
        3: "x",
    }
    assert set(secrets_within(holder)) == {"one-key", "two-key", "three-key", "four-key", "five-key"}


def test_an_error_and_its_causes_are_blanked():
    class OddError(Exception):
        @property
        def message(self):
            return f"the key {KEY}"

    error = AuthenticationError(f"The key {KEY} is wrong.", hint=f"Drop {KEY}.")
    error.__cause__ = OSError(5, f"no {KEY}")
    error.__cause__.__context__ = OddError(f"odd {KEY}", 3)
    error.__cause__.__context__.__cause__ = error

    blank_error(error, [KEY])

    assert KEY not in f"{error} {error.message} {error.hint} {error.args}"
    assert KEY not in str(error.__cause__.__context__)
    assert error.__cause__.__context__.args == (f"odd {BLANK}", 3)
