"""Cassettes: recorded calls in a JSON file that a person can read and edit.

A call is found by its request: model, messages, options and schema. Equal requests are told apart by the
order in which they were sent, which is their place in the file. Keys and other secrets are taken out of
options and errors before anything is kept.
"""

from __future__ import annotations

import json
import os
import threading
from collections import defaultdict
from collections.abc import Mapping, Sequence
from io import FileIO
from pathlib import Path
from typing import Any

from mellea.core.errors import UsageError
from mellea.core.request_key import canonical
from mellea.core.trace import write_text
from mellea.testing.cassette_shape import wrong_parts
from mellea.testing.differences import nearest_difference

__all__ = ["COUNT", "Cassette", "CassetteWriter", "read_cassette"]

FORMAT = "mellea-cassette"
VERSION = 1
COUNT = "count"
_END = "\n ]\n}\n"
"""How a cassette ends that was not cut."""
_RECORD_AGAIN = "Record it again with RecordingBackend(backend, path)."


class CassetteWriter:
    """Calls on their way into a cassette.

    The file is written whenever no call is under way: first as a whole, then by adding the new calls at its
    end, so that a long recording costs no more than its calls. One that was cut while it was written to is
    read up to its last whole call.

    Args:
        path: The file; an older one is replaced by the first write.

    Raises:
        UsageError: The folder does not exist, or the path is one.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        if self.path.is_dir() or not self.path.parent.is_dir():
            raise UsageError(
                f"No cassette can be written to {self.path}.", hint="Name a file in a folder that exists."
            )
        self._backend: Mapping[str, Any] = {}
        self._calls: list[dict[str, Any]] = []
        self._texts: list[str] = []  # of the calls, so that a write costs no more than the writing
        self._written = 0  # so many of them are in the file
        self._size: int | None = None  # of the file as it was left; None: it is to be written as a whole
        self._under_way = 0
        self._lock = threading.Lock()

    def describe(self, backend: Mapping[str, Any]) -> None:
        """Say what ``ReplayBackend`` must know of the backend; it is written with the next call."""
        with self._lock:
            if backend != self._backend:
                self._backend = backend
                self._size = None

    def start(self, kind: str, request: Mapping[str, Any]) -> int:
        """Return the number of a new call; its place among equal ones is fixed now."""
        call = {"kind": kind, "request": dict(request), "complete": False}
        with self._lock:
            self._calls.append(call)
            self._texts.append(_as_text(call))
            self._under_way += 1
            return len(self._calls) - 1

    def end(self, number: int, outcome: Mapping[str, Any]) -> None:
        """Keep what came of a call, and write the file if it was the last one under way.

        Raises:
            UsageError: The file cannot be written.
        """
        with self._lock:
            self._texts[number] = _as_text({**self._calls[number], **outcome})
            if number < self._written:  # it was saved before its end
                self._size = None
            self._under_way -= 1
            if self._under_way == 0:
                self._write()

    def save(self) -> None:
        """Write the file with what there is.

        Raises:
            UsageError: The file cannot be written.
        """
        with self._lock:
            self._write()

    def _write(self) -> None:
        if not self._append(self._texts[self._written :]):
            head = json.dumps({"format": FORMAT, "version": VERSION, "backend": self._backend}, indent=1)
            write_text(self.path, f'{head[:-2]},\n "calls": [{",".join(self._texts)}{_END}')
            self._size = self.path.stat().st_size
        self._written = len(self._texts)

    def _append(self, texts: Sequence[str]) -> bool:
        """Add calls at the end of the file, if it is as it was left.

        Raises:
            UsageError: The file cannot be written.
        """
        if self._size is None or not self.path.exists() or self.path.stat().st_size != self._size:
            return False
        end = _END.encode()
        place = self._size - len(end)
        added = "".join(f",{text}" if self._written or index else text for index, text in enumerate(texts))
        try:
            with self.path.open("r+b", buffering=0) as file:
                file.seek(place)
                if file.read() != end:
                    return False
                try:
                    _put(file, place, added.encode("utf-8", "replace") + end)
                except OSError:
                    file.truncate(place)
                    _put(file, place, end)
                    raise
                self._size = file.tell()
        except OSError as error:
            raise UsageError(
                f"{self.path} cannot be written: {error.strerror or error}.",
                hint="Make room there, or record into another folder.",
            ) from error
        return True


def _put(file: FileIO, place: int, content: bytes) -> None:
    """Write at a place in a file, all of it."""
    file.seek(place)
    left = memoryview(content)
    while left:
        left = left[file.write(left) :]


def _as_text(call: Mapping[str, Any]) -> str:
    """Return a call as readable JSON, indented as it stands in the file.

    Only a lone surrogate needs escapes.
    """
    text = json.dumps(call, indent=1, ensure_ascii=False)
    if not text.isascii() and text.encode("utf-8", "ignore").decode() != text:
        text = json.dumps(call, indent=1)
    return f"\n{text}".replace("\n", "\n  ")  # line breaks inside of texts are written \\n


class Cassette:
    """Recorded calls, each given once, in the order in which equal ones were sent.

    Args:
        name: What to call it in errors.
        backend: What is known of the backend.
        calls: The recorded calls.
    """

    def __init__(self, name: str, backend: Mapping[str, Any], calls: list[dict[str, Any]]) -> None:
        self.name = name
        self.backend = backend
        self._samples: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for call in calls:
            self._samples[_key(call["kind"], call["request"])].append(call)
        self._given: dict[str, int] = defaultdict(int)
        self._lock = threading.Lock()

    @property
    def remaining(self) -> int:
        """How many recorded answers were not asked for yet; counts of tokens are none."""
        return sum(
            max(0, len(samples) - self._given[key])
            for key, samples in self._samples.items()
            if samples[0]["kind"] != COUNT
        )

    def next(self, kind: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """Return the next recorded call for a request.

        Raises:
            UsageError: There is none; the message shows the nearest one.
        """
        key = _key(kind, request)
        with self._lock:
            index = self._given[key]
            self._given[key] += 1
        samples = self._samples.get(key, [])
        if index < len(samples):
            return samples[index]
        if samples:
            held = f"{len(samples)} answer{'s' if len(samples) > 1 else ''}"
            raise UsageError(
                f"{self.name} holds {held} to this {kind} request, and this is the "
                f"{index + 1}. time that it is asked: {_describe_request(request)}.",
                hint=_RECORD_AGAIN,
            )
        raise UsageError(
            f"{self.name} holds no answer to this {kind} request: {self._describe_missing(kind, request)}.",
            hint=_RECORD_AGAIN,
        )

    def find_repeat(self, kind: str, request: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the recorded call for a request that has the same answer each time.

        None if there is none.
        """
        samples = self._samples.get(_key(kind, request))
        return samples[-1] if samples else None

    def _describe_missing(self, kind: str, request: Mapping[str, Any]) -> str:
        others = [samples[0]["request"] for samples in self._samples.values() if samples[0]["kind"] == kind]
        if not others:
            return f"{_describe_request(request)} (it holds none of this kind)"
        return f"{_describe_request(request)}. {nearest_difference(request, others)}"


def _key(kind: str, request: Mapping[str, Any]) -> str:
    return canonical({"kind": kind, **request})


def _describe_request(request: Mapping[str, Any]) -> str:
    last = (
        request["messages"][-1]["content"]
        if request.get("messages")
        else "".join(map(str, request.get("prompts", ())))
    )
    return repr(last if len(last) <= 120 else f"{last[:60]} ... {last[-50:]}")


def _kept(content: bytes) -> Any:
    """Return what a cassette holds; of one that was cut while it was written to, all whole calls."""
    whole = content.rstrip().endswith(b"}")
    last = content.rfind(b"\n  }")  # nothing but the end of a call begins a line like that
    if not whole and last >= 0:
        content = content[: last + 4] + _END.encode()
    return json.loads(content.decode("utf-8"))


def read_cassette(path: str | os.PathLike[str]) -> Cassette:
    """Return the cassette in a file.

    Raises:
        UsageError: There is no such file, it is no cassette, or one of another version of the format.
    """
    name = f"The cassette {os.fspath(path)}"
    try:
        kept = _kept(Path(path).read_bytes())
    except OSError as error:
        raise UsageError(f"{name} cannot be read: {error.strerror or error}.", hint=_RECORD_AGAIN) from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{name} is not JSON: {error}.", hint=_RECORD_AGAIN) from error
    if not isinstance(kept, dict) or kept.get("format") != FORMAT:
        raise UsageError(f"{os.fspath(path)} is no cassette.", hint=_RECORD_AGAIN)
    if kept.get("version") != VERSION:
        version = kept.get("version")
        raise UsageError(
            f"{name} has version {version!r} of the format, and this release reads version {VERSION}.",
            hint=_RECORD_AGAIN,
        )
    if wrong := next(wrong_parts(kept), None):
        raise UsageError(f"{name} is damaged: {wrong}.", hint=_RECORD_AGAIN)
    return Cassette(name, kept["backend"], kept["calls"])
