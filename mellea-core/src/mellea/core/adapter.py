"""Adapters: small weights beside a model's own, what they were trained to be asked, and who takes them.

An adapter is a folder: peft's two files (``adapter_config.json``, ``adapter_model.safetensors``) and
``mellea-adapter.json``, which says what a program has to know. A request names the adapter that answers it.
"""

from __future__ import annotations

import copy
import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from attrs import asdict, evolve, field, fields, frozen

from mellea.core.capabilities import Capability
from mellea.core.errors import UsageError
from mellea.core.event_loop import run_sync
from mellea.core.model_api import missing_capability
from mellea.core.options import ModelOption

if TYPE_CHECKING:
    from mellea.core.component import Span
    from mellea.core.generate_config import GenerateConfig
    from mellea.core.model_api import ModelAPI

__all__ = [
    "ADAPTER_MANIFEST",
    "Adapter",
    "AdapterMixin",
    "adapter_of",
    "for_adapter",
    "refuse_embedded_adapters",
]

ADAPTER_MANIFEST = "mellea-adapter.json"
"""The file of an adapter's folder that is ours."""
_ITS_ARGUMENTS = (
    "<{{ adapter }}>{% for name, value in arguments.items() %}{{ '\\n' }}"
    "{{ name }}: {{ value if value is string else value | join('\\n\\n') }}{% endfor %}"
)
_CONFIG, _WEIGHTS = "adapter_config.json", "adapter_model.safetensors"


def _as_path(path: str | Path | None) -> Path | None:
    return None if path is None else Path(path)


def _check_text(adapter: Adapter, attribute: Any, value: Any) -> None:
    if not isinstance(value, str):
        raise _wrong(adapter.folder, f"{attribute.name} is no text but {value!r}")


def _check_name(adapter: Adapter, attribute: Any, value: Any) -> None:
    if not isinstance(value, str) or not value.strip():
        raise _wrong(adapter.folder, f"its name is {value!r}")


def _check_mapping(adapter: Adapter, attribute: Any, value: Any) -> None:
    if value is not None and not isinstance(value, Mapping):
        raise _wrong(adapter.folder, f"{attribute.name} is no object but {value!r}")


@frozen
class Adapter:
    """Weights that change what a model says, and what they were trained to be asked.

    Args:
        name: What requests call it.
        folder: Where its weights are; None for one that a server has.
        base_model: The model that it was trained for; empty where nobody says.
        prompt: A Jinja template of what it is asked, over the arguments of an ``Intrinsic``; by default its
            name, and each argument in a line.
        schema: The JSON schema of its answer; None for text.
        invocation: The text from which an activated LoRA acts, and which ends the prompt where the prompt
            does not hold it; empty for one that acts from the first token.
        notes: What its maker wants to be known, such as figures of the training.

    Raises:
        UsageError: A value is of another type, or the name is empty.
    """

    name: str = field(validator=_check_name)
    folder: Path | None = field(default=None, converter=_as_path)
    base_model: str = field(default="", validator=_check_text)
    prompt: str = field(default="", validator=_check_text)
    schema: Mapping[str, Any] | None = field(default=None, validator=_check_mapping, hash=False)
    invocation: str = field(default="", validator=_check_text)
    notes: Mapping[str, Any] = field(factory=dict, validator=_check_mapping, hash=False)

    @classmethod
    def read(cls, folder: str | Path) -> Self:
        """Return the adapter of a folder. One that peft alone has written has the folder's name.

        Raises:
            UsageError: There is no such folder, files are missing in it, or a file cannot be read.
        """
        path = Path(folder)
        missing = [name for name in (_CONFIG, _WEIGHTS) if not (path / name).is_file()]
        if missing:
            raise UsageError(
                f"{path} is no adapter: it has no {' and no '.join(missing)}.",
                hint="Save one there with peft's save_pretrained, as safetensors.",
            )
        config = _read_json(path / _CONFIG)
        told: dict[str, Any] = {"name": path.resolve().name, "base_model": _hub_id(config)}
        if (path / ADAPTER_MANIFEST).is_file():
            told |= _read_json(path / ADAPTER_MANIFEST)
        known = {attribute.name for attribute in fields(cls)} - {"folder"}
        if unknown := sorted(told.keys() - known):
            raise _wrong(path, f"it says {', '.join(unknown)}, which nothing reads", "Put it into notes.")
        return cls(folder=path, **told)

    @property
    def kind(self) -> str:
        """``alora`` for one that acts from an invocation on, else ``lora``."""
        return "alora" if self.invocation else "lora"

    def save(self, folder: str | Path | None = None) -> Self:
        """Write ``mellea-adapter.json`` beside the weights, and return the adapter of that folder.

        Raises:
            UsageError: It has no folder, and none is given.
        """
        target = self.folder if folder is None else Path(folder)
        if target is None:
            raise UsageError(f"Adapter {self.name!r} has no folder.", hint="Pass one.")
        told = {key: value for key, value in asdict(self).items() if key != "folder" and value}
        (target / ADAPTER_MANIFEST).write_text(json.dumps(told, indent=2, ensure_ascii=False), "utf-8")
        twin = copy.copy(self)
        object.__setattr__(twin, "folder", target)  # a class of its own may be made of other arguments
        return twin

    def prompt_for(self, arguments: Mapping[str, Any]) -> str:
        """Return the text of what it is asked.

        Args:
            arguments: The variables of its prompt.

        Raises:
            TemplateError: The template does not compile, or names what is not given.
        """
        from mellea.core.templates import render_text  # noqa: PLC0415  Jinja loads with the first template

        template, variables = self.template_for(arguments)
        return render_text(template, variables)

    def template_for(self, arguments: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
        """Return the template of what it is asked, and its variables."""
        if self.prompt:
            return self.prompt, arguments
        texts = {name: value if _is_many(value) else str(value) for name, value in arguments.items()}
        return _ITS_ARGUMENTS, {"adapter": self.name, "arguments": texts}


class AdapterMixin(ABC):
    """What a backend is besides, if it takes adapters: it declares ``Capability.ADAPTERS``."""

    _adapters: Mapping[str, Adapter] = {}

    @property
    def base_model_name(self) -> str:
        """The model that its adapters are for."""
        return str(getattr(self, "model_id", ""))

    async def aadd_adapter(self, adapter: Adapter | str | Path) -> Adapter:
        """Take an adapter in, so that requests can name it. Taking the same one in again does nothing.

        Args:
            adapter: An adapter, or its folder.

        Returns:
            The adapter.

        Raises:
            UsageError: It is no adapter, or one for another model, or another one has its name.
        """
        if not isinstance(adapter, Adapter):
            adapter = Adapter.read(adapter)
        held = self._adapters.get(adapter.name)
        if held is not None and held != adapter:
            raise UsageError(
                f"There is an adapter {adapter.name!r} already, from {held.folder or 'the server'}.",
                hint="Remove that one first, or give this one another name.",
            )
        await self.load_adapter(adapter)
        self._adapters = {**self._adapters, adapter.name: adapter}
        return adapter

    def add_adapter(self, adapter: Adapter | str | Path) -> Adapter:
        """Take an adapter in; see ``aadd_adapter``."""
        return run_sync(self.aadd_adapter(adapter))

    async def aremove_adapter(self, name: str) -> None:
        """Let go of an adapter. Requests that it answers at the moment go on with it to their end.

        Raises:
            UsageError: There is none of that name.
        """
        adapter = self.adapter(name)
        self._adapters = {key: value for key, value in self._adapters.items() if key != adapter.name}
        await self.unload_adapter(adapter)

    def remove_adapter(self, name: str) -> None:
        """Let go of an adapter; see ``aremove_adapter``."""
        run_sync(self.aremove_adapter(name))

    def list_adapters(self) -> list[str]:
        """Return the names of the adapters that requests can name."""
        return list(self._adapters)

    def adapter(self, name: str) -> Adapter:
        """Return the adapter of a name; ``-`` and ``_`` are the same in it.

        Raises:
            UsageError: There is none.
        """
        found = self._adapters.get(name) or next(
            (held for key, held in self._adapters.items() if _plain(key) == _plain(name)), None
        )
        if found is None:
            names = ", ".join(self._adapters) or "none"
            raise UsageError(
                f"There is no adapter {name!r}; there are: {names}. Nothing was sent.",
                hint="Take it in first: backend.add_adapter(folder).",
                backend=getattr(self, "provider", None),
                model_id=self.base_model_name,
            )
        return found

    @abstractmethod
    async def load_adapter(self, adapter: Adapter) -> None:
        """Make an adapter ready, or find out that it cannot be.

        Raises:
            UsageError: It is none for this model.
        """

    async def unload_adapter(self, adapter: Adapter) -> None:  # noqa: B027  a server has nothing to free
        """Free what an adapter takes, once nothing uses it any more."""


def adapter_of(backend: ModelAPI, options: Mapping[str, Any]) -> str | None:
    """Return the name of the adapter that a call asks for; None where it asks for none.

    Raises:
        CapabilityError: The backend takes no adapters.
        UsageError: The name is none, or the backend has none of that name.
    """
    named = options.get(ModelOption.ADAPTER)
    if named is None:
        return None
    if isinstance(named, Adapter):
        named = named.name
    if not isinstance(named, str) or not named:
        raise UsageError(
            f"ADAPTER is {named!r}, which names no adapter; nothing was sent.",
            hint="Pass the name of one.",
            backend=backend.provider,
        )
    if Capability.ADAPTERS not in backend.capabilities:
        raise missing_capability(backend, Capability.ADAPTERS, f", and ADAPTER asks for {named!r}", hint=None)
    return backend.adapter(named).name if isinstance(backend, AdapterMixin) else named


def for_adapter(
    backend: ModelAPI, action: Span, config: GenerateConfig
) -> tuple[Span, GenerateConfig, Adapter | None]:
    """Return an action that an adapter answers as that is asked it, and how; any other as it is.

    The answer is held to the adapter's schema, at temperature 0, unless the call says otherwise.

    Raises:
        CapabilityError: The backend takes no adapters.
        UsageError: The backend has none of that name.
    """
    asked = getattr(action, "asked_of", None)
    if asked is None:
        return action, config, None
    name = str(adapter_of(backend, {ModelOption.ADAPTER: getattr(action, "adapter_name", None)}))
    adapter = backend.adapter(name) if isinstance(backend, AdapterMixin) else Adapter(name)
    config = config.over({ModelOption.TEMPERATURE: 0}).under({ModelOption.ADAPTER: name})
    if config.format is None and adapter.schema is not None:
        config = evolve(config, format=adapter.schema)
    return asked(adapter), config, adapter


def refuse_embedded_adapters(backend: str, **asked: object) -> None:
    """Refuse what programs of the 0.8 line ask of adapters inside a model, if they ask for anything.

    Raises:
        UsageError: They do.
    """
    if named := sorted(name for name, value in asked.items() if value):
        raise UsageError(
            f"{', '.join(named)}: backend {backend!r} knows no adapters inside a model.",
            hint="Take each adapter in by its folder or name: backend.add_adapter(...).",
            backend=backend,
        )


def _is_many(value: Any) -> bool:
    return isinstance(value, list | tuple)


def _plain(name: str) -> str:
    return name.replace("_", "-").lower()


def _hub_id(config: Mapping[str, Any]) -> str:
    """Return the base model that peft's own config names, if that is no folder of some machine."""
    named = str(config.get("base_model_name_or_path") or "")
    return named if named.count("/") == 1 and not named.startswith(("/", ".")) else ""


def _read_json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise _wrong(path.parent, f"{path.name} cannot be read: {error}") from error
    if not isinstance(value, dict):
        raise _wrong(path.parent, f"{path.name} holds no object")
    return value


def _wrong(folder: Path | None, what: str, hint: str = "Correct it.") -> UsageError:
    return UsageError(
        f"The adapter in {folder} is none: {what}." if folder else f"An adapter: {what}.", hint=hint
    )
