"""What a typed function does where a call says nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import frozen

from mellea.core.backend import Backend
from mellea.core.errors import UsageError
from mellea.core.foreign_backend import as_backend
from mellea.core.generate_config import GenerateConfig
from mellea.core.requirement import Requirement, reqify
from mellea.core.sampling import SamplingStrategy

__all__ = ["FunctionSettings"]


@frozen
class FunctionSettings:
    """What a call takes where it says nothing else. Of the options, later mappings go over earlier ones."""

    requirements: tuple[Requirement, ...] = ()
    precondition_requirements: tuple[Requirement, ...] = ()
    strategy: str | SamplingStrategy | None = None
    model_options: tuple[Mapping[str, Any], ...] = ()
    strict: bool = False

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> FunctionSettings:
        """Return the settings for what a user gave.

        Raises:
            UsageError: Something has the wrong type.
        """
        strategy, options = given.get("strategy"), given.get("model_options")
        if not isinstance(strategy, str | SamplingStrategy | None):
            raise UsageError(
                f"{strategy!r} is no sampling strategy.",
                hint="Pass an instance, such as RejectionSamplingStrategy(), or a name.",
            )
        if options is not None and not isinstance(options, Mapping):
            raise UsageError(
                f"Model options are a mapping, not {type(options).__name__}.",
                hint="Pass {ModelOption.SEED: 1}.",
            )
        return cls(
            _requirements("requirements", given.get("requirements")),
            _requirements("precondition_requirements", given.get("precondition_requirements")),
            strategy,
            (dict(options),) if options is not None else (),
            bool(given.get("strict", False)),
        )

    def override(self, given: Mapping[str, Any]) -> FunctionSettings:
        """Return the settings of one call; None is as good as nothing said."""
        said = {name: value for name, value in given.items() if value is not None}
        if not said:
            return self
        new = FunctionSettings.of(said)
        return FunctionSettings(
            new.requirements if "requirements" in said else self.requirements,
            new.precondition_requirements
            if "precondition_requirements" in said
            else self.precondition_requirements,
            new.strategy or self.strategy,
            (*self.model_options, *new.model_options),
            self.strict,
        )

    def config(self, format: Any, session_options: Mapping[str, Any], backend: Backend) -> GenerateConfig:
        """Return how an answer is to be generated.

        A call's options over the function's, those over the session's.
        """
        return GenerateConfig(format).under(
            session_options, *self.model_options, table=as_backend(backend).options
        )


def _requirements(name: str, given: Any) -> tuple[Requirement, ...]:
    if isinstance(given, str | Requirement):
        raise UsageError(f"{name} is one {type(given).__name__}.", hint=f"Pass a list: {name}=[...].")
    return tuple(reqify(requirement) for requirement in given or ())
