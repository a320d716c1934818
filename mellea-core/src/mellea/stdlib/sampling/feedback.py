"""Feedback that a model can follow, under the path that programs of the 0.8 line import it from."""

from mellea.stdlib.sampling._feedback import ModelFriendlyFeedbackFormatter
from mellea.stdlib.sampling.repair import ModelFriendlyRepairStrategy

__all__ = ["ModelFriendlyFeedbackFormatter", "ModelFriendlyRepairStrategy"]
