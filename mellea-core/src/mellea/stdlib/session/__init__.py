"""Sessions: ``session`` has the verbs, ``_state`` what they work on, ``start`` opens them."""

from typing import TYPE_CHECKING

from mellea._lazy import lazy_names
from mellea.stdlib.session.start import start_backend, start_session

if TYPE_CHECKING:
    from mellea.stdlib.session.session import MelleaSession, get_session
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "MelleaSession": "mellea.stdlib.session.session",
            "get_session": "mellea.stdlib.session.session",
        },
    )

__all__ = ["MelleaSession", "get_session", "start_backend", "start_session"]
