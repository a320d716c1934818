import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mellea.core.schema_patterns import EMAIL, IPV4, PatternError, is_plain, whole_json_text

ANY = r'[^\x00-\x1f"\\]'
SAID = [
    (r"^\d{3}$", "^[0-9]{3}$"),
    (r"^\w{2}$", "^[0-9A-Z_a-z]{2}$"),
    (r"^a\sb$", "^a b$"),
    (r"^[\d-]+$", r"^[\x2d0-9]+$"),
    ("[0-9]{3}", f"^{ANY}*[0-9]{{3}}{ANY}*$"),
    ("^[0-9]{3}", f"^[0-9]{{3}}{ANY}*$"),
    ("[0-9]{3}$", f"^{ANY}*[0-9]{{3}}$"),
    ("^x.z$", f"^x{ANY}z$"),
    (r"^\D\W\S$", r'^[^\x00-\x1f"0-9\\][^\x00-\x1f"0-9A-Z\\_a-z][^\x00- "\\]$'),
    ("^[^0-9]+$", r'^[^\x00-\x1f"0-9\\]+$'),
    ("^[ -~]+$", r"^[ !#-\[\]-~]+$"),
    ("^(a|b|)c$", "^(a|b)?c$"),
    ("^a$|^b", f"^(a|b{ANY}*)$"),
    ("(^a$)", "^a$"),
    ("^(?:ab)+?$", "^(ab)+$"),
    ("^(?P<year>[0-9]{4})-(?<day>0[1-9])$", "^[0-9]{4}-0[1-9]$"),
    (r"^a\/b\-c\.$", r"^a/b-c\.$"),
    (r"^\u0041\x42\u{43}$", "^ABC$"),
    ("^€+ä$", "^(€)+ä$"),
    ("^[à-ü]{2,}$", "^[à-ü]{2,}$"),
    ("^a{b}$", r"^a\{b\}$"),
    (r"^[]\^]$", r"^[\]\x5e]$"),
    ("^a?b*c{0,1}d{2,3}$", "^a?b*c?d{2,3}$"),
    (r"[\s\S]*", f"^{ANY}*$"),
    ("^.*$", f"^{ANY}*$"),
    (IPV4, IPV4),
    ("", None),
    ("^", None),
    ("a|", None),
]


@pytest.mark.parametrize(("pattern", "told"), SAID)
def test_patterns_are_said_as_the_grammar_keeps_them(pattern, told):
    assert whole_json_text(pattern) == told


@pytest.mark.parametrize(
    "pattern",
    [
        "^(?=a)b$",
        "^(?!a)b$",
        "(?i)^a$",
        r"\bfoo\b",
        r"^(a)\1$",
        r"^\p{L}+$",
        "^a{1001}$",
        "^(a*)*$",
        '^a"b$',
        r"^a\\b$",
        r"^\t$",
        "^a(b^c)$",
        "^(a$",
        "^a)$",
        "^[a$",
        "^*$",
        "^a++$",
        "^$",
        "(" * 400 + ")" * 400,
    ],
)
def test_what_the_grammar_cannot_be_told_is_refused(pattern):
    with pytest.raises(PatternError):
        whole_json_text(pattern)


@pytest.mark.parametrize("pattern", ["^(?=a)b$", "(?i)a", r"\bfoo\b", r"(a)\1", r"\Aa\Z", "(", "a{2}{3}*+"])
def test_patterns_that_engines_refuse_are_not_plain(pattern):
    assert not is_plain(pattern)


@pytest.mark.parametrize("pattern", [r"^\d+$", "a|b", '"', r"\\", "^a{5000}$", "^$"])
def test_quotes_and_long_repetitions_are_plain(pattern):
    assert is_plain(pattern)


@pytest.mark.parametrize("text", ["ann@example.org", "a.b+c@mail.example-1.co"])
def test_addresses_of_mail_fit_their_pattern(text):
    assert re.fullmatch(EMAIL, text)


@pytest.mark.parametrize("text", ["ann", "@example.org", "a..b@example.org", "a@-b.org", "a@b"])
def test_what_is_no_address_of_mail_does_not_fit(text):
    assert not re.fullmatch(EMAIL, text)


@pytest.mark.parametrize(
    ("text", "fits"), [("127.0.0.1", True), ("255.249.199.9", True), ("256.1.1.1", False), ("1.1.1", False)]
)
def test_addresses_of_hosts_fit_their_pattern(text, fits):
    assert bool(re.fullmatch(IPV4, text)) is fits


atoms = st.sampled_from(["a", "b", "[ab]", "[^a]", ".", r"\d", r"\w", "(a|b)", "(ab|)", "-"])
parts = st.builds(lambda atom, mark: atom + mark, atoms, st.sampled_from(["", "", "?", "{2}", "{1,2}"]))
patterns = st.builds(
    lambda start, body, end: start + "".join(body) + end,
    st.sampled_from(["", "^"]),
    st.lists(parts, min_size=1, max_size=4),
    st.sampled_from(["", "$"]),
)


@given(patterns, st.text(alphabet="ab1-_ ", max_size=5))
def test_what_is_said_means_the_same(pattern, text):
    told = whole_json_text(pattern)
    assert bool(re.search(pattern, text)) is (told is None or bool(re.fullmatch(told, text)))
