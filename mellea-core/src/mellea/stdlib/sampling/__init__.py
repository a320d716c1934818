"""Sampling strategies: how attempts are made, repaired, and chosen from."""

from typing import TYPE_CHECKING

from mellea._lazy import lazy_names

if TYPE_CHECKING:
    from mellea.core.sampling import Attempt, Budget, SamplingResult, SamplingStrategy
    from mellea.stdlib.sampling._by_name import get_strategy, strategy_named
    from mellea.stdlib.sampling._loop import BaseSamplingStrategy
    from mellea.stdlib.sampling.best_of_n import BestOfNSamplingStrategy
    from mellea.stdlib.sampling.budget_forcing import BudgetForcingSamplingStrategy
    from mellea.stdlib.sampling.cascade import CascadeSamplingStrategy
    from mellea.stdlib.sampling.draw_pool import DrawPool
    from mellea.stdlib.sampling.majority_voting import MajorityVotingStrategyForMath
    from mellea.stdlib.sampling.presets import (
        SamplingPreset,
        python_code_generation_sampling,
        python_plotting_sampling,
    )
    from mellea.stdlib.sampling.repair import (
        ModelFriendlyFeedbackFormatter,
        ModelFriendlyRepairStrategy,
        MultiTurnStrategy,
        RejectionSamplingStrategy,
        RepairTemplateStrategy,
    )
    from mellea.stdlib.sampling.sofai import SOFAISamplingStrategy
    from mellea.stdlib.sampling.voting import (
        MajorityVotingStrategy,
        MBRDRougeLStrategy,
        MBRSamplingStrategy,
        VotingStrategy,
    )
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "Attempt": "mellea.core.sampling",
            "BaseSamplingStrategy": "mellea.stdlib.sampling._loop",
            "BestOfNSamplingStrategy": "mellea.stdlib.sampling.best_of_n",
            "Budget": "mellea.core.sampling",
            "BudgetForcingSamplingStrategy": "mellea.stdlib.sampling.budget_forcing",
            "CascadeSamplingStrategy": "mellea.stdlib.sampling.cascade",
            "DrawPool": "mellea.stdlib.sampling.draw_pool",
            "MBRDRougeLStrategy": "mellea.stdlib.sampling.voting",
            "MBRSamplingStrategy": "mellea.stdlib.sampling.voting",
            "MajorityVotingStrategy": "mellea.stdlib.sampling.voting",
            "MajorityVotingStrategyForMath": "mellea.stdlib.sampling.majority_voting",
            "ModelFriendlyFeedbackFormatter": "mellea.stdlib.sampling.repair",
            "ModelFriendlyRepairStrategy": "mellea.stdlib.sampling.repair",
            "MultiTurnStrategy": "mellea.stdlib.sampling.repair",
            "RejectionSamplingStrategy": "mellea.stdlib.sampling.repair",
            "RepairTemplateStrategy": "mellea.stdlib.sampling.repair",
            "SOFAISamplingStrategy": "mellea.stdlib.sampling.sofai",
            "SamplingPreset": "mellea.stdlib.sampling.presets",
            "SamplingResult": "mellea.core.sampling",
            "SamplingStrategy": "mellea.core.sampling",
            "VotingStrategy": "mellea.stdlib.sampling.voting",
            "python_code_generation_sampling": "mellea.stdlib.sampling.presets",
            "python_plotting_sampling": "mellea.stdlib.sampling.presets",
            "strategy_named": "mellea.stdlib.sampling._by_name",
            "get_strategy": "mellea.stdlib.sampling._by_name",
        },
    )

__all__ = [
    "Attempt",
    "BaseSamplingStrategy",
    "BestOfNSamplingStrategy",
    "Budget",
    "BudgetForcingSamplingStrategy",
    "CascadeSamplingStrategy",
    "DrawPool",
    "MBRDRougeLStrategy",
    "MBRSamplingStrategy",
    "MajorityVotingStrategy",
    "MajorityVotingStrategyForMath",
    "ModelFriendlyFeedbackFormatter",
    "ModelFriendlyRepairStrategy",
    "MultiTurnStrategy",
    "RejectionSamplingStrategy",
    "RepairTemplateStrategy",
    "SOFAISamplingStrategy",
    "SamplingPreset",
    "SamplingResult",
    "SamplingStrategy",
    "VotingStrategy",
    "get_strategy",
    "python_code_generation_sampling",
    "python_plotting_sampling",
    "strategy_named",
]
