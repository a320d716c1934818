"""What a shell command may be: programs, their options, and the paths that they write."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

from attrs import field, frozen

from mellea.stdlib.tools._shell_grammar import Refusal, read_command
from mellea.stdlib.tools._shell_programs import (
    INTERPRETERS,
    PRIVILEGED,
    PROGRAMS,
    SHELLS,
    SYSTEM_FOLDERS,
    TEMPORARY,
)

__all__ = ["Program", "ShellRules"]


@frozen
class Program:
    """What is allowed of one program.

    Args:
        refused: Options that are not, short ones by their letters, long ones with their dashes.
        allowed: The only options that are, when given.
        subcommands: The only first words that are, each with what is refused after it.
        writes: Which words name what it writes: none, the last, or all of them.
        output: Options whose value names what it writes.
        wraps: Whether its words are another command.
        scripts: Whether its first word is a script that it runs.
        words: A pattern of words that are not allowed.
    """

    refused: frozenset[str] = field(default=frozenset(), converter=frozenset)
    allowed: frozenset[str] | None = None
    subcommands: Mapping[str, frozenset[str]] | None = None
    writes: Literal["none", "last", "all"] = "none"
    output: frozenset[str] = field(default=frozenset(), converter=frozenset)
    wraps: bool = False
    scripts: bool = False
    words: str | None = None


def _default_programs() -> dict[str, Program]:
    return {name: Program(**settings) for name, settings in PROGRAMS.items()}


@frozen
class ShellRules:
    """What may be run. Everything else is refused, with the reason.

    Args:
        programs: The programs, by name; by default those that look at files, change them one by one, and work
            with git.
        working_dir: The folder that commands run in. What they write must lie in it, or in the folder for
            temporary files.
        allowed_paths: The only folders that may be written, when given.
    """

    programs: Mapping[str, Program] = field(factory=_default_programs)
    working_dir: str | None = None
    allowed_paths: tuple[str, ...] | None = None

    def check(self, command: str) -> tuple[str, ...]:
        """Return the words of a command that may be run.

        Raises:
            Refusal: It may not.
            SandboxError: The grammar of the shell is not installed.
        """
        words = read_command(command)
        for word in words:
            if _base(word) in PRIVILEGED and not _is_data(word):
                raise Refusal(
                    f"{_base(word)!r} is not allowed: it raises privileges or manages users.",
                    category="privilege",
                    severity="high",
                )
        self._check_words(words)
        return words

    def written_folders(self) -> tuple[str, ...]:
        """Return the folders that a command may write."""
        if self.allowed_paths is not None:
            return self.allowed_paths
        return (self.working_dir or os.getcwd(), tempfile.gettempdir())  # noqa: PTH109  as the kernel says it

    def _check_words(self, words: Sequence[str]) -> None:
        name, rest = _base(words[0]), list(words[1:])
        if name in SHELLS or name in INTERPRETERS:
            _check_interpreter(name, rest)
        program = self.programs.get(name)
        if program is None:
            raise Refusal(f"{name!r} is not allowed: no rule names this program.", category="program")
        if "/" in words[0] and not _is_installed(words[0]):
            raise Refusal(
                f"{words[0]!r} is not allowed: programs are named without a path.", category="program"
            )
        if program.wraps:
            self._check_wrapped(name, program, rest)
            return
        options, plain = _split(rest)
        _check_options(name, program, options, plain)
        for word in plain:
            if program.words and re.search(program.words, word):
                raise Refusal(
                    f"{name!r} with {word!r} is not allowed: it can run or write more.", category="code"
                )
        for path in _written(name, program, options, plain):
            self._check_path(name, path)

    def _check_wrapped(self, name: str, program: Program, rest: list[str]) -> None:
        """Check the command behind a wrapper such as ``timeout``."""
        while rest and (
            rest[0].startswith("-") or "=" in rest[0] or re.fullmatch(r"[\d.]+[smhdKMG]?", rest[0])
        ):
            word = rest.pop(0)
            if word.startswith("-") and _is_refused(word, program.refused):
                raise Refusal(f"{name!r} with {word!r} is not allowed.", category="option")
            variable, has_value, value = word.partition("=")
            if has_value and not word.startswith("-"):
                self._check_variable(variable, value)
            elif word in {"-n", "-u", "-s", "-k", "-c", "--signal", "--unset"} and rest:
                rest.pop(0)
        if rest:
            self._check_words(rest)

    def _check_variable(self, name: str, value: str) -> None:
        dangerous = name.startswith(("LD_", "DYLD_", "PYTHON", "GIT_", "BASH")) or name in {
            "PATH",
            "IFS",
            "ENV",
        }
        if dangerous or (value.startswith(("/", "~")) and _system_folder(_resolve(value))):
            raise Refusal(f"Setting {name}={value} is not allowed: dangerous.", category="environment")

    def _check_path(self, name: str, path: str) -> None:
        """Refuse a path that may not be written."""
        base = Path(self.working_dir) if self.working_dir is not None else Path.cwd()
        try:
            base = base.resolve(strict=True)
        except (OSError, RuntimeError) as error:
            raise Refusal(
                f"{name!r} is not allowed: cannot validate {path!r} in {base}.", category="path"
            ) from error
        place = _resolve(path, base)
        if (folder := _system_folder(place)) is not None:
            raise Refusal(
                f"{name!r} is not allowed to write {path!r}: {folder} belongs to the system.",
                category="path",
                severity="high",
            )
        if self.allowed_paths is not None:
            roots: Iterable[str | Path] = self.allowed_paths
        elif self.working_dir is not None:
            roots = (base, *((tempfile.gettempdir(),) if Path(path).is_absolute() else ()))
        else:
            return
        if not any(place.is_relative_to(_resolve(str(root))) for root in roots):
            raise Refusal(
                f"{name!r} is not allowed to write {path!r}: it lies outside of what may be written.",
                category="path",
            )


def _base(word: str) -> str:
    return word.rsplit("/", 1)[-1]


def _is_data(word: str) -> bool:
    """Tell whether a path lies where no programs do, such as ``/etc/passwd``."""
    folder = word.rpartition("/")[0]
    return bool(folder) and folder.rpartition("/")[2] not in {"bin", "sbin", "libexec", "."}


def _is_installed(word: str) -> bool:
    """Tell whether a path names a program of the system."""
    return _resolve(word).parent.as_posix() in {"/bin", "/usr/bin", "/usr/local/bin", "/opt/homebrew/bin"}


def _split(words: Iterable[str]) -> tuple[list[str], list[str]]:
    """Return the options among some words, and the others."""
    options: list[str] = []
    plain: list[str] = []
    rest = iter(words)
    for word in rest:
        if word == "--":
            options.append(word)
            plain += rest
        elif word.startswith("-") and word != "-":
            options.append(word)
        else:
            plain.append(word)
    return options, plain


def _letters(option: str) -> set[str]:
    """Return what an option may be called: itself, or each of its letters."""
    if option.startswith("--"):
        return {option.partition("=")[0]}
    return {option, option.partition("=")[0], *(f"-{letter}" for letter in option[1:])}


def _check_interpreter(name: str, rest: Sequence[str]) -> None:
    """Refuse an interpreter without a script, or with code as an option."""
    code = INTERPRETERS.get(name, frozenset({"-c"}))
    for word in rest:
        if not word.startswith("-"):
            return
        if _letters(word) & code or any(word.startswith(option) for option in code if len(option) == 2):
            raise Refusal(
                f"{name!r} with code as an option is not allowed.", category="code", severity="high"
            )
        if word in {"--version", "-V", "--help", "-h"}:
            return
        if name in SHELLS and _letters(word) & {"-i", "-l", "-s", "--login"}:
            break
    raise Refusal(f"Interactive shell: {name!r} without a script is not allowed.", category="interactive")


def _check_options(name: str, program: Program, options: Sequence[str], plain: Sequence[str]) -> None:
    if program.subcommands is not None:
        verb = next(iter(plain), None)
        asks = {"--version", "--help", "-h"} & set(options)
        if verb not in program.subcommands and not (verb is None and asks):
            kind = "Destructive: " if name == "git" and verb is not None else ""
            raise Refusal(f"{kind}{name!r} {verb or 'by itself'} is not allowed.", category="subcommand")
        refused = program.refused | (program.subcommands.get(verb, frozenset()) if verb else frozenset())
        words = set(plain[1:])
    else:
        refused, words = program.refused, set()
    for option in options:
        if _is_refused(option, refused) or not _is_allowed(option, program.allowed):
            kind = "Destructive: " if name in {"git", "rm"} else ""
            raise Refusal(
                f"{kind}{name!r} with {option!r} is not allowed.", category="destructive", severity="high"
            )
    if program.allowed is not None and not options:
        raise Refusal(f"{name!r} without an option is not allowed.", category="option")
    forced = (word for word in words if word in refused or (name == "git" and word.startswith(("+", ":"))))
    if (bad := next(forced, None)) is not None:
        raise Refusal(f"Destructive: {name!r} with {bad!r} is not allowed.", category="destructive")


def _is_refused(option: str, refused: Iterable[str]) -> bool:
    called = _letters(option)
    return any(one in called or (one.startswith("--") and _abbreviates(option, one)) for one in refused)


def _is_allowed(option: str, allowed: frozenset[str] | None) -> bool:
    """Tell whether an option, or each of its letters, is one of those that are allowed."""
    if allowed is None or option == "--" or option.partition("=")[0] in allowed:
        return True
    return not option.startswith("--") and all(f"-{letter}" in allowed for letter in option[1:])


def _abbreviates(option: str, long: str) -> bool:
    word = option.partition("=")[0]
    return len(word) > 3 and word.startswith("--") and long.startswith(word)


def _written(name: str, program: Program, options: Sequence[str], plain: Sequence[str]) -> Iterator[str]:
    """Yield the paths that a program writes."""
    if program.writes == "all":
        yield from (word[3:] for word in plain if word.startswith("of=")) if name == "dd" else plain
    elif program.writes == "last" and len(plain) > 1:
        yield plain[-1]
    if name == "ln" and "-s" in {letter for option in options for letter in _letters(option)} and plain:
        target = _resolve(plain[0])
        if (folder := _system_folder(target)) is not None:
            raise Refusal(
                f"'ln' to {plain[0]!r} is not allowed: {folder} belongs to the system.", category="path"
            )
    for option in options:
        long, has_value, value = option.partition("=")
        if has_value and long in program.output:
            yield value
        elif attached := next(
            (one for one in program.output if len(one) == 2 and option.startswith(one)), None
        ):
            yield from [option[2:]] if option != attached else plain
        elif _letters(option) & program.output:
            yield from plain  # which of them is the value is not known


def _resolve(path: str, base: Path | None = None) -> Path:
    """Return where a path leads.

    Raises:
        Refusal: It leads nowhere that can be known.
    """
    try:
        expanded = Path(path).expanduser()
        return ((base or Path.cwd()) / expanded).resolve()
    except (OSError, RuntimeError, ValueError) as error:
        raise Refusal(f"The path {path!r} is not allowed: cannot validate it.", category="path") from error


def _system_folder(place: Path) -> str | None:
    """Return the system's folder that a path lies in, if it does."""
    for root in TEMPORARY:
        if place.is_relative_to(root):
            return None
    for folder in SYSTEM_FOLDERS:
        for prefix in ("", "/private"):
            if place == Path(prefix + folder) or place.is_relative_to(prefix + folder):
                return None if folder == "/dev" and place.name == "null" else folder
    return "/" if place == Path("/") else None
