"""What judges a plugin of anybody's: one suite for every backend, context type, strategy, requirement.

Run it on an installed plugin with ``pytest --pyargs mellea.testing.conformance --mellea-backend NAME``, or
make a subclass of ``BackendConformance`` among the plugin's own tests. It needs ``mellea-core[testing]``.
"""

import pytest

_MODULES = (
    "backend",
    "contexts",
    "contract",
    "faults",
    "lifetime",
    "live",
    "manifest",
    "requirements",
    "strategies",
    "tries",
)
pytest.register_assert_rewrite(*(f"{__name__}.{module}" for module in _MODULES))

from mellea.testing.conformance.chat_completions import ChatCompletionsProvider  # noqa: E402
from mellea.testing.conformance.contexts import ContextConformance  # noqa: E402
from mellea.testing.conformance.contract import ContractTests  # noqa: E402
from mellea.testing.conformance.faults import FaultTests  # noqa: E402
from mellea.testing.conformance.http_provider import HTTPProvider  # noqa: E402
from mellea.testing.conformance.lifetime import LifetimeTests  # noqa: E402
from mellea.testing.conformance.live import LiveTests  # noqa: E402
from mellea.testing.conformance.manifest import ManifestTests  # noqa: E402
from mellea.testing.conformance.provider import Answer, Provider, Script  # noqa: E402
from mellea.testing.conformance.requirements import RequirementConformance  # noqa: E402
from mellea.testing.conformance.strategies import StrategyConformance  # noqa: E402
from mellea.testing.conformance.tries import RetryTests  # noqa: E402

__all__ = [
    "Answer",
    "BackendConformance",
    "ChatCompletionsProvider",
    "ContextConformance",
    "HTTPProvider",
    "Provider",
    "RequirementConformance",
    "Script",
    "StrategyConformance",
]


class BackendConformance(ManifestTests, ContractTests, FaultTests, RetryTests, LifetimeTests, LiveTests):
    """Every test of a backend. Make a subclass that says which, and what stands for its provider."""
