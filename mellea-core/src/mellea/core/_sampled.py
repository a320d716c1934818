"""What an output knows of the attempts that it was chosen from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, Self

__all__ = ["Sampled"]


class Sampled(Protocol):
    """Every attempt of the call that an output came from: a ``SamplingResult``."""

    @property
    def success(self) -> bool:
        """Whether the chosen attempt meets every requirement."""
        ...

    @property
    def attempts(self) -> Sequence[Any]:
        """The attempts."""
        ...

    @property
    def why(self) -> str:
        """Why the chosen one was chosen."""
        ...

    @property
    def misses_requirements(self) -> bool:
        """Whether a requirement that was checked is not met."""
        ...

    def without_prompts(self) -> Self:
        """Return the attempts without what was sent."""
        ...

    def shortcoming(self) -> str:
        """Return in words what the chosen attempt lacks."""
        ...

    def table(self) -> str:
        """Return one line for each attempt."""
        ...

    def show(self) -> None:
        """Print the attempts as a tree."""
        ...

    def to_json(self) -> str:
        """Return the attempts as JSON text."""
        ...
