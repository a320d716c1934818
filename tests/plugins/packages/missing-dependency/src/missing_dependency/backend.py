"""A backend whose provider's library is not installed."""

import vendor_sdk_that_is_not_installed as vendor

from mellea.core import Backend


class NeedyBackend(Backend):
    """Needs the provider's library."""

    provider = vendor.NAME
