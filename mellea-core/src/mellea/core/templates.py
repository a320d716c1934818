"""Rendering components with Jinja templates, in an immutable sandbox.

A template is found by name: the component's class name (``*``) or another name in its ``template_order``.
Folders are searched in this order: the user's ``template_path``, the ``templates`` folder of the package that
defines the component, and this package's own. In each, below ``prompts/`` or directly, a folder whose name is
contained in the simplified model id (``granite`` for ``ibm-granite/granite-4.0``) goes before ``default``.

Values are data: text that looks like a template stays text. What a template may spend is bounded: turns of
its loops, and the length of a text that it multiplies.
"""

from __future__ import annotations

import copy
import functools
import importlib.util
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mellea.core.blocks import CBlock
from mellea.core.component import Component, Span, TemplateRepresentation, is_component
from mellea.core.errors import TemplateError, UsageError
from mellea.core.formatter import ChatFormatter
from mellea.core.thunk import ModelOutputThunk

if TYPE_CHECKING:
    from jinja2 import Template
    from jinja2.sandbox import ImmutableSandboxedEnvironment

__all__ = ["TemplateFormatter", "render_text"]


_MOST_TURNS = 1_000_000
"""How many turns all loops of a template may take in one rendering."""
_turns_left: ContextVar[Iterator[int]] = ContextVar("mellea_template_turns")


@functools.cache
def _environment() -> ImmutableSandboxedEnvironment:
    from jinja2 import StrictUndefined  # noqa: PLC0415  jinja costs 50 ms that an import should not pay
    from jinja2.sandbox import ImmutableSandboxedEnvironment  # noqa: PLC0415

    class Bounded(ImmutableSandboxedEnvironment):
        intercepted_binops = frozenset({"*", "**"})

        def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
            if _is_too_large(operator, left, right):
                raise TemplateError(
                    f"A template computes something too large: {operator}.", hint="Compute it in Python."
                )
            return super().call_binop(context, operator, left, right)

    environment = Bounded(
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=False
    )
    environment.filters["mellea_turns"] = _counted_turns
    environment.filters["json"] = functools.partial(
        json.dumps, ensure_ascii=False
    )  # Jinja's own escapes for HTML
    return environment


@functools.lru_cache(maxsize=1024)
def _compile(source: str) -> Template:
    from jinja2 import Template, TemplateSyntaxError, nodes  # noqa: PLC0415

    environment = _environment()
    try:
        tree = environment.parse(source)
        for loop in tree.find_all(nodes.For):
            loop.iter = nodes.Filter(loop.iter, "mellea_turns", [], [], None, None, lineno=loop.lineno)
        return Template.from_code(environment, environment.compile(tree), dict(environment.globals))
    except TemplateSyntaxError as error:
        raise TemplateError(
            f"A template does not compile: {error.message} in line {error.lineno}.",
            hint="Correct the template, or leave user_variables out if the text is no template.",
        ) from error


@functools.lru_cache(maxsize=1024)
def _variables(source: str) -> frozenset[str]:
    from jinja2 import meta  # noqa: PLC0415

    _compile(source)
    return frozenset(meta.find_undeclared_variables(_environment().parse(source)))


def render_text(source: str, variables: Mapping[str, Any]) -> str:
    """Return a template text with its variables filled in.

    Variables that are not given are an error, unless the mapping makes them up itself: ``defaultdict(str,
    given)`` allows blanks.

    Raises:
        TemplateError: The template does not compile, or names variables that are not given (all are listed).
    """
    if not isinstance(variables, Mapping):
        raise TemplateError(
            f"Template variables are a mapping, not {type(variables).__name__}.", hint='Pass {"name": value}.'
        )
    missing = sorted(_variables(source) - variables.keys())
    if missing and hasattr(variables, "__missing__"):
        making = copy.copy(
            variables
        )  # a defaultdict keeps what it is asked for, and this one is the caller's
        variables = {**variables, **{name: making[name] for name in missing}}
    elif missing:
        raise TemplateError(
            f"The template uses {', '.join(missing)}, which user_variables does not give.",
            hint=f"Given: {', '.join(sorted(variables)) or 'none'}. "
            "To leave blanks, pass defaultdict(str, ...).",
        )
    for name, value in variables.items():
        if isinstance(value, ModelOutputThunk):
            _check_computed(value, name)
    return _render(_compile(source), variables)


def _check_computed(thunk: ModelOutputThunk[Any], name: str) -> None:
    """Refuse an output without a text: it would be shown as nothing."""
    if not thunk.is_computed():
        raise thunk.error or UsageError(
            f"{name} is an output that is not computed yet.",
            hint="Await it first, pass it as grounding_context, or list it in the component's parts().",
        )


def _counted_turns(values: Iterable[Any]) -> Iterator[Any]:
    """Iterate over what a template loops over, as far as its turns reach."""
    turns = _turns_left.get()
    for value in values:
        if next(turns, None) is None:
            raise TemplateError(
                f"The loops of a template take more than {_MOST_TURNS:,} turns.", hint="Loop in Python."
            )
        yield value


def _is_too_large(operator: str, left: Any, right: Any) -> bool:
    if operator == "**":
        return not (isinstance(left, int | float) and isinstance(right, int | float) and abs(right) <= 64)
    for value, times in ((left, right), (right, left)):
        if hasattr(value, "__len__") and isinstance(times, int) and len(value) * times > _MOST_TURNS:
            return True
    return False


def _render(template: Template, variables: Mapping[str, Any]) -> str:
    token = _turns_left.set(iter(range(_MOST_TURNS)))
    try:
        return template.render(variables)
    except TemplateError:
        raise
    except Exception as error:
        raise TemplateError(
            f"A template could not be rendered: {error}.", hint="Correct the template or its variables."
        ) from error
    finally:
        _turns_left.reset(token)


class TemplateFormatter(ChatFormatter):
    """Renders components with the templates that fit them and the model.

    Args:
        model_id: The model's name; decides which model family's templates go first.
        template_path: A folder searched before all others.
        use_template_cache: Kept for programs that pass it; compiled templates are always cached.
    """

    def __init__(
        self, model_id: str = "", *, template_path: str | Path = "", use_template_cache: bool = True
    ) -> None:
        self.model_id = str(model_id)
        self.template_path = template_path
        self._family = re.sub(r"[^a-z0-9]", "", self.model_id.lower())
        self._found: dict[tuple[type, tuple[str, ...]], Template] = {}

    def print(self, span: Span) -> str:
        """Return the text of a span, rendering what it contains.

        Raises:
            TemplateError: There is no template for a component, or it does not render.
        """
        if isinstance(span, ModelOutputThunk):
            _check_computed(span, "A part of the prompt")
        if type(span) is CBlock or not is_component(span):
            return str(span)
        shown = span.format_for_llm()
        return shown if isinstance(shown, str) else self.render(span, shown)

    def render(self, component: Component[object], representation: TemplateRepresentation) -> str:
        """Return the text of a component from its representation."""
        if representation.template is not None:
            template = _compile(representation.template)
        else:
            template = self._template(type(component), tuple(representation.template_order or ("*",)))
        return _render(
            template, {name: self._render_value(value) for name, value in representation.args.items()}
        ).strip()

    def _render_value(self, value: Any) -> Any:
        """Return a template variable with the spans in it rendered."""
        if value is None or isinstance(value, str | int | float):
            return value
        if type(value) is CBlock:
            return str(value)
        if isinstance(value, list | tuple | set | frozenset):
            return [self._render_value(item) for item in value]
        if isinstance(value, dict | Mapping):
            return {key: self._render_value(item) for key, item in value.items()}
        return self.print(value)

    def _template(self, cls: type, order: tuple[str, ...]) -> Template:
        found = self._found.get((cls, order))
        if found is None:
            found = self._found[cls, order] = _compile(self._source(cls, order))
        return found

    def _source(self, cls: type, order: tuple[str, ...]) -> str:
        family = [base.__name__ for base in cls.__mro__ if base.__module__ not in ("builtins", "typing")]
        wanted = [name for entry in order for name in (family if entry == "*" else [entry])]
        for name in wanted:
            for folder in self._folders(cls):
                path = folder / f"{name}.jinja2"
                if path.is_file():
                    return path.read_text(encoding="utf-8")
        raise TemplateError(
            f"There is no template for {cls.__qualname__}: looked for {', '.join(wanted)}.",
            hint=f"Put {wanted[0]}.jinja2 into templates/prompts/default beside the package, "
            "or return text from format_for_llm.",
        )

    def _folders(self, cls: type) -> Iterator[Path]:
        package = cls.__module__.split(".")[0]
        roots = [self.template_path, _templates_of(package), _templates_of("mellea")]
        for root in dict.fromkeys(Path(root) for root in roots if root):
            for base in (root / "prompts", root):
                if base.is_dir():
                    yield from self._family_folders(base.iterdir())
                    yield base

    def _family_folders(self, folders: Iterable[Path]) -> Iterator[Path]:
        """Yield the folders of this model's family, the longest name first, and ``default`` last."""
        named = {folder.name: folder for folder in folders if folder.is_dir()}
        family = [
            name
            for name in named
            if name != "default" and re.sub(r"[^a-z0-9]", "", name.lower()) in self._family
        ]
        for name in sorted(family, key=len, reverse=True):
            yield named[name]
        if "default" in named:
            yield named["default"]


@functools.cache
def _templates_of(package: str) -> Path | None:
    try:
        spec = importlib.util.find_spec(package)
    except (ImportError, ValueError):
        return None
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(next(iter(spec.submodule_search_locations))) / "templates"
