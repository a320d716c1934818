"""Objects that a model can be asked about, without a change to the objects themselves."""

import copy
import dataclasses
import enum
import pickle

import attrs
import pytest
from pydantic import BaseModel

from mellea.core import CBlock, UsageError
from mellea.core.templates import TemplateFormatter
from mellea.stdlib.components import MObject, MObjectProtocol, Query, Transform, mify
from mellea.stdlib.components.mify import MifiedProtocol


class Store:
    """A store."""

    def __init__(self, name="North", sales=3):
        self.name = name
        self.sales = sales
        self._till = 100

    def sell(self, count: int, price: float = 1.0) -> int:
        """Sell some."""
        self.sales += count
        return self.sales

    def close_down(self):
        """Close the store for ever. [no-index]"""

    def undocumented(self): ...

    def _count(self):
        """Count the till."""

    def __len__(self):
        return self.sales

    def __getitem__(self, index):
        return (self.name, self.sales)[index]


@dataclasses.dataclass(frozen=True)
class Point:
    x: int
    y: int


@attrs.define
class Slotted:
    a: int = 1
    b: str = "two"

    def double(self) -> int:
        """Double a."""
        return self.a * 2


class User(BaseModel):
    name: str

    def shout(self) -> str:
        """Say the name aloud."""
        return self.name.upper()


def rendered(obj):
    return TemplateFormatter().print(obj)


# Instances


def test_object_is_not_changed():
    store = Store()
    before = dict(vars(store)), dict(vars(Store))

    mify(store)

    assert (dict(vars(store)), dict(vars(Store))) == before
    assert not isinstance(store, MObjectProtocol)


def test_view_is_queryable_and_passes_for_the_object():
    view = mify(Store())

    assert isinstance(view, Store)
    assert isinstance(view, MObjectProtocol)
    assert isinstance(view, MifiedProtocol)


def test_view_behaves_as_the_object():
    store = Store()
    view = mify(store)

    assert (len(view), view[0], list(view), view.sell(2), view.name) == (3, "North", ["North", 3], 5, "North")
    assert (repr(view), str(view), hash(view)) == (repr(store), str(store), hash(store))
    assert view == store
    assert store == view
    assert "sell" in dir(view)


def test_view_shows_later_changes_and_hands_changes_on():
    store = Store()
    view = mify(store)

    store.sales = 4
    view.name = "South"
    delattr(view, "_till")

    assert view.content_as_string() == "name: South\nsales: 4"
    assert store.name == "South"
    assert not hasattr(store, "_till")


@pytest.mark.parametrize(
    ("left", "right"), [(mify(Point(1, 2)), Point(1, 2)), (mify(Point(1, 2)), mify(Point(1, 2)))]
)
def test_views_compare_as_their_objects(left, right):
    assert left == right
    assert right == left
    assert {left: "found"}[right] == "found"


def test_view_of_an_unhashable_object_is_unhashable():
    with pytest.raises(TypeError, match="unhashable"):
        hash(mify([1, 2]))


def test_copy_of_a_view_is_a_view_of_a_copy():
    store = Store()

    for twin in (copy.copy(mify(store)), copy.deepcopy(mify(store))):
        twin.sales = 99
        assert isinstance(twin, MObjectProtocol)
    assert store.sales == 3


def test_view_pickles():
    assert pickle.loads(pickle.dumps(mify(Point(1, 2)))).content_as_string() == "Point(x=1, y=2)"


@pytest.mark.parametrize(
    "obj", [[1, 2], {"a": 1}, 3, Point(1, 2), Slotted(), User(name="Ann"), enum.Enum("Colour", "RED").RED]
)
def test_any_object_can_be_seen(obj):
    assert isinstance(mify(obj), MObjectProtocol)


def test_objects_that_can_be_queried_stay_as_they_are():
    view = mify(Store())
    own = MObject()

    assert mify(view) is view
    assert mify(own) is own


def test_attributes_with_names_that_a_component_needs_are_our_error():
    class Parser:
        def parse(self, text): ...

    with pytest.raises(UsageError, match=r"Parser has parse of its own"):
        mify(Parser())


def test_wrong_settings_are_our_error():
    with pytest.raises(UsageError, match="one text"):
        mify(Store(), fields_include="name")
    with pytest.raises(UsageError, match="no setting colour"):
        mify(colour="red")
    with pytest.raises(UsageError, match="no field nonsense"):
        mify(Store(), fields_include={"nonsense"})
    with pytest.raises(UsageError, match="no method nonsense"):
        mify(Store(), funcs_include={"nonsense"})


# Classes


def test_class_is_not_changed_when_it_is_passed():
    before = dict(vars(Store))

    queryable = mify(Store)

    assert dict(vars(Store)) == before
    assert isinstance(queryable(), Store)
    assert isinstance(queryable(), MifiedProtocol)
    assert not isinstance(Store(), MObjectProtocol)


def test_decorated_class_keeps_name_and_documentation():
    @mify
    class Shop:
        """A shop."""

    assert (Shop.__name__, Shop.__doc__, Shop.__module__) == ("Shop", "A shop.", __name__)


@pytest.mark.parametrize("cls", [Store, Point, Slotted, User])
def test_any_kind_of_class_can_be_mified(cls):
    assert issubclass(mify(cls), cls)


def test_slotted_class_stays_without_a_dict():
    assert not hasattr(mify(Slotted)(), "__dict__")


def test_dataclass_may_stand_above_mify():
    @dataclasses.dataclass
    @mify(fields_include={"x"})
    class Place:
        x: int
        y: int = 2

    assert Place(1).content_as_string() == "x: 1"


def test_class_that_cannot_be_inherited_from_is_our_error():
    with pytest.raises(UsageError, match="Use mify on its instances"):
        mify(enum.Enum("Colour", "RED"))


# What is shown


def test_object_without_words_shows_its_public_fields():
    assert rendered(mify(Store())) == "name: North\nsales: 3"


def test_object_with_words_shows_them():
    assert rendered(mify(Point(1, 2))) == "Point(x=1, y=2)"


def test_chosen_fields_are_shown_in_the_order_of_their_definition():
    assert rendered(mify(Point(1, 2), fields_include={"y", "x"})) == "x: 1\ny: 2"
    assert rendered(mify(Point(1, 2), fields_exclude={"x"})) == "y: 2"


def test_inline_template_has_the_fields_by_name():
    @mify(fields_include={"table"}, template="Sales: {{ table }}")
    class Database:
        table: str = "| a |"

    assert rendered(Database()) == "Sales: | a |"


def test_stringify_func_makes_the_text():
    assert rendered(mify(Store(), stringify_func=lambda store: f"store {store.name}")) == "store North"


def test_named_template_is_found(tmp_path):
    (tmp_path / "Shelf.jinja2").write_text("On the shelf: {{ name }}", encoding="utf-8")

    shown = TemplateFormatter(template_path=tmp_path).print(mify(Store(), template_order=["Shelf"]))

    assert shown == "On the shelf: North"


def test_spans_among_the_fields_are_parts():
    class Folder:
        def __init__(self):
            self.first = CBlock("one")
            self.others = [CBlock("two"), 3]

    assert [str(part) for part in mify(Folder()).parts()] == ["one", "two"]


# Tools


def test_documented_public_methods_are_tools():
    assert list(mify(Store()).format_for_llm().tools) == ["sell"]


def test_methods_that_a_library_brings_are_no_tools():
    assert list(mify(User(name="Ann")).format_for_llm().tools) == ["shout"]
    assert list(mify(User)(name="Ann").format_for_llm().tools) == ["shout"]
    assert mify([1]).format_for_llm().tools == {}


def test_methods_can_be_chosen():
    assert list(mify(Store(), funcs_include={"undocumented", "sell"}).format_for_llm().tools) == [
        "sell",
        "undocumented",
    ]
    assert mify(Store(), funcs_exclude={"sell"}).format_for_llm().tools == {}


def test_tool_runs_on_the_object():
    store = Store()

    mify(store).format_for_llm().tools["sell"].run(count=2)

    assert store.sales == 5


def test_defaulted_parameters_of_a_tool_are_not_required():
    """A model that must give every parameter makes up values for those it was free to leave out."""
    tool = mify(Store()).format_for_llm().tools["sell"]

    function = tool.as_json_tool["function"]
    assert (function["name"], function["description"]) == ("sell", "Sell some.")
    assert function["parameters"]["required"] == ["count"]
    assert function["parameters"]["properties"]["price"]["default"] == 1.0
    assert function["parameters"]["properties"]["count"]["type"] == "integer"


def test_described_tool_can_be_changed_without_an_effect_on_the_next():
    tool = mify(Store()).format_for_llm().tools["sell"]

    tool.as_json_tool["function"]["parameters"].clear()

    assert tool.as_json_tool["function"]["parameters"]["required"] == ["count"]


def test_tool_whose_parameter_cannot_be_json_is_our_error():
    class Odd:
        def take(self, store: Store):
            """Take it."""

    with pytest.raises(UsageError, match="parameter of"):
        _ = mify(Odd()).format_for_llm().tools["take"].as_json_tool


# Queries and transformations


def test_queries_and_transformations_are_of_the_chosen_types():
    class MyQuery(Query): ...

    class MyTransform(Transform): ...

    view = mify(Store(), query_type=MyQuery, transform_type=MyTransform)

    assert type(view.get_query_object("How many?")) is MyQuery
    assert type(view.get_transform_object("Double it.")) is MyTransform


def test_query_shows_object_and_question_and_carries_the_tools():
    asked = mify(Store()).get_query_object("How many?")

    assert rendered(asked) == "name: North\nsales: 3\n\nAnswer this question about it: How many?"
    assert list(asked.format_for_llm().tools) == ["sell"]


def test_user_template_syntax_in_values_stays_text():
    assert "{{ 7 * 7 }}" in rendered(mify(Store("{{ 7 * 7 }}")).get_query_object("{% raw %}?"))


def test_subclass_of_mobject_brings_content_and_tools():
    class Counter(MObject):
        def __init__(self):
            super().__init__()
            self.count = 1

        def content_as_string(self):
            return f"{self.count} so far"

        def up(self) -> None:
            """Count one up."""

    counter = Counter()

    assert rendered(counter) == "1 so far"
    assert list(counter.format_for_llm().tools) == ["up"]
    assert isinstance(counter.get_transform_object("x"), Transform)
