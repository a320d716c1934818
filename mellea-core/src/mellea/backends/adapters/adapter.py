"""Adapters as programs of the 0.8 line make them: by a name and a configuration, in place of a folder.

The configuration is the ``io.yaml`` of such an adapter: its ``instruction`` is the prompt here, with
``{name}`` where a Jinja template has ``{{ name }}``, and its ``response_format`` is the schema. What else it
holds, such as transformations of the answer, is not carried out, and is refused.
"""

from __future__ import annotations

import enum
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mellea.core.adapter import Adapter, AdapterMixin
from mellea.core.errors import UsageError

__all__ = [
    "Adapter",
    "AdapterMixin",
    "AdapterType",
    "CustomIntrinsicAdapter",
    "EmbeddedIntrinsicAdapter",
    "IntrinsicAdapter",
]

_INDEX = "adapter_index.json"
_NOT_CARRIED_OUT = ("docs_as_message", "sentence_boundaries", "transformations")


class AdapterType(enum.StrEnum):
    """Where an adapter acts."""

    LORA = "lora"
    """On every token."""
    ALORA = "alora"
    """From an invocation on."""


class IntrinsicAdapter(Adapter):
    """An adapter of a name, with the configuration that says what it is asked.

    It has no folder: a server has its weights. ``Adapter.read(folder)`` is one with weights.

    Args:
        intrinsic_name: Its name.
        adapter_type: Where it acts; kept for programs that pass it.
        config_file: Its configuration: a YAML or JSON file.
        config_dict: The configuration itself.
        base_model_name: The model that it was trained for.

    Raises:
        UsageError: The configuration cannot be read, or asks for what is not carried out.
    """

    def __init__(
        self,
        intrinsic_name: str,
        adapter_type: AdapterType = AdapterType.ALORA,
        config_file: str | Path | None = None,
        config_dict: Mapping[str, Any] | None = None,
        base_model_name: str | None = None,
    ) -> None:
        config = config_dict if config_file is None else _read(Path(config_file))
        prompt, schema = _asked(intrinsic_name, config or {})
        super().__init__(intrinsic_name, None, base_model_name or "", prompt, schema)
        object.__setattr__(self, "adapter_type", AdapterType(adapter_type))

    @property
    def intrinsic_name(self) -> str:
        """The name."""
        return self.name


class CustomIntrinsicAdapter(Adapter):
    """An adapter in a folder, or in a repository of the hub, under a name of the program's.

    Args:
        model_id: The folder; or the repository, which ``huggingface_hub`` fetches.
        intrinsic_name: Its name; by default the one in its manifest, or the folder's.
        base_model_name: The model that it was trained for.

    Raises:
        UsageError: It is no adapter.
    """

    def __init__(self, *, model_id: str, intrinsic_name: str | None = None, base_model_name: str) -> None:
        folder = Path(model_id) if Path(model_id).is_dir() else _fetched(model_id, "main", None)
        read = Adapter.read(folder)
        super().__init__(
            intrinsic_name or read.name,
            folder,
            base_model_name or read.base_model,
            read.prompt,
            read.schema,
            read.invocation,
            read.notes,
        )


class EmbeddedIntrinsicAdapter(Adapter):
    """An adapter inside a model, which only a server that has the model can switch on.

    Args:
        intrinsic_name: Its name.
        config: Its configuration.
        technology: ``lora`` or ``alora``.
    """

    def __init__(self, intrinsic_name: str, config: Mapping[str, Any], technology: str = "lora") -> None:
        super().__init__(intrinsic_name, None, "", *_asked(intrinsic_name, config))
        object.__setattr__(self, "technology", AdapterType(technology))

    @staticmethod
    def from_model_directory(
        path: str | Path, intrinsic_name: str | None = None
    ) -> list[EmbeddedIntrinsicAdapter]:
        """Return the adapters that a model's ``adapter_index.json`` names, or the one of a name.

        Raises:
            UsageError: There is no index, a configuration is outside of the folder, or none has the name.
        """
        root = Path(path).resolve()
        found = []
        for entry in _read(root / _INDEX).get("adapters", []):
            file = (root / entry["io_config"]).resolve()
            if not file.is_relative_to(root):
                raise UsageError(f"{root / _INDEX} names {entry['io_config']}, outside of its folder.")
            if intrinsic_name in (None, entry["adapter_name"]):
                config, technology = _read(file), entry.get("technology", "lora")
                found.append(EmbeddedIntrinsicAdapter(entry["adapter_name"], config, technology))
        if not found and intrinsic_name is not None:
            raise UsageError(f"{root / _INDEX} names no adapter {intrinsic_name!r}.")
        return found

    @staticmethod
    def from_hub(
        repo_id: str,
        revision: str = "main",
        cache_dir: str | None = None,
        intrinsic_name: str | None = None,
    ) -> list[EmbeddedIntrinsicAdapter]:
        """Return the adapters of a model in a repository of the hub; see ``from_model_directory``."""
        folder = _fetched(repo_id, revision, cache_dir, allow_patterns=["*.json", "*.yaml"])
        return EmbeddedIntrinsicAdapter.from_model_directory(folder, intrinsic_name)

    @staticmethod
    def from_source(
        source: str | Path,
        revision: str = "main",
        cache_dir: str | None = None,
        intrinsic_name: str | None = None,
    ) -> list[EmbeddedIntrinsicAdapter]:
        """Return the adapters of a model in a folder, or else in a repository of the hub."""
        if Path(source).is_dir():
            return EmbeddedIntrinsicAdapter.from_model_directory(source, intrinsic_name)
        return EmbeddedIntrinsicAdapter.from_hub(str(source), revision, cache_dir, intrinsic_name)


def _asked(name: str, config: Mapping[str, Any]) -> tuple[str, Mapping[str, Any] | None]:
    """Return the prompt and the schema of a configuration."""
    if wanted := [key for key in _NOT_CARRIED_OUT if config.get(key)]:
        raise UsageError(
            f"The configuration of adapter {name!r} asks for {', '.join(wanted)}, which nothing here does.",
            hint="Make an Adapter with a prompt and a schema, and do the rest in Python.",
        )
    schema = config.get("response_format")
    if isinstance(schema, str):
        try:
            schema = json.loads(schema)
        except ValueError as error:
            raise UsageError(
                f"The response_format of adapter {name!r} is no JSON schema: {error}."
            ) from error
    instruction = re.sub(r"(?<!\{)\{(\w+)\}(?!\})", r"{{ \1 }}", str(config.get("instruction") or ""))
    return instruction, schema


def _read(path: Path) -> Any:
    try:
        text = path.read_text("utf-8")
        if path.suffix in (".yaml", ".yml"):
            import yaml  # type: ignore[import-untyped]  # noqa: PLC0415  few programs read one

            return yaml.safe_load(text)
        return json.loads(text)
    except ImportError as error:
        raise UsageError(f"{path} is YAML.", hint="Install it with: pip install pyyaml.") from error
    except Exception as error:
        raise UsageError(f"{path} cannot be read: {error}.", hint="Correct it.") from error


def _fetched(repo_id: str, revision: str, cache_dir: str | None, **which: Any) -> Path:
    try:
        import huggingface_hub  # noqa: PLC0415  few programs fetch adapters
    except ImportError as error:
        raise UsageError(
            f"{repo_id} is no folder, and nothing here fetches it.",
            hint="Install huggingface_hub, or pass a folder.",
        ) from error
    try:
        return Path(
            huggingface_hub.snapshot_download(repo_id, revision=revision, cache_dir=cache_dir, **which)
        )
    except Exception as error:
        raise UsageError(f"{repo_id} is no folder, and the hub does not give it: {error}.") from error
