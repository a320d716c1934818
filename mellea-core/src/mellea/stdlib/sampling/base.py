"""The strategies under the path that programs import them from; the loop that they share is in ``_loop``."""

from mellea.stdlib.sampling._loop import BaseSamplingStrategy
from mellea.stdlib.sampling.repair import MultiTurnStrategy, RejectionSamplingStrategy, RepairTemplateStrategy

__all__ = [
    "BaseSamplingStrategy",
    "MultiTurnStrategy",
    "RejectionSamplingStrategy",
    "RepairTemplateStrategy",
]
