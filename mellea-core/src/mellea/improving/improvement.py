"""What came of improving a program."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any, Literal, TypeAlias

from attrs import field, frozen

from mellea.core.billing import Spent
from mellea.core.errors import UsageError
from mellea.core.terminal import Writable, print_to, visible
from mellea.evaluation.comparison import Comparison
from mellea.evaluation.reports import price_in_words
from mellea.stdlib.prompts import Prompts

__all__ = ["Improvement", "Verdict"]

Verdict: TypeAlias = Literal["better", "refused"]


@frozen
class Improvement:
    """What came of improving a program.

    Args:
        verdict: ``better`` if the comparison says so, else ``refused``.
        why: The same in words, with the figures.
        prompts: The best candidate, kept or not.
        before: Mean share of the requirements that the program meets in the tasks of the search.
        after: The same of the best candidate.
        tried: How many candidates were tried on all tasks of the search.
        searched: How many tasks the search had.
        comparison: The comparison on the other tasks; None where no candidate was worth one.
        spent: What all of it took.
    """

    verdict: Verdict
    why: str
    prompts: Prompts = field(repr=False)
    before: float
    after: float
    tried: int
    searched: int
    comparison: Comparison | None = field(repr=False)
    spent: Spent

    @property
    def is_better(self) -> bool:
        """Whether there are better prompts."""
        return self.verdict == "better"

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the prompts to a file that ``load_prompts`` reads.

        Raises:
            UsageError: They were refused, or cannot be written there.
        """
        if not self.is_better:
            raise UsageError(
                f"There are no better prompts to save. {self.why}", hint="Look at improvement.prompts."
            )
        self.prompts.save(path)

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "verdict": self.verdict,
            "why": self.why,
            "before": round(self.before, 6),
            "after": round(self.after, 6),
            "tried": self.tried,
            "searched": self.searched,
            "spent": self.spent.to_dict(),
            "prompts": self.prompts.to_dict(),
            "comparison": None if self.comparison is None else self.comparison.to_dict(),
        }

    def to_json(self) -> str:
        """Return it as JSON."""
        return json.dumps(self.to_dict(), indent=2, ensure_ascii=False)

    def text(self) -> str:
        """Return what was found, what has changed, and what it took."""
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        yield visible(self.why)
        for one in self.prompts.texts:
            yield f"\n{one.kind}{f' of {one.of}' if one.of else ''}"
            yield from (f"- {visible(line)}" for line in one.was.splitlines())
            yield from (f"+ {visible(line)}" for line in one.now.splitlines())
        for example in self.prompts.examples:
            yield f"\nexample of {visible(example.of)}"
            shown = f"{example.arguments}\n-> {json.dumps(example.result, ensure_ascii=False)}"
            yield from (f"+ {visible(line)}" for line in shown.splitlines())
        if self.comparison is not None:
            yield self.comparison.table().partition("\n")[2]
        price = price_in_words(self.spent)
        cost = f", for {price}" if price and price != "unknown" else ""
        yield (
            f"\nIn all it took {self.spent.requests:,} requests and {self.spent.tokens:,} tokens in "
            f"{self.spent.seconds:.1f} s{cost}."
        )

    def show(self, file: Writable | None = None) -> None:
        """Print what was found.

        Args:
            file: Where to; by default the standard output.
        """
        print_to(file, self.text())
