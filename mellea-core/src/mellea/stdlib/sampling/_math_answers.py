r"""Final answers of mathematical texts, and whether two of them are the same number.

Exact: numbers, fractions, powers, roots, percentages, in plain text and in LaTeX (``\frac``, ``\sqrt``,
    ``\pi``), by rational
arithmetic where that is possible. What is no number (an expression in x, a set, an interval) is left to a
computer algebra system, see ``mellea.stdlib.sampling.majority_voting``.
"""

from __future__ import annotations

import ast
import math
import operator
import re
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import TypeAlias

__all__ = ["as_number", "final_answer", "same_number"]

Number: TypeAlias = "Fraction | float"

_STATED = re.compile(
    r"(?:final answer|answer|result)(?:\s++is)?+\s*+[:=]?+\s*+(?P<answer>[^\n]++)"
    r"|####\s*+(?P<marked>[^\n]++)",
    re.IGNORECASE,
)
_NUMBER = re.compile(
    r"[-+]?(?:\d{1,3}(?:,\d{3})+|\d+)?(?:\.\d+|(?<=\d))(?:e[-+]?\d{1,3})?(?:\s*/\s*\d+)?\s*%?", re.IGNORECASE
)
_MAX_LENGTH, _MAX_BITS = 200, 4096


def final_answer(text: str) -> str:
    r"""Return the final answer in a text.

    It is what the last ``\boxed{}`` holds; else what follows the last "answer is" or ``####``; else, if the
    text is more than one expression, the last formula in dollars or the last number in it; else the text.
    """
    boxed = _last_boxed(text)
    if boxed is not None:
        return boxed
    stated = [match["answer"] or match["marked"] for match in _STATED.finditer(text)]
    rest = _without_frame(stated[-1] if stated else text)
    if as_number(rest) is not None:
        return rest
    formulas = re.findall(r"\$([^$]+)\$", rest)
    if formulas:
        return _without_frame(formulas[-1])
    numbers = [match.group() for match in _NUMBER.finditer(rest) if match.group().strip()]
    is_prose = len(re.findall(r"[A-Za-z]{2,}", re.sub(r"\\[A-Za-z]+", "", rest))) > 1
    return numbers[-1].strip() if numbers and is_prose else rest


def as_number(text: str) -> Number | None:
    """Return the number that a text is: exact where it can be, else a float; None if it is no number."""
    plain = _plain(text)
    if not plain or len(plain) > _MAX_LENGTH:
        return None
    try:
        value = _evaluate(ast.parse(plain, mode="eval").body)
    except (SyntaxError, ValueError, TypeError, ArithmeticError, RecursionError, MemoryError):
        return None
    return value if isinstance(value, Fraction) or math.isfinite(value) else None


def same_number(one: Number, other: Number, digits: int) -> bool:
    """Tell whether two numbers are equal, to a number of digits after the point."""
    if isinstance(one, Fraction) and isinstance(other, Fraction):
        return abs(one - other) <= Fraction(1, 2 * 10**digits)
    return abs(float(one) - float(other)) <= 0.5 * 10.0**-digits


def _last_boxed(text: str) -> str | None:
    r"""Return what the last ``\boxed{...}`` holds, with its braces balanced."""
    head = r"\boxed{"
    start = text.rfind(head)
    if start < 0:
        return None
    depth, begin = 1, start + len(head)
    for index in range(begin, len(text)):
        depth += {"{": 1, "}": -1}.get(text[index], 0)
        if depth == 0:
            return text[begin:index].strip()
    return text[begin:].strip()


_OPENINGS, _CLOSINGS = ("\\(", "\\["), ("\\)", "\\]")


def _without_frame(text: str) -> str:
    """Return an answer without the marks and the full stop around it."""
    bare = text.strip().strip("*`").strip()
    stop = bare[-1:] if bare[-1:] in (".", ",", ";") else ""
    bare = bare.removesuffix(stop)
    bare = bare[2:] if bare.startswith(_OPENINGS) else bare.lstrip("$")
    bare = bare[:-2] if bare.endswith(_CLOSINGS) else bare.rstrip("$")
    return bare.strip().rstrip(".,; ").strip()


_BRACED = r"\{((?:[^{}]|\{[^{}]*\})*)\}"
_REWRITES: tuple[tuple[str, str], ...] = (
    (r"\\(?:left|right|,|;|!|quad|displaystyle)|[$~]|\\ ", ""),
    (r"\\(?:text|mathrm|mathbf)\{[^{}]*\}", ""),
    (r"(?<=\d),(?=\d{3}(?:\D|$))", ""),
    (r"\\%", "%"),
    (rf"\\[dt]?frac{_BRACED}{_BRACED}", r"((\1)/(\2))"),
    (r"\\[dt]?frac(\d)(\d)", r"(\1/\2)"),
    (rf"\\sqrt{_BRACED}", r"sqrt(\1)"),
    (r"√\s*(\d+(?:\.\d+)?)", r"sqrt(\1)"),
    (r"\\(?:cdot|times)|\u00d7|\u00b7", "*"),
    (r"\\div|\u00f7", "/"),
    (r"\u2212|\u2013", "-"),
    (r"\\pi|π", "pi"),
    (rf"\^{_BRACED}", r"**(\1)"),
    (r"\^", "**"),
    (r"(?<=[\d)])\s*(?=pi|sqrt)", "*"),
    (r"%$", "/100"),
)


def _plain(text: str) -> str:
    """Return a formula in Python's spelling."""
    plain = _without_frame(text)
    if len(plain) > _MAX_LENGTH:
        return ""
    for pattern, replacement in _REWRITES:
        previous = None
        while previous != plain:
            previous, plain = plain, re.sub(pattern, replacement, plain)
    return re.sub(r"(?<![\d.])0+(?=\d)", "", plain.strip())


_OPERATORS: Mapping[type[ast.operator], Callable[[Number, Number], Number]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


def _evaluate(node: ast.expr) -> Number:
    """Return the value of an expression of numbers; nothing else is ever evaluated.

    Raises:
        ValueError: It contains something else.
    """
    match node:
        case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
            return Fraction(str(value))
        case ast.Name(id="pi"):
            return math.pi
        case ast.UnaryOp(op=ast.USub() | ast.UAdd() as sign, operand=operand):
            return -_evaluate(operand) if isinstance(sign, ast.USub) else _evaluate(operand)
        case ast.Call(func=ast.Name(id="sqrt"), args=[argument], keywords=[]):
            return _root(_evaluate(argument))
        case ast.BinOp(left=left, op=ast.Pow(), right=right):
            return _power(_evaluate(left), _evaluate(right))
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            return _OPERATORS[type(op)](_evaluate(left), _evaluate(right))
        case _:
            raise ValueError("no number")


def _root(value: Number) -> Number:
    if isinstance(value, Fraction) and value >= 0:
        exact = Fraction(math.isqrt(value.numerator), math.isqrt(value.denominator))
        if exact * exact == value:
            return exact
    return math.sqrt(value)


def _power(base: Number, exponent: Number) -> Number:
    digits = (
        max(base.numerator.bit_length(), base.denominator.bit_length()) if isinstance(base, Fraction) else 64
    )
    if abs(float(exponent)) * digits > _MAX_BITS:
        raise OverflowError("too large a power")
    value = base**exponent
    if isinstance(value, complex):
        raise ArithmeticError("no real number")  # noqa: TRY004  the value is wrong, not its type
    return value
