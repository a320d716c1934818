import importlib
import sys

import pytest

from mellea.core import CBlock, Message, ModelOutputThunk, TemplateError, TemplateRepresentation, UsageError
from mellea.core.templates import TemplateFormatter, render_text
from mellea.formatters import ChatFormatter
from mellea.stdlib.components import Document, Instruction, SimpleComponent


class Inline:
    """A component with a template of its own."""

    def __init__(self, template, *parts, **args):
        self.template, self.args, self._parts = template, args, list(parts)

    def parts(self):
        return self._parts

    def format_for_llm(self):
        return TemplateRepresentation(self, args=self.args, template=self.template)


class Recipe:
    """A component whose template is found by name."""

    order: tuple[str, ...] | None = None

    def parts(self):
        return []

    def format_for_llm(self):
        return TemplateRepresentation(self, args={"dish": "soup"}, template_order=self.order)


class QuickRecipe(Recipe):
    pass


def put(folder, name, text):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.jinja2").write_text(text)


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package with a component and a template beside it."""
    root = tmp_path / "packages" / "kitchen_of_the_tests"
    put(root / "templates" / "prompts" / "default", "Dish", "package: {{ name }}")
    (root / "__init__.py").write_text(
        "from mellea.core import TemplateRepresentation\n"
        "class Dish:\n"
        "    def parts(self): return []\n"
        "    def format_for_llm(self): return TemplateRepresentation(self, args={'name': 'soup'})\n"
    )
    monkeypatch.syspath_prepend(str(root.parent))
    yield importlib.import_module("kitchen_of_the_tests")
    sys.modules.pop("kitchen_of_the_tests")


def test_templates_of_the_components_package_are_found(package):
    assert TemplateFormatter("m").print(package.Dish()) == "package: soup"


def test_users_folder_goes_before_the_package(package, tmp_path):
    put(tmp_path / "mine", "Dish", "mine: {{ name }}")
    assert TemplateFormatter("m", template_path=tmp_path / "mine").print(package.Dish()) == "mine: soup"


def test_users_folder_goes_before_ours(tmp_path):
    put(tmp_path / "prompts" / "default", "Document", "DOC {{ text }}")
    assert TemplateFormatter(template_path=str(tmp_path)).print(Document("x")) == "DOC x"


def test_our_templates_are_found_for_our_components():
    assert TemplateFormatter().print(Document("text", "Title", "7")) == "[7: Title]\ntext"


def test_folder_of_the_model_family_goes_before_default(tmp_path):
    put(tmp_path / "default", "Recipe", "any")
    put(tmp_path / "granite", "Recipe", "granite")
    put(tmp_path / "granite-4.0", "Recipe", "granite four")
    names = ["ibm-granite/granite-4.0-micro", "granite3.3:8b", "Qwen/Qwen3-8B"]
    texts = [TemplateFormatter(name, template_path=tmp_path).print(Recipe()) for name in names]
    assert texts == ["granite four", "granite", "any"]


def test_names_are_tried_in_order_and_the_star_is_the_class(tmp_path):
    class Ordered(Recipe):
        order = ("Missing", "*", "Fallback")

    put(tmp_path, "Fallback", "fallback")
    assert TemplateFormatter(template_path=tmp_path).print(Ordered()) == "fallback"
    put(tmp_path, "Ordered", "ordered {{ dish }}")
    assert TemplateFormatter(template_path=tmp_path).print(Ordered()) == "ordered soup"


def test_template_of_a_base_class_serves_its_subclasses(tmp_path):
    put(tmp_path, "Recipe", "base")
    assert TemplateFormatter(template_path=tmp_path).print(QuickRecipe()) == "base"


def test_component_without_a_template_is_named_with_what_to_do():
    with pytest.raises(
        TemplateError, match=r"no template for QuickRecipe: looked for QuickRecipe, Recipe\. Put QuickRecipe"
    ):
        TemplateFormatter().print(QuickRecipe())


def test_inline_template_goes_before_everything(tmp_path):
    put(tmp_path, "Inline", "from the folder")
    assert TemplateFormatter(template_path=tmp_path).print(Inline("inline {{ x }}", x=1)) == "inline 1"


def test_nested_components_lists_and_mappings_are_rendered():
    inner = Inline("<{{ a }}>", a=CBlock("in"))
    outer = Inline(
        "{{ one }} {{ many | join(',') }} {{ named.x }}",
        one=inner,
        many=[CBlock("a"), inner, ModelOutputThunk("t"), 3],
        named={"x": (inner,)},
    )
    assert TemplateFormatter().print(outer) == "<in> a,<in>,t,3 ['<in>']"


def test_output_that_is_not_computed_is_never_shown_as_nothing():
    with pytest.raises(UsageError, match=r"not computed yet\..*parts\(\)"):
        TemplateFormatter().print(Inline("{{ x }}", x=ModelOutputThunk()))


@pytest.mark.parametrize(
    "attack",
    [
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ x.append(1) }}",
        "{{ self.__init__.__globals__ }}",
        "{{ ''.format.__globals__ }}",
        "{{ '{0.__class__}'.format(x) }}{{ x.__class__.__base__ }}",
        "{{ range(999999999) | list }}",
    ],
)
def test_sandbox_refuses_tricks(attack):
    with pytest.raises(TemplateError):
        TemplateFormatter().print(Inline(attack, x=[]))
    with pytest.raises(TemplateError):
        render_text(attack, {"x": []})


def test_values_are_never_read_as_templates():
    value = "{{ 7 * 7 }}{% for x in y %}{{ secret }}"
    assert render_text("say {{ value }}", {"value": value}) == f"say {value}"
    assert TemplateFormatter().print(Inline("{{ value }}", value=CBlock(value))) == value
    assert value in TemplateFormatter().print(Instruction("say {{ v }}", user_variables={"v": value}))
    assert value in TemplateFormatter().print(Instruction(value, grounding_context={"a": value}))


def test_every_missing_variable_is_listed_with_those_that_are_given():
    with pytest.raises(
        TemplateError, match=r"uses b, c, which user_variables does not give\. Given: a\."
    ) as caught:
        render_text("{{ a }} {{ b }} {{ c }}", {"a": 1})
    assert isinstance(caught.value, ValueError)


def test_variable_of_a_named_template_that_is_missing_is_an_error(tmp_path):
    put(tmp_path, "Recipe", "{{ sauce }}")
    with pytest.raises(TemplateError, match="sauce"):
        TemplateFormatter(template_path=tmp_path).print(Recipe())


@pytest.mark.parametrize("text", ["{{ a", "{% if a %}", "{% unknown %}"])
def test_template_that_does_not_compile_is_an_error(text):
    with pytest.raises(TemplateError, match="does not compile"):
        render_text(text, {"a": 1})


@pytest.mark.parametrize("text", ["{{ a + 1 }}", "{{ 1 / 0 }}", "{{ a.b.c }}"])
def test_template_that_fails_while_it_renders_is_an_error_with_its_cause(text):
    with pytest.raises(TemplateError, match="could not be rendered") as caught:
        render_text(text, {"a": "x"})
    assert caught.value.__cause__ is not None


def test_variables_that_are_no_mapping_are_refused():
    with pytest.raises(TemplateError, match="mapping"):
        render_text("{{ a }}", ["a"])


def test_output_given_as_a_variable_must_be_computed():
    assert render_text("{{ a }}", {"a": ModelOutputThunk("x")}) == "x"
    with pytest.raises(UsageError, match="grounding_context"):
        render_text("{{ a }}", {"a": ModelOutputThunk()})


def test_template_is_compiled_once(tmp_path):
    put(tmp_path, "Recipe", "one")
    formatter = TemplateFormatter(template_path=tmp_path)
    formatter.print(Recipe())
    put(tmp_path, "Recipe", "two")
    assert formatter.print(Recipe()) == "one"


def test_classes_of_one_name_in_two_places_do_not_share_a_template(package, tmp_path):
    class Dish(Recipe):
        pass

    put(tmp_path, "Recipe", "another dish")
    formatter = TemplateFormatter(template_path=tmp_path)
    assert formatter.print(package.Dish()) == "package: soup"
    assert formatter.print(Dish()) == "another dish"


def test_component_may_give_its_text_itself():
    class Plain(Recipe):
        def format_for_llm(self):
            return "{{ as it is }}"

    assert TemplateFormatter().print(Plain()) == "{{ as it is }}"


def test_spans_become_messages():
    documented = Message("user", "read", documents=[Document("text"), CBlock("more")])
    spans = [CBlock("a"), documented, ModelOutputThunk("out"), Inline("x"), SimpleComponent(k="v")]
    messages = TemplateFormatter().to_chat_messages(spans)
    assert [(message.role, message.content) for message in messages] == [
        ("user", "a"),
        ("user", "read\n\ntext\n\nmore"),
        ("assistant", "out"),
        ("user", "x"),
        ("user", '{"k": "v"}'),
    ]


def test_component_may_name_its_role():
    class Rule(Recipe):
        def format_for_llm(self):
            return TemplateRepresentation(self, template="be kind", role="system")

    assert TemplateFormatter().to_chat_messages([Rule()]) == [Message("system", "be kind")]


def test_formatter_refuses_what_is_no_span():
    with pytest.raises(UsageError, match="int cannot be shown"):
        TemplateFormatter().to_chat_messages([5])


def test_formatter_refuses_an_output_that_is_not_computed():
    with pytest.raises(UsageError, match="not computed yet"):
        TemplateFormatter().to_chat_messages([ModelOutputThunk()])


def test_plain_formatter_shows_components_that_render_themselves():
    class Plain(Recipe):
        def format_for_llm(self):
            return "text"

    assert ChatFormatter().print(Plain()) == "text"
    assert ChatFormatter().to_chat_messages([Plain()]) == [Message("user", "text")]


def test_loops_of_a_template_are_bounded():
    loop = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"

    with pytest.raises(TemplateError, match="more than 1,000,000 turns"):
        render_text(loop, {})
    assert render_text("{% for a in names %}{{ loop.index }}{{ a }}{% endfor %}", {"names": "xy"}) == "1x2y"


@pytest.mark.parametrize("source", ["{{ 'x' * 10**9 }}", "{{ 9 ** 9999 }}", "{{ [1] * 99999999 }}"])
def test_template_computes_nothing_too_large(source):
    with pytest.raises(TemplateError, match="too large"):
        render_text(source, {})


def test_template_computes_what_is_small():
    assert render_text("{{ '-' * 3 }}{{ 2 ** 10 }}{{ 3000000 * 4 }}", {}) == "---102412000000"
