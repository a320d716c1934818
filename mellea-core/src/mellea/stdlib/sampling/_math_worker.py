"""Compares mathematical answers with math-verify, in a process of its own; run as a script, never imported.

A model's text goes through a parser that evaluates it and through a computer algebra system that may run for
ever: both are kept out of the caller's process, which can end this one.
"""

import importlib
import itertools
import json
import sys

__all__ = ["main"]


def main() -> None:
    """Read the answers and settings as JSON, and write the pairs that are equal as JSON."""
    task = json.load(sys.stdin)
    library = importlib.import_module("math_verify")
    parsed = [library.parse(f"${answer}$") or library.parse(answer) for answer in task["answers"]]

    def equal(one: int, other: int) -> bool:
        return any(
            library.verify(
                parsed[gold],
                parsed[target],
                float_rounding=task["float_rounding"],
                strict=task["strict"],
                allow_set_relation_comp=task["allow_set_relation_comp"],
            )
            for gold, target in ((one, other), (other, one))
        )

    pairs = [pair for pair in itertools.combinations(range(len(parsed)), 2) if equal(*pair)]
    json.dump(pairs, sys.stdout)


if __name__ == "__main__":
    main()
