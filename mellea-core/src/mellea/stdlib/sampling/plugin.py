"""The core's own sampling strategies, registered through the same hook as anybody's."""

from collections.abc import Callable, Mapping
from typing import Any

from mellea.plugins import StrategyManifest, hookimpl

__all__ = ["MANIFESTS", "mellea_register_strategies"]

_REPAIRS: Mapping[str, Any] = {"loop_budget": 2}
"""Asked for by name alone, a strategy that tries again does so once."""

MANIFESTS = (
    StrategyManifest(
        name="rejection",
        summary="Asks the same again until an answer meets every requirement.",
        factory="mellea.stdlib.sampling.repair:RejectionSamplingStrategy",
        defaults=_REPAIRS,
    ),
    StrategyManifest(
        name="repair",
        summary="Asks again with the last answer and what was wrong with it.",
        factory="mellea.stdlib.sampling.repair:RepairTemplateStrategy",
        aliases=("repair-template",),
        defaults=_REPAIRS,
    ),
    StrategyManifest(
        name="model-friendly-repair",
        summary="Asks again with what was wrong turned into instructions.",
        factory="mellea.stdlib.sampling.repair:ModelFriendlyRepairStrategy",
        defaults=_REPAIRS,
    ),
    StrategyManifest(
        name="multi-turn",
        summary="Goes on with the conversation and says what is wrong.",
        factory="mellea.stdlib.sampling.repair:MultiTurnStrategy",
        defaults=_REPAIRS,
    ),
    StrategyManifest(
        name="best-of-n",
        summary="Draws n answers side by side and returns the best.",
        factory="mellea.stdlib.sampling.best_of_n:BestOfNSamplingStrategy",
        aliases=("best_of_n",),
    ),
    StrategyManifest(
        name="majority",
        summary="Draws several short answers and returns the most frequent.",
        factory="mellea.stdlib.sampling.voting:MajorityVotingStrategy",
        aliases=("majority-voting", "self-consistency"),
    ),
    StrategyManifest(
        name="majority-math",
        summary="Draws several answers and returns the most frequent by mathematical equality.",
        factory="mellea.stdlib.sampling.majority_voting:MajorityVotingStrategyForMath",
        aliases=("majority-voting-math",),
    ),
    StrategyManifest(
        name="mbr-rouge",
        summary="Draws several texts and returns the one that shares most with the others.",
        factory="mellea.stdlib.sampling.voting:MBRDRougeLStrategy",
        aliases=("mbrd-rouge-l",),
    ),
    StrategyManifest(
        name="mbr",
        summary="Minimum Bayes risk decoding over a similarity or an embedding.",
        factory="mellea.stdlib.sampling.voting:MBRSamplingStrategy",
    ),
    StrategyManifest(
        name="budget-forcing",
        summary="Lets a reasoning model think for a number of tokens, then answer.",
        factory="mellea.stdlib.sampling.budget_forcing:BudgetForcingSamplingStrategy",
    ),
    StrategyManifest(
        name="cascade",
        summary="Asks one backend after the other, the cheapest first.",
        factory="mellea.stdlib.sampling.cascade:CascadeSamplingStrategy",
    ),
    StrategyManifest(
        name="sofai",
        summary="Lets a fast model try, and asks a slow one when it is stuck.",
        factory="mellea.stdlib.sampling.sofai:SOFAISamplingStrategy",
    ),
)


@hookimpl
def mellea_register_strategies(register: Callable[[StrategyManifest], None]) -> None:
    """Register every strategy of the core."""
    for manifest in MANIFESTS:
        register(manifest)
