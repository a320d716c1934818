"""Forms about what stands around and between the words: lists, headings, titles, quotation marks, mark-up."""

from __future__ import annotations

import re
from typing import ClassVar, Literal

from attrs import field, frozen

from mellea.core.errors import UsageError
from mellea.core.steering.forms.base import Form, as_texts, some_text, whole_number
from mellea.core.steering.plan import Items, NotSteerableError, TextPlan, Wanted

__all__ = ["Bullets", "Headings", "Highlights", "Numbered", "Placeholders", "Postscript", "Quoted", "Title"]

_BULLET = re.compile(r"^[ \t]*[*+-][ \t]+\S", re.MULTILINE)
_NUMBERED = re.compile(r"^[ \t]*(\d+)[.)][ \t]+\S", re.MULTILINE)
_MOST = 12


@frozen
class _List(Form):
    count: int = field()
    numbered: ClassVar[bool]

    def __attrs_post_init__(self) -> None:
        whole_number(self.count, "count", 1)

    def edit(self, plan: TextPlan) -> TextPlan:
        """Settle the list."""
        if self.count > _MOST:
            raise NotSteerableError(f"a plan has lists of {_MOST} items at most.")
        if plan.items is not None and plan.items.numbered != self.numbered:
            raise NotSteerableError("a plan has one list.")
        if self.numbered and plan.owner("digits") is not None and not plan.digits:
            raise plan.contradiction(self, "digits")
        if not self.numbered and "-" in plan.absent and "*" in plan.absent:
            raise plan.contradiction(self, "absent")
        return plan.settled(self, "items", Items(self.numbered, self.count))


@frozen
class Bullets(_List):
    """A list of exactly so many bullet points."""

    numbered: ClassVar[bool] = False

    def describe(self) -> str:
        """Return the form in words."""
        points = f"{self.count} bullet point{'s' * (self.count > 1)}"
        return f"Write exactly {points}, each on a line that begins with *."

    def check(self, text: str) -> tuple[bool, str]:
        """Return whether there are exactly so many lines with a bullet."""
        number = len(_BULLET.findall(text))
        return number == self.count, f"it has {number} bullet points"


@frozen
class Numbered(_List):
    """A list of exactly so many items, numbered from 1."""

    numbered: ClassVar[bool] = True

    def describe(self) -> str:
        """Return the form in words."""
        return f"Write a numbered list of exactly {self.count} item{'s' * (self.count > 1)}."

    def check(self, text: str) -> tuple[bool, str]:
        """Return whether the items are numbered from 1 up to the count."""
        numbers = [int(number) for number in _NUMBERED.findall(text)]
        return numbers == list(range(1, self.count + 1)), f"its items are numbered {numbers}"


@frozen
class Headings(Form):
    """Sections with these headings, in this order, each on a line of its own."""

    names: tuple[str, ...] = field(converter=as_texts)

    def __attrs_post_init__(self) -> None:
        if not self.names:
            raise UsageError(
                "Headings takes one name or more.", hint='Write it as Headings(["First", "Second"]).'
            )
        for name in self.names:
            some_text(name, "Headings")

    def describe(self) -> str:
        """Return the form in words."""
        return (
            f"Write a section under each of these headings: {', '.join(f'# {name}' for name in self.names)}."
        )

    def check(self, text: str) -> tuple[bool, str]:
        """Return whether the headings occur in this order."""
        found = [line.strip().strip("#*: ").strip() for line in text.splitlines()]
        position = 0
        for name in self.names:
            if name not in found[position:]:
                return False, f"the heading {name!r} is missing, or out of order"
            position = found.index(name, position) + 1
        return True, "it has the headings"

    def edit(self, plan: TextPlan) -> TextPlan:
        """Settle the sections."""
        if "#" in plan.absent:
            raise plan.contradiction(self, "absent")
        for name in self.names:
            plan.written(self, name)
        return plan.settled(self, "headings", self.names)


@frozen
class Title(Form):
    """A title in double angular brackets, on the first line."""

    def describe(self) -> str:
        """Return the form in words."""
        return "Begin with a title in double angular brackets, such as <<title>>."

    def check(self, text: str) -> tuple[bool, str]:
        """Return whether the first line is one."""
        first = text.strip().split("\n", 1)[0].strip().strip('"')
        return re.fullmatch(r"<<[^\n<>]*\w[^\n<>]*>>", first) is not None, f"its first line is {first[:40]!r}"

    def edit(self, plan: TextPlan) -> TextPlan:
        """Settle the title."""
        if plan.begin:
            raise plan.contradiction(self, "begin")
        if set("<>") & set(plan.absent):
            raise plan.contradiction(self, "absent")
        return plan.edited(self, title=True)


@frozen
class Postscript(Form):
    """A postscript as the last paragraph, after its mark."""

    mark: str = "P.S."

    def __attrs_post_init__(self) -> None:
        some_text(self.mark, "Postscript")

    def describe(self) -> str:
        """Return the form in words."""
        return f"End with a postscript that begins with {self.mark}"

    def check(self, text: str) -> tuple[bool, str]:
        """Return whether a last line begins with the mark."""
        last = text.strip().rsplit("\n", 1)[-1].strip()
        return last.startswith(self.mark) and len(last.strip('"')) > len(
            self.mark
        ) + 1, f"its last line is {last[:40]!r}"

    def edit(self, plan: TextPlan) -> TextPlan:
        """Settle the postscript."""
        if plan.end:
            raise plan.contradiction(self, "end")
        if plan.last_mark:
            raise NotSteerableError("the postscript would have to end with it.")
        plan.written(self, self.mark)
        return plan.settled(self, "postscript", self.mark)


@frozen
class Quoted(Form):
    """Double quotation marks around the whole text."""

    def describe(self) -> str:
        """Return the form in words."""
        return "Put the whole text in double quotation marks."

    def check(self, text: str) -> tuple[bool, str]:
        """Return whether it begins and ends with one."""
        body = text.strip()
        return len(body) > 2 and body[0] == body[
            -1
        ] == '"', f"it begins with {body[:1]!r} and ends with {body[-1:]!r}"

    def edit(self, plan: TextPlan) -> TextPlan:
        """Settle the quotation marks."""
        for name in ("begin", "end", "last_mark"):
            if getattr(plan, name):
                raise plan.contradiction(self, name)
        if '"' in plan.absent:
            raise plan.contradiction(self, "absent")
        return plan.edited(self, quoted=True)


@frozen
class _Marked(Form):
    at_least: int = field(default=1)
    kind: ClassVar[Literal["placeholder", "highlight"]]
    marks: ClassVar[str]

    def __attrs_post_init__(self) -> None:
        whole_number(self.at_least, "at_least", 1)

    def edit(self, plan: TextPlan) -> TextPlan:
        """Make them occur."""
        if self.at_least > _MOST:
            raise NotSteerableError(f"a plan makes {_MOST} occur at most.")
        if set(self.marks) & set(plan.absent):
            raise plan.contradiction(self, "absent")
        return plan.edited(self, wanted=(*plan.wanted, *[Wanted(self.kind)] * self.at_least))


@frozen
class Placeholders(_Marked):
    """At least so many placeholders in square brackets."""

    kind: ClassVar[Literal["placeholder", "highlight"]] = "placeholder"
    marks: ClassVar[str] = "[]"

    def describe(self) -> str:
        """Return the form in words."""
        several = f"{self.at_least} placeholder{'s' * (self.at_least > 1)}"
        return f"Use at least {several} in square brackets, such as [name]."

    def check(self, text: str) -> tuple[bool, str]:
        """Return whether there are so many."""
        number = len(re.findall(r"\[[^\[\]\n]+\]", text))
        return number >= self.at_least, f"it has {number} placeholders"


@frozen
class Highlights(_Marked):
    """At least so many spans between asterisks."""

    kind: ClassVar[Literal["placeholder", "highlight"]] = "highlight"
    marks: ClassVar[str] = "*"

    def describe(self) -> str:
        """Return the form in words."""
        several = f"{self.at_least} part{'s' * (self.at_least > 1)}"
        return f"Highlight at least {several} with asterisks, such as *this part*."

    def check(self, text: str) -> tuple[bool, str]:
        """Return whether there are so many."""
        number = len(re.findall(r"\*[^\s*](?:[^*\n]*[^\s*])?\*", text))
        return number >= self.at_least, f"it has {number} highlighted parts"
