"""Quotes: passages of a document, word for word, with the places where they stand in it.

A schema names the documents of a quote by a key, so that neither prompts nor logs carry their texts twice. A
backend that can be steered looks the texts up and writes nothing else; elsewhere the reader checks.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, Self
from weakref import WeakValueDictionary

from attrs import evolve, frozen

from mellea.core.component import is_component
from mellea.core.document import Document
from mellea.core.errors import UsageError
from mellea.core.schema import OutputSchema

__all__ = ["QUOTE_OF", "Quote", "bind_quotes", "quoted_texts"]

QUOTE_OF = "x-quote-of"
"""The keyword by which a schema says that a text is a quote; its value is the key of the documents."""
_CONTEXT = "mellea_quoted"
_MOST_SENTENCES = 60
_LONGEST = 6_000
"""Characters of documents up to which their sentences are listed for backends that take lists alone."""


@frozen(eq=False)
class _Texts:
    """Texts of documents under their key; kept as long as a type of quotes from them is."""

    texts: tuple[str, ...]
    key: str


_known: WeakValueDictionary[str, _Texts] = WeakValueDictionary()


@frozen(eq=False)
class _Quoted:
    """The documents that quotes are from, with what their schema names."""

    documents: tuple[str | Document, ...]
    held: _Texts

    @classmethod
    def of(cls, documents: tuple[str | Document, ...]) -> _Quoted:
        texts = tuple(each if isinstance(each, str) else each.text for each in documents)
        key = hashlib.sha256(json.dumps(texts).encode()).hexdigest()[:16]
        return cls(documents, _known.setdefault(key, _Texts(texts, key)))


def quoted_texts(key: object) -> tuple[str, ...]:
    """Return the texts that quotes with a key are from; none for a key that nobody holds any more."""
    held = _known.get(key) if isinstance(key, str) else None
    return held.texts if held is not None else ()


class Quote(str):
    """A passage of a document, word for word: a text that knows where it stands.

    ``Quote[document]``, or ``Quote.of(document)``, is the type of quotes from a document, for ``format`` and
    for typed functions. Plain ``Quote`` is bound by the call: to the documents among its arguments or its
    grounding context.

    Args:
        text: The passage.
        document: What it is from.
        occurrences: Every place where it stands there, as start and end in characters.
    """

    __slots__ = ("document", "occurrences")

    quoted: ClassVar[_Quoted | None] = None
    document: str | Document
    occurrences: tuple[tuple[int, int], ...]

    def __new__(
        cls, text: str, document: str | Document = "", occurrences: Sequence[tuple[int, int]] = ()
    ) -> Self:
        """Return a quote whose places are known."""
        quote = super().__new__(cls, text)
        quote.document, quote.occurrences = document, tuple(occurrences)
        return quote

    def __reduce__(self) -> tuple[Any, ...]:
        return Quote, (str(self), self.document, self.occurrences)

    @property
    def start(self) -> int:
        """Where it begins, in characters; the first place if there are several."""
        return self.occurrences[0][0]

    @property
    def end(self) -> int:
        """Where it ends, in characters."""
        return self.occurrences[0][1]

    @property
    def is_ambiguous(self) -> bool:
        """Whether it stands in several places."""
        return len(self.occurrences) > 1

    @classmethod
    def of(cls, *documents: str | Document) -> type[Quote]:
        """Return the type of quotes from documents.

        Raises:
            UsageError: One is no document, or there is no word in any.
        """
        for each in documents:
            if not isinstance(each, str | Document):
                raise UsageError(f"{each!r} is no document.", hint="Pass a Document or its text.")
        quoted = _Quoted.of(documents)
        if not "".join(quoted.held.texts).strip():
            raise UsageError("There is nothing to quote.", hint="Pass a document with a text.")
        return type("Quote", (Quote,), {"quoted": quoted, "__slots__": ()})

    def __class_getitem__(cls, documents: Any) -> type[Quote]:
        """Return the type of quotes from a document, or from several."""
        return cls.of(*documents) if isinstance(documents, tuple) else cls.of(documents)

    @classmethod
    def locate(cls, text: str, *documents: str | Document) -> Quote:
        """Return a text as a quote from the first document that has it.

        Where white space alone differs, the quote has the document's.

        Raises:
            ValueError: No document has it.
        """
        for passage in filter(None, (re.escape(text), r"\s+".join(map(re.escape, text.split())))):
            for document in documents:
                whole = document if isinstance(document, str) else document.text
                found = re.search(passage, whole)
                if found is not None and found[0]:
                    return Quote(found[0], document, tuple(_places(found[0], whole)))
        shown = text if len(text) <= 60 else f"{text[:59]}…"
        raise ValueError(f"{shown!r} does not stand in the document word for word")

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        from pydantic_core import core_schema  # noqa: PLC0415  loaded by whoever asks

        def read(text: str, info: Any) -> Quote:
            if isinstance(text, Quote) and text.occurrences:
                return text
            quoted = cls.quoted or (info.context or {}).get(_CONTEXT)
            if quoted is None:
                raise ValueError("the quote is bound to no document")
            return Quote.locate(text, *quoted.documents)

        return core_schema.with_info_after_validator_function(read, core_schema.str_schema(min_length=1))

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: Any, handler: Any) -> dict[str, Any]:
        return _schema_of(cls.quoted)


def _places(text: str, whole: str) -> Iterator[tuple[int, int]]:
    place = whole.find(text)
    while place >= 0:
        yield place, place + len(text)
        place = whole.find(text, place + 1)


def _schema_of(quoted: _Quoted | None) -> dict[str, Any]:
    schema: dict[str, Any] = {
        "type": "string",
        "description": "A passage of the document, copied word for word.",
        "minLength": 1,
        QUOTE_OF: "" if quoted is None else quoted.held.key,
    }
    if quoted is not None and sum(map(len, quoted.held.texts)) <= _LONGEST:
        parts = [each for text in quoted.held.texts for each in re.split(r"(?<=[.!?])\s+|\n\s*\n", text)]
        sentences = list(dict.fromkeys(part.strip() for part in parts if part.strip()))
        if len(sentences) <= _MOST_SENTENCES:
            schema["enum"] = sentences
    return schema


def bind_quotes(schema: OutputSchema, spans: Sequence[Any]) -> OutputSchema:
    """Return a schema whose unbound quotes are from the documents among some spans, and their parts.

    Args:
        schema: A schema; as it is, if it has no such quotes.
        spans: What a call consists of.

    Raises:
        UsageError: It has, and there is no document.
    """
    if not _is_unbound(schema.json_schema):
        return schema
    documents = tuple(_documents(spans))
    if not documents:
        raise UsageError(
            f"{schema.name} has quotes, and the call has no document that they could be from.",
            hint="Pass a Document, or name it in the type: Quote[document].",
        )
    quoted = _Quoted.of(documents)
    model = schema.model or getattr(schema.parser, "model", None)

    def parse(text: str) -> Any:
        value: Any = model.model_validate_json(text, context={_CONTEXT: quoted})  # type: ignore[union-attr]
        return value if schema.parser is None else value.result

    return evolve(schema, json_schema=_bound(schema.json_schema, quoted), parser=parse)


def _documents(spans: Sequence[Any]) -> Iterator[Document]:
    for span in spans:
        if isinstance(span, Document):
            yield span
        elif is_component(span):
            yield from _documents(span.parts())


def _is_unbound(node: Any) -> bool:
    if isinstance(node, Mapping):
        return node.get(QUOTE_OF) == "" or any(map(_is_unbound, node.values()))
    return isinstance(node, list) and any(map(_is_unbound, node))


def _bound(node: Any, quoted: _Quoted) -> Any:
    if isinstance(node, Mapping):
        if node.get(QUOTE_OF) == "":
            return {**node, **_schema_of(quoted)}
        return {key: _bound(value, quoted) for key, value in node.items()}
    return [_bound(item, quoted) for item in node] if isinstance(node, list) else node
