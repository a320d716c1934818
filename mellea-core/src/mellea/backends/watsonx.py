"""A backend of the 0.8 line that has been retired."""

from mellea._lazy import names_of_old

__getattr__ = names_of_old(__name__)
