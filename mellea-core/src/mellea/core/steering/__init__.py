"""Requirements that steer decoding.

Forms, the plan of a text that they make, and the pattern that a server holds a model to.
"""

from mellea.core.steering import forms
from mellea.core.steering.decode import TextDecoder
from mellea.core.steering.forms import *  # noqa: F403
from mellea.core.steering.guards import Guards
from mellea.core.steering.plan import Bounds, ContradictionError, NotSteerableError, TextPlan
from mellea.core.steering.planning import Outcome, Steering, steer

__all__ = [
    "Bounds",
    "ContradictionError",
    "Guards",
    "NotSteerableError",
    "Outcome",
    "Steering",
    "TextDecoder",
    "TextPlan",
    "steer",
]
__all__ += forms.__all__
