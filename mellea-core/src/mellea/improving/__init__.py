"""Improving a program: what makes it better is kept only where a comparison says that it does.

``optimise`` searches for better words and examples with tasks; ``choose_examples`` takes examples from a
history; ``train_adapter`` makes an adapter of what a history has accepted.
"""

from typing import TYPE_CHECKING

from mellea._lazy import lazy_names

if TYPE_CHECKING:
    from mellea.improving.accepted import Accepted, AcceptedAnswer, accepted_answers
    from mellea.improving.adapters import atrain_adapter, train_adapter
    from mellea.improving.held_out import Likelihoods
    from mellea.improving.improvement import Improvement
    from mellea.improving.optimising import aoptimise, optimise
    from mellea.improving.past_calls import choose_examples
    from mellea.improving.trained import TrainedAdapter
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "Accepted": "mellea.improving.accepted",
            "AcceptedAnswer": "mellea.improving.accepted",
            "Improvement": "mellea.improving.improvement",
            "Likelihoods": "mellea.improving.held_out",
            "TrainedAdapter": "mellea.improving.trained",
            "accepted_answers": "mellea.improving.accepted",
            "aoptimise": "mellea.improving.optimising",
            "atrain_adapter": "mellea.improving.adapters",
            "choose_examples": "mellea.improving.past_calls",
            "optimise": "mellea.improving.optimising",
            "train_adapter": "mellea.improving.adapters",
        },
    )

__all__ = [
    "Accepted",
    "AcceptedAnswer",
    "Improvement",
    "Likelihoods",
    "TrainedAdapter",
    "accepted_answers",
    "aoptimise",
    "atrain_adapter",
    "choose_examples",
    "optimise",
    "train_adapter",
]
