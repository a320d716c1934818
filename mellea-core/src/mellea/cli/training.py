"""``mellea train-adapter``: an adapter of what sessions accepted."""

from __future__ import annotations

import sys
from argparse import Namespace

from mellea.cli.reporting import print_finding
from mellea.core.training import TrainingSettings
from mellea.improving.adapters import train_adapter as train

__all__ = ["train_adapter"]

_SETTINGS = ("rank", "layers", "epochs", "steps", "seconds", "learning_rate", "seed")


def train_adapter(arguments: Namespace) -> int:
    """Write an adapter into a folder, if it is better than the model alone; status 1 if it is not."""
    given = {name: getattr(arguments, name) for name in _SETTINGS}
    found = train(
        arguments.history,
        arguments.output_path,
        name=arguments.name,
        backend=arguments.backend,
        model=arguments.model,
        where=arguments.where,
        check=arguments.check,
        settings=TrainingSettings(**{name: value for name, value in given.items() if value is not None}),
        least=arguments.least / 100,
        error=arguments.error / 100,
        max_tokens=arguments.max_tokens,
    )
    print_finding(found, as_json=arguments.json)
    if found.is_better:
        print(
            f"Written to {arguments.output_path}; LocalHFBackend(adapters=[{arguments.output_path!r}]) takes "
            f"it, and ModelOption.ADAPTER: {found.comparison.names[1]!r} asks it.",
            file=sys.stderr,
        )
    return 0 if found.is_better else 1
