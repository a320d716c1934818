"""Feedback that a model can follow, under the path that programs of the 0.8 line import it from."""

from mellea.stdlib.sampling.repair import ModelFriendlyFeedbackFormatter, ModelFriendlyRepairStrategy

__all__ = ["ModelFriendlyFeedbackFormatter", "ModelFriendlyRepairStrategy"]
