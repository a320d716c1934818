"""How a verb asks for something: one value, which the handlers of hooks may change."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from attrs import evolve, frozen

from mellea.core.generate_config import GenerateConfig
from mellea.core.requirement import Requirement
from mellea.core.sampling import SamplingStrategy
from mellea.stdlib.sampling._default_strategy import DEFAULT_STRATEGY

__all__ = ["Asked"]


@frozen
class Asked:
    """How something is asked for.

    Args:
        config: How the outputs are to be generated.
        requirements: What an output has to meet.
        strategy: How attempts are made; None for one that is not checked.
    """

    config: GenerateConfig
    requirements: Iterable[str | Requirement] | None = None
    strategy: str | SamplingStrategy | None = None

    def changed(self, changes: dict[str, Any]) -> Asked:
        """Return it with what handlers have changed. Requirements that they add are checked."""
        names = {"model_options": "options", "format": "format", "tool_calls_enabled": "tool_calls"}
        config = {new: changes.pop(old) for old, new in names.items() if old in changes}
        asked = evolve(self, config=evolve(self.config, **config), **changes)
        if changes.get("requirements") and asked.strategy is None and not asked.config.stream:
            asked = evolve(asked, strategy=DEFAULT_STRATEGY)
        return asked
