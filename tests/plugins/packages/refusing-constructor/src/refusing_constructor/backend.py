"""A backend whose constructor raises."""

from mellea.core import Backend


class RefusingBackend(Backend):
    """Cannot be made."""

    def __init__(self, model_id: str = "") -> None:
        raise OSError("the constructor raised")
