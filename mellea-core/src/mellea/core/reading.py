"""What a model read before it called a tool, and which of it the arguments of the call stand in.

An argument is trusted where it stands, whole and letter by letter, in a text that is; what stands nowhere
was written by the model, which may have been told to by anything that it read.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from attrs import define, evolve, field, setters

from mellea.core.blocks import AudioBlock, AudioUrlBlock, CBlock, ImageBlock, ImageUrlBlock
from mellea.core.component import Span, TemplateRepresentation, is_component
from mellea.core.document import Document
from mellea.core.message import Message
from mellea.core.sources import MODEL, PROGRAM, UNKNOWN, USER, CallSources, Sources
from mellea.core.thunk import ModelOutputThunk
from mellea.core.tool import Tool
from mellea.core.tool_call import ModelToolCall

__all__ = ["Reading", "read_from", "sources_of_values"]

_BY_ROLE = {"user": USER, "system": PROGRAM, "assistant": UNKNOWN}
_DOCUMENT = Sources.of("document")
_SCRIPTS = "\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff"
"""Those that put no blanks between words."""
_UNSPACED = f"[{_SCRIPTS}]"
_MARKS = r"\s\"`“”„«»|,;*…—–、，。：「」『』（）" + _SCRIPTS  # noqa: RUF001  marks of other scripts
_BEFORE = rf"(?<!\w['’])(?<![^{_MARKS}'‘’(\[{{<$€£¥])"  # noqa: RUF001
_AFTER = rf"(?=[.!?:]*(?:$|[{_MARKS})\]}}>%]|['’](?!\w))|['’]s\b)"  # noqa: RUF001
_NUMBER = r"(?<![\w.])[-+]?\d+(?:,\d{3})*(?:\.\d+)?(?![\d_])(?=[^\W\d_]{0,3}(?!\w))"
_MISSING = object()


def read_from(spans: Iterable[Span], tools: Iterable[Tool] = ()) -> Sources:
    """Return the sources of what a model writes: itself, and all that it reads.

    Args:
        spans: What the prompt is made of.
        tools: The tools that are offered; somebody else may have described them.
    """
    found = {id(MODEL): MODEL}
    for span in spans:
        if isinstance(span, ModelOutputThunk):
            sources = span.sources
        elif type(span) is CBlock and span.sources is None:
            sources = USER
        elif (
            type(span) is Message
            and span.sources is None
            and not (span.documents or span.images or span.audio)
        ):
            sources = _of_message(span)
        else:
            sources = Sources.joined(_parts_of(span))
        found[id(sources)] = sources
    for sources, _ in _described(tools):
        found[id(sources)] = sources
    return Sources.joined(found.values())


def _parts_of(span: Span) -> dict[Sources, None]:
    """Return the sources of what a span is made of; most are made of texts."""
    if not hasattr(span, "sourced_parts") or getattr(span, "sources", None) is not None:
        return dict.fromkeys(told for told, _ in _texts(span, USER))
    found: dict[Sources, None] = {}
    for part, given in span.sourced_parts():
        if type(part) is str or (type(part) is CBlock and part.sources is None):
            found[given] = None
        else:
            found.update(dict.fromkeys(told for told, _ in _texts(part, given)))
    return found


def sources_of_values(values: Any) -> Sources | None:
    """Return the sources of the spans among some values; None where there are none."""
    spans = list(_spans_in(values))
    return read_from(spans) if spans else None


def _spans_in(value: Any) -> Iterator[Span]:
    if isinstance(value, Mapping | list | tuple):
        for part in value.values() if isinstance(value, Mapping) else value:
            yield from _spans_in(part)
    elif isinstance(value, CBlock | ModelOutputThunk) or is_component(value):
        yield value


def _described(tools: Iterable[Tool]) -> Iterator[tuple[Sources, str]]:
    """Iterate over the descriptions of tools that somebody else than the program describes."""
    for tool in tools:
        if tool.origin is not None:
            yield tool.origin, tool.description


def _texts(span: Any, given: Sources, *, whole: bool = False) -> Iterator[tuple[Sources, str]]:
    """Iterate over the texts in a span, each with its sources.

    Args:
        span: The span, or a text.
        given: The sources of what does not say where it comes from.
        whole: Whether a component is also asked for what is no part of it.
    """
    cls: Any = type(span)
    kind = _kind(cls)
    own = getattr(span, "sources", None)
    own = own if isinstance(own, Sources) else None
    if kind is str:
        yield given, span
    elif kind is ModelOutputThunk:
        yield span.sources, span.value or ""
    elif kind is CBlock:
        yield own or given, span.value or ""
    elif kind is ImageBlock:
        yield own or _DOCUMENT, ""
    elif kind is Message:
        yield own or _of_message(span), span.content
        for part in (*(span.documents or ()), *(span.images or ()), *(span.audio or ())):
            yield from _texts(part, _DOCUMENT, whole=whole)
    elif kind is Document:
        title = span.title or span.doc_id or ""
        if own is None:
            own = Sources.of("document", title) if title or given.trusted else given
        yield own, f"{title}\n{span.text}"
    elif hasattr(span, "sourced_parts"):
        for part, sources in span.sourced_parts():
            yield from _texts(part, own or sources, whole=whole)
    else:
        told = own or Sources.of("document", type(span).__name__)
        yield told, "\n".join(_shown(span.format_for_llm())) if whole else ""
        for part in span.parts():
            yield from _texts(part, told, whole=whole)


@functools.lru_cache(maxsize=512)
def _kind(cls: type) -> type | None:
    """Return what a class of spans is; to ask the classes of components each time is slow."""
    if issubclass(cls, ImageBlock | ImageUrlBlock | AudioBlock | AudioUrlBlock):
        return ImageBlock
    known = (str, ModelOutputThunk, CBlock, Message, Document)
    return next((one for one in known if issubclass(cls, one)), None)


def _of_message(message: Message) -> Sources:
    return _BY_ROLE.get(message.role) or Sources.of("tool", message.tool_name or "")


def _shown(value: Any) -> Iterator[str]:
    """Iterate over the texts that a component shows by itself."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, TemplateRepresentation):
        yield from _shown(value.args)
    elif isinstance(value, Mapping | list | tuple):
        for part in value.values() if isinstance(value, Mapping) else value:
            yield from _shown(part)


@define(eq=False, slots=False, on_setattr=setters.frozen)
class Reading:
    """What a model reads before it may call a tool. Nothing is looked at until it does.

    Args:
        spans: What the prompt is made of.
        instructions: The system prompt of the call.
        tools: The tools that are offered.
        choice: The tool that has to be called, if one has to.
    """

    spans: Sequence[Span]
    instructions: str
    tools: Sequence[Tool]
    choice: str = ""

    _finders: dict[Sources | None, _Finder] = field(factory=dict, init=False, repr=False)

    def _finder(self, server: Sources | None) -> _Finder:
        """Return what finds values in all that was read but what a server says of its own tools."""
        if server not in self._finders:
            others = [tool for tool in self.tools if tool.origin != server]
            told = [(PROGRAM, self.instructions), *_described(others)]
            read = [text for span in self.spans for text in _texts(span, USER, whole=True)]
            self._finders[server] = _Finder([*told, *read])
        return self._finders[server]

    def marked(self, call: ModelToolCall, tool: Tool | None) -> ModelToolCall:
        """Return a call with its sources, where they matter: that of a tool with side effects."""
        if tool is None or not (tool.side_effects or tool.trusted):
            return call
        return evolve(call, sources=self._sources_of(call, tool))

    def _sources_of(self, call: ModelToolCall, tool: Tool) -> CallSources:
        finder = self._finder(tool.origin)
        read = finder.read
        if read.trusted:
            return CallSources(dict.fromkeys(call.args, read), read)
        parts = tool.parameters.get("properties")
        known = parts if isinstance(parts, Mapping) else {}
        named = _property_names(tool.parameters)
        found, vouched = {}, bool(self.choice) and self.choice == call.name
        for name, value in call.args.items():
            default = (
                known[name].get("default", _MISSING) if isinstance(known.get(name), Mapping) else _MISSING
            )
            if type(default) is type(value) and default == value:
                found[name] = PROGRAM
                continue
            found[name] = Sources.joined(finder.find(leaf) for leaf in _leaves(value, named))
            vouched = vouched or (found[name].vouches and name not in tool.content)
        doubtful = [name for name, one in found.items() if not one.trusted and name not in tool.content]
        return CallSources(found, read, tuple(doubtful), vouched)


def _property_names(schema: Any) -> set[str]:
    """Return the names that a schema gives to the parts of arguments: those are the program's words."""
    names: set[str] = set()
    for key, value in schema.items() if isinstance(schema, Mapping) else ():
        if key == "properties" and isinstance(value, Mapping):
            names |= value.keys()
        for part in value if isinstance(value, list) else [value]:
            names |= _property_names(part)
    return names


def _leaves(value: Any, named: set[str]) -> Iterator[Any]:
    """Iterate over the single values in an argument, and over names that the model makes up in it."""
    if isinstance(value, Mapping) and value:
        for key, part in value.items():
            if key not in named:
                yield key
            yield from _leaves(part, named)
    elif isinstance(value, list | tuple) and value:
        for part in value:
            yield from _leaves(part, named)
    else:
        yield value


class _Finder:
    """Finds which of the texts that a model read a value stands in."""

    def __init__(self, texts: Sequence[tuple[Sources, str]]) -> None:
        self.read = MODEL | Sources.joined(sources for sources, _ in texts)
        self._trusted = [(one, _plain(text)) for one, text in texts if one.vouches]
        self._texts = texts

    @functools.cached_property
    def _others(self) -> list[tuple[Sources, str]]:
        return [(one, _folded(text)) for one, text in self._texts if not one.trusted]

    def find(self, value: Any) -> Sources:
        """Return the sources of a value; of one that stands nowhere, all that the model read."""
        if isinstance(value, bool) or not isinstance(value, str | int | float) or value == "":
            return self.read
        plain = _plain(value) if isinstance(value, str) else ""
        for sources, text in self._trusted:
            if _has_words(text, plain) if isinstance(value, str) else _has_number(text, value):
                return sources
        folded = _folded(str(value))
        there = [sources for sources, text in self._others if folded and folded in text]
        return Sources.joined(there) if there else self.read


def _plain(text: str) -> str:
    """Return a text as far as two spellings of it are surely the same: blanks, and A for a.

    A letter that only looks like another one, or becomes it when it is folded, stays what it is.
    """
    return " ".join(re.sub("[A-Z]+", lambda found: found[0].lower(), text).split())


def _folded(text: str) -> str:
    """Return a text without the tricks by which another one may stand in it unseen."""
    if not text.isascii():
        folded = unicodedata.normalize("NFKC", text)
        text = "".join(letter for letter in folded if unicodedata.category(letter) != "Cf")
    return " ".join(text.casefold().split())


def _has_number(text: str, value: float) -> bool:
    return any(float(number.replace(",", "")) == value for number in re.findall(_NUMBER, text))


def _has_words(text: str, words: str) -> bool:
    """Tell whether words stand in a text as whole words: ``x.org`` does not stand in ``bob@x.org``."""
    if words not in text or not any(map(str.isalnum, words)):
        return False
    before = "" if re.match(_UNSPACED, words[0]) else _BEFORE
    after = "" if re.match(_UNSPACED, words[-1]) else _AFTER
    return re.search(f"{before}{re.escape(words)}{after}", text) is not None
