"""Pages that need nothing else: no script, no font, no network; one style for all."""

from __future__ import annotations

import functools
from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jinja2 import Template

__all__ = ["page_template"]


@functools.cache
def page_template(name: str) -> Template:
    """Return the template of a page; what is put into it is text, never markup.

    Args:
        name: Its file in ``templates/pages``.
    """
    from jinja2 import FunctionLoader, StrictUndefined  # noqa: PLC0415  jinja costs 50 ms that an import should not pay
    from jinja2.sandbox import ImmutableSandboxedEnvironment  # noqa: PLC0415

    environment = ImmutableSandboxedEnvironment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        loader=FunctionLoader(_source),
    )
    return environment.get_template(name)


def _source(name: str) -> str:
    return files("mellea").joinpath("templates/pages", name).read_text(encoding="utf-8")
