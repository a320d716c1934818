"""What came of training an adapter."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from attrs import asdict, frozen

from mellea.core.adapter import Adapter
from mellea.core.terminal import Writable, print_to, visible
from mellea.core.training import TrainingRun
from mellea.evaluation.comparison import Comparison
from mellea.evaluation.findings import counted
from mellea.improving.accepted import Accepted
from mellea.improving.held_out import Likelihoods

__all__ = ["TrainedAdapter"]


@frozen
class TrainedAdapter:
    """What came of training an adapter.

    Args:
        adapter: The adapter, in its folder; None where it was refused.
        base_model: The model that it is for.
        accepted: What the history had.
        held_out: How many of the answers the adapter was compared on, and did not learn from.
        run: What the training came to.
        comparison: The comparison of the model and the adapter on those held out.
        likelihoods: How likely the answers held out were; None where a check has decided.
    """

    adapter: Adapter | None
    base_model: str
    accepted: Accepted
    held_out: int
    run: TrainingRun
    comparison: Comparison
    likelihoods: Likelihoods | None = None

    @property
    def is_better(self) -> bool:
        """Whether the adapter is known to be better than the model."""
        return self.comparison.finding == "b"

    @property
    def why(self) -> str:
        """The verdict in words, with its figures."""
        refused = "" if self.is_better else "Refused, and nothing is written: "
        return f"{refused}{self.comparison.why}{_likelier(self.likelihoods)}"

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        folder: Path | None = None if self.adapter is None else self.adapter.folder
        return {
            "verdict": "better" if self.is_better else "refused",
            "why": self.why,
            "name": self.comparison.names[1],
            "folder": None if folder is None else str(folder),
            "base_model": self.base_model,
            "calls": self.accepted.calls,
            "accepted": len(self.accepted.answers),
            "left_out": dict(self.accepted.left_out),
            "held_out": self.held_out,
            "training": asdict(self.run),
            "likelihoods": None if self.likelihoods is None else asdict(self.likelihoods),
            "comparison": self.comparison.to_dict(),
        }

    def to_json(self) -> str:
        """Return it as JSON."""
        return json.dumps(self.to_dict(), indent=2, ensure_ascii=False)

    def text(self) -> str:
        """Return what was read, what was learned, and what it is worth."""
        return "\n".join(map(visible, self._lines()))

    def _lines(self) -> Iterator[str]:
        run = self.run
        early = f" of {run.planned}, for want of time" if run.steps < run.planned else ""
        yield self.accepted.text
        yield f"{self.base_model} learned from {run.examples:,} of them, {self.held_out:,} were held out."
        if run.too_long:
            yield f"{counted(run.too_long, 'answer')} did not fit into its window."
        yield (
            f"{counted(run.steps, 'step')}{early}, {run.tokens:,} tokens, {run.seconds:.1f} s; loss "
            f"{run.first_loss:.3f} in the first, {run.last_loss:.3f} in the last."
        )
        yield self.why

    def show(self, file: Writable | None = None) -> None:
        """Print what came of it.

        Args:
            file: Where to; by default the standard output.
        """
        print_to(file, self.text())


def _likelier(found: Likelihoods | None) -> str:
    if found is None:
        return ""
    return (
        " A task counts for a side unless the other makes the accepted answer twice as likely; the mean "
        f"log-probability of its tokens is {found.before:.3f} before and {found.after:.3f} after."
    )
