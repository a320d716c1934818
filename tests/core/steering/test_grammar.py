"""The grammar that llama.cpp's server is sent for a pattern."""

import pytest

from mellea.core.steering.grammar import grammar_of


@pytest.mark.parametrize(
    ("pattern", "grammar"),
    [
        ("^abc?$", 'root ::= "ab" "c"?\n'),
        ('^(a|b\\.)?"\\n\\\\$', 'root ::= ("a" | "b" ".")? "\\"" "\\n" "\\\\"\n'),
        ("^[a-z]{1,3}$", "root ::= [a-z] run2-1\nrun1-0 ::= | [a-z]\nrun2-1 ::= | [a-z] run1-0\n"),
        ("^(ab){2,4}(ab){3}$", 'root ::= part-0{2,4} part-0{3}\npart-0 ::= ("ab")\n'),
        ("^(ab){1}[0-9]*$", 'root ::= part-0 [0-9]*\npart-0 ::= ("ab")\n'),
        ("^((a)\\(b)\\)$", 'root ::= (("a") "(" "b") ")"\n'),
        ("^(a[(]\U000f0000)$", 'root ::= ("a" [(] "\U000f0000")\n'),
        (
            "^(a|[a-z]x[0-9]yz[.!?])(a|[a-z]x[0-9]yz[.!?])$",
            'root ::= part-0 part-0\npart-0 ::= "a" | [a-z] "x" [0-9] "yz" [.!?]\n',
        ),
        ("^[\\]\\^-]$", "root ::= [\\x5D\\x5E-]\n"),
    ],
)
def test_pattern_is_written_as_a_grammar(pattern, grammar):
    assert grammar_of(pattern) == grammar
