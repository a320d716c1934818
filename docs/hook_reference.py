"""Writes hook-reference.md from the specifications of the hook points.

python docs/hook_reference.py
"""

import inspect
import re
from pathlib import Path

from attrs import fields_dict

from mellea.core.hook_payloads import PAYLOADS, MelleaBasePayload
from mellea.plugins import hookpoints

PAGE = Path(__file__).with_name("hook-reference.md")
HEAD = """# Hook reference

Every [hook](hooks.md) point, with what its handlers are told. This page is made from
the specifications by `python docs/hook_reference.py`.

Every payload has `session_id` (None outside of a session), `request_id` (the call of a
verb, the same in everything that it leads to), `timestamp` (UTC), `hook` and
`user_metadata`. Fields in **bold** can be changed with `modify(payload, field=value)`;
changes of others are left out.

"""


def reference() -> str:
    """Return the page."""
    rows = "".join(
        f"| [`{name}`](#{name}) | {_sentences(name)[0]} | {_list(kind.writable)} |\n"
        for name, kind in PAYLOADS.items()
    )
    table = f"| hook | when | writable |\n| --- | --- | --- |\n{rows}"
    return f"{HEAD}{table}\n{''.join(map(_section, PAYLOADS))}".rstrip() + "\n"


def _section(name: str) -> str:
    kind = PAYLOADS[name]
    said, when = _sentences(name)
    lines = [f"## {name}\n", f"{said} {when}\n"]
    about = _arguments(kind)
    lines.append("| field | type | says |\n| --- | --- | --- |")
    for field in fields_dict(kind):
        if field in fields_dict(MelleaBasePayload):
            continue
        shown = f"**`{field}`**" if field in kind.writable else f"`{field}`"
        type_ = inspect.get_annotations(kind)[field].replace("|", "\\|")
        lines.append(f"| {shown} | `{type_}` | {about[field]} |")
    return "\n".join(lines) + "\n\n"


def _sentences(name: str) -> tuple[str, str]:
    said, _, when = inspect.getdoc(getattr(hookpoints, name)).partition("\n\n")
    return said, " ".join(when.split())


def _arguments(kind: type) -> dict[str, str]:
    told = inspect.getdoc(kind).partition("Args:\n")[2]
    entries = re.findall(r"^    (\w+): (.*(?:\n        .*)*)", told, re.MULTILINE)
    return {field: " ".join(text.split()) for field, text in entries}


def _list(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names) or "-"


if __name__ == "__main__":
    PAGE.write_text(reference(), "utf-8")
