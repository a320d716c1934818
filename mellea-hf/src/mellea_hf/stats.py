"""What an engine has done so far, in figures."""

from __future__ import annotations

from attrs import define, field, frozen

__all__ = ["Counts", "EngineStats"]


@frozen
class EngineStats:
    """What the engine of a model has done since it was loaded.

    Args:
        read_tokens: Tokens of prompts that were computed.
        reused_tokens: Tokens of prompts that were not, because they were kept.
        written_tokens: Tokens of answers.
        guessed_tokens: Tokens that were computed ahead, as an earlier place of their row went on.
        right_tokens: How many of those were taken.
        steps: Passes through the model.
        batches: How many steps computed how many rows.
        queue_seconds: How long rows waited before they joined, all together.
        queue_longest: How long the row waited that waited longest, in seconds.
        running: Rows that are computed at the moment.
        waiting: Rows that wait for their turn.
        cached_tokens: Tokens whose keys and values are kept.
        cached_bytes: What they take.
        row_bytes: What the rows that are computed at the moment take besides.
        runs_alone: Why requests run one by one, with transformers' own loop, in which case nothing else here
            is counted; empty where they run together.
    """

    read_tokens: int = 0
    reused_tokens: int = 0
    written_tokens: int = 0
    guessed_tokens: int = 0
    right_tokens: int = 0
    steps: int = 0
    batches: dict[int, int] = field(factory=dict)
    queue_seconds: float = 0.0
    queue_longest: float = 0.0
    running: int = 0
    waiting: int = 0
    cached_tokens: int = 0
    cached_bytes: int = 0
    row_bytes: int = 0
    runs_alone: str = ""


@define
class Counts:
    """What is counted while the engine runs."""

    read_tokens: int = 0
    reused_tokens: int = 0
    written_tokens: int = 0
    guessed_tokens: int = 0
    right_tokens: int = 0
    steps: int = 0
    batches: dict[int, int] = field(factory=dict)
    queue_seconds: float = 0.0
    queue_longest: float = 0.0

    def joined(self, waited: float, reused: int) -> None:
        """Count a row that waited so many seconds, and how much of its prompt was kept."""
        self.queue_seconds += waited
        self.queue_longest = max(self.queue_longest, waited)
        self.reused_tokens += reused

    def guessed(self, guessed: int, right: int) -> None:
        """Count tokens that were computed ahead, and how many of them were taken."""
        self.guessed_tokens += guessed
        self.right_tokens += right

    def stepped(self, rows: int, read: int) -> None:
        """Count a step with so many rows, and the tokens of prompts that it computed."""
        self.steps += 1
        self.batches[rows] = self.batches.get(rows, 0) + 1
        self.read_tokens += read
