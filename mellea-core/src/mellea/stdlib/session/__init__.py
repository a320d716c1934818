"""Sessions: ``session`` has the verbs, ``_state`` what they work on, ``start`` opens them."""

from mellea.stdlib.session.session import MelleaSession, get_session
from mellea.stdlib.session.start import start_backend, start_session

__all__ = ["MelleaSession", "get_session", "start_backend", "start_session"]
