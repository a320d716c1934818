"""Requirements on what must not be said."""

from mellea._lazy import names_of_old

__all__: list[str] = []

__getattr__ = names_of_old(__name__)
