"""Models that programs name by a constant, with each provider's name for them."""

from mellea.core import model_catalog
from mellea.core.model_catalog import *  # noqa: F403  the whole catalogue is public
from mellea.core.model_identifier import ModelIdentifier

__all__ = ["ModelIdentifier"]
__all__ += model_catalog.__all__
