"""The header of a GGUF file, read before anything else reads the file.

What a header says is a stranger's word, and whoever believes it may work for minutes or ask for more memory
than there is. Here every length is held against the size of the file, and every number of a model's shape
against its tensors. The format: the GGUF specification of the ggml project, versions 2 and 3.
"""

from __future__ import annotations

import mmap
import os
import struct
from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import Any

from attrs import frozen
from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType

__all__ = ["GgufHeader", "read_header"]

_MOST_FIELDS = 65_536
_MOST_TENSORS = 100_000
_MOST_ITEMS = 5_000_000
"""Items of all arrays together; the tokens and merges of the largest vocabularies are about a million."""
_FORMATS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_TEXT, _ARRAY = 8, 9
_SHAPE = (
    "embedding_length",
    "feed_forward_length",
    "expert_count",
    "attention.head_count",
    "attention.head_count_kv",
    "attention.key_length",
    "attention.value_length",
    "vocab_size",
)
"""What makes a model large, each the size of some dimension of its tensors at most."""


@frozen
class GgufHeader:
    """What the header of a GGUF file says.

    Args:
        fields: The values that are no arrays.
        shapes: The dimensions of each tensor by name, as ggml orders them.
    """

    fields: Mapping[str, Any]
    shapes: Mapping[str, tuple[int, ...]]

    @property
    def parameters(self) -> int:
        """How many numbers the tensors hold."""
        return sum(map(prod, self.shapes.values()))


def read_header(path: Path) -> GgufHeader:
    """Return the header of a GGUF file.

    Raises:
        ValueError: The file is none, is cut, or says what cannot be so.
        OSError: It cannot be read.
    """
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size < 24:
            raise ValueError("it is too short for a header")
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            header = _Reader(content, size).header()
    _check_shape(header)
    return header


class _Reader:
    def __init__(self, content: mmap.mmap, size: int) -> None:
        self._content = content
        self._size = size
        self._at = 0
        self._order = "<"
        self._items = 0

    def header(self) -> GgufHeader:
        if self._content[:4] != b"GGUF":
            raise ValueError("it does not begin with GGUF")
        version = struct.unpack_from("<I", self._content, 4)[0]
        if version & 0xFFFF == 0:  # written on a machine of the other byte order
            self._order, version = ">", struct.unpack_from(">I", self._content, 4)[0]
        if version not in (2, 3):
            raise ValueError(f"it has version {version} of the format")
        self._at = 8
        tensors, number = self._number("Q"), self._number("Q")
        if number > _MOST_FIELDS or tensors > _MOST_TENSORS:
            raise ValueError(f"its header counts {number} fields and {tensors} tensors")
        fields = dict(self._field() for _ in range(number))
        found = dict(self._tensor() for _ in range(tensors))
        if len(found) < tensors:
            raise ValueError("two of its tensors have one name")
        self._check_places(found, fields.get("general.alignment", 32))
        return GgufHeader(fields, {name: shape for name, (shape, _, _) in found.items()})

    def _skip(self, length: int) -> int:
        """Return where something of that many bytes begins, and go on behind it."""
        start, self._at = self._at, self._at + length
        if self._at > self._size:
            raise ValueError(
                f"it is cut, or its header is damaged: {length} bytes at {start} go beyond its end"
            )
        return start

    def _number(self, kind: str) -> Any:
        layout = self._order + kind
        return struct.unpack_from(layout, self._content, self._skip(struct.calcsize(layout)))[0]

    def _text(self) -> str:
        length = self._number("Q")
        start = self._skip(length)
        return self._content[start : start + length].decode("utf-8", "replace")

    def _field(self) -> tuple[str, Any]:
        name, kind = self._text(), self._number("I")
        if kind == _ARRAY:
            self._skip_array(name)
            return name, None
        if kind != _TEXT and kind not in _FORMATS:
            raise ValueError(f"its field {name!r} has the unknown type {kind}")
        return name, self._text() if kind == _TEXT else self._number(_FORMATS[kind])

    def _skip_array(self, name: str) -> None:
        kind, number = self._number("I"), self._number("Q")
        self._items += number
        if self._items > _MOST_ITEMS:
            raise ValueError(f"its field {name!r} has {number} items, which no model needs")
        if kind == _TEXT:
            for _ in range(number):
                self._skip(self._number("Q"))
        elif kind in _FORMATS:
            self._skip(number * struct.calcsize("<" + _FORMATS[kind]))
        else:
            raise ValueError(f"its field {name!r} is an array of the unknown type {kind}")

    def _tensor(self) -> tuple[str, tuple[tuple[int, ...], int, int]]:
        name, dimensions = self._text(), self._number("I")
        if dimensions > 4:
            raise ValueError(f"its tensor {name!r} has {dimensions} dimensions")
        shape = tuple(self._number("Q") for _ in range(dimensions))
        return name, (shape, self._number("I"), self._number("Q"))

    def _check_places(self, tensors: Mapping[str, Any], alignment: Any) -> None:
        if (
            not isinstance(alignment, int)
            or alignment < 1
            or alignment > 1 << 20
            or alignment & (alignment - 1)
        ):
            raise ValueError(f"its alignment is {alignment!r}")
        data = -(-self._at // alignment) * alignment
        for name, (shape, kind, offset) in tensors.items():
            if kind not in GGML_QUANT_SIZES:
                raise ValueError(f"its tensor {name!r} has the unknown type {kind}")
            per_block, block = GGML_QUANT_SIZES[GGMLQuantizationType(kind)]
            if data + offset + prod(shape) // per_block * block > self._size:
                raise ValueError(f"it is cut: its tensor {name!r} goes beyond its end")


def _check_shape(header: GgufHeader) -> None:
    """Hold the numbers of a model's shape against its tensors."""
    architecture = header.fields.get("general.architecture")
    embedding = header.shapes.get("token_embd.weight", ())
    if not isinstance(architecture, str) or not embedding:
        raise ValueError("it names no architecture, or has no tensor token_embd.weight")
    largest = max((side for shape in header.shapes.values() for side in shape), default=0)
    bounds = {
        **dict.fromkeys(_SHAPE, largest),
        "block_count": len(header.shapes),
        "embedding_length": embedding[0],
    }
    for name, most in bounds.items():
        value = header.fields.get(f"{architecture}.{name}")
        if value is not None and not (isinstance(value, int) and 0 <= value <= most):
            raise ValueError(f"its {name} is {value!r}, and its tensors allow at most {most}")
