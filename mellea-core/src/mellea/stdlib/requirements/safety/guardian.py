"""Requirements that a text shows none of some risks. Deprecated: state a requirement in words instead."""

from __future__ import annotations

import enum
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mellea.core.errors import UsageError
from mellea.core.requirement import Requirement
from mellea.stdlib.requirements.safety.criteria import CRITERIA_BANK

if TYPE_CHECKING:
    from mellea.core.backend import Backend

__all__ = ["GuardianCheck", "GuardianRisk"]


class GuardianRisk(enum.Enum):
    """What an answer may be guilty of."""

    HARM = "harm"
    GROUNDEDNESS = "groundedness"
    PROFANITY = "profanity"
    ANSWER_RELEVANCE = "answer_relevance"
    JAILBREAK = "jailbreak"
    FUNCTION_CALL = "function_call"
    SOCIAL_BIAS = "social_bias"
    VIOLENCE = "violence"
    SEXUAL_CONTENT = "sexual_content"
    UNETHICAL_BEHAVIOR = "unethical_behavior"

    @classmethod
    def get_available_risks(cls) -> list[str]:
        """Return the names of the risks."""
        return [risk.value for risk in cls]


class GuardianCheck(Requirement):
    """An answer that shows no risk, as a model judges; deprecated.

    Args:
        risk: The risk, or its name.
        backend_type: Kept for programs that pass it, as are the next three, ``thinking`` and ``tools``:
            ``backend`` or the one that wrote judges.
        model_version: See above.
        device: See above.
        ollama_url: See above.
        thinking: See above.
        custom_criteria: The risk in words, in place of a name.
        context_text: What the answer has to rest on.
        tools: See above.
        backend: The backend that judges.

    Raises:
        UsageError: There is neither a risk nor a criterion.

    Warns:
        DeprecationWarning: Always: state the requirement in words.
    """

    def __init__(
        self,
        risk: GuardianRisk | str | None = None,
        *,
        backend_type: str = "ollama",
        model_version: str | None = None,
        device: str | None = None,
        ollama_url: str | None = None,
        thinking: bool = False,
        custom_criteria: str | None = None,
        context_text: str | None = None,
        tools: Sequence[Mapping[str, Any]] | None = None,
        backend: Backend | None = None,
    ) -> None:
        warnings.warn(
            "GuardianCheck is deprecated: state a requirement in words, or ask an adapter with "
            "mellea.stdlib.components.intrinsic.guardian.",
            DeprecationWarning,
            stacklevel=2,
        )
        named = risk.value if isinstance(risk, GuardianRisk) else risk
        criterion = custom_criteria or (named and CRITERIA_BANK.get(named, named.replace("_", " ")))
        if not criterion:
            raise UsageError(
                "GuardianCheck knows no risk to look for.", hint="Pass risk=... or custom_criteria=..."
            )
        resting = f" The context is: {context_text}" if context_text else ""
        super().__init__(f"This is not so: {criterion}{resting}", check_only=True, judge=backend)
        self.risk = named or custom_criteria
