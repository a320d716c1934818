import json

import pydantic
import pytest

from mellea.core.errors import UsageError
from mellea.core.schema_dialects import SchemaDialect, in_dialect
from mellea.core.schema_patterns import EMAIL, IPV4
from tests.core.schema_types import TYPES, Chain, Described, NamedAsKeywords, Node, Street

STRICT, LLAMA, LLG = SchemaDialect.OPENAI_STRICT, SchemaDialect.LLAMA_CPP, SchemaDialect.LLGUIDANCE
NOT_STRICT = {
    "oneOf",
    "allOf",
    "not",
    "const",
    "prefixItems",
    "uniqueItems",
    "default",
    "propertyNames",
    "minLength",
    "maxLength",
}
ANY = r'[^\x00-\x1f"\\]'


def schema_of(kind):
    return pydantic.create_model("Response", result=(kind, ...)).model_json_schema()


def within(node):
    """Iterate over a schema and all schemas within it, whatever keyword they stand under."""
    if isinstance(node, list):
        for item in node:
            yield from within(item)
    elif isinstance(node, dict):
        yield node
        for keyword, value in node.items():
            named = keyword in ("properties", "$defs") and isinstance(value, dict)
            yield from within(
                list(value.values()) if named else value if keyword not in ("enum", "const") else []
            )


def breaks_strict(node):
    """Tell whether a schema breaks the documented rules of strict mode."""
    if "$ref" in node:
        return set(node) - {"$ref", "$defs"}
    has_no_type = not node.keys() & {"type", "anyOf"}
    is_open = node.get("type") == "object" and (
        node.get("additionalProperties") is not False or set(node["required"]) != set(node["properties"])
    )
    return has_no_type or is_open or node.keys() & NOT_STRICT


@pytest.mark.parametrize("name", TYPES)
def test_types_are_strict_or_not_called_so(name):
    kind, strict, _, _ = TYPES[name]
    said = in_dialect(schema_of(kind), STRICT)
    assert said.strict is strict
    assert strict is not any(map(breaks_strict, within(said.schema))) or (not strict and said.unsaid)


@pytest.mark.parametrize("name", TYPES)
def test_what_llama_cpp_drops_of_types_is_known(name):
    kind, _, unsaid, _ = TYPES[name]
    said = in_dialect(schema_of(kind), LLAMA)
    assert [what.partition(": ")[2] for what in said.unsaid] == unsaid


@pytest.mark.parametrize("name", TYPES)
def test_what_llguidance_refuses_of_types_is_known(name):
    kind, _, _, unsaid = TYPES[name]
    said = in_dialect(schema_of(kind), LLG)
    assert [what.partition(": ")[2] for what in said.unsaid] == unsaid


@pytest.mark.parametrize("name", TYPES)
@pytest.mark.parametrize("dialect", SchemaDialect)
def test_a_schema_is_left_as_it_is(name, dialect):
    schema = schema_of(TYPES[name][0])
    before = json.dumps(schema)
    in_dialect(schema, dialect)
    assert json.dumps(schema) == before


@pytest.mark.parametrize("name", TYPES)
def test_plain_schemas_are_sent_as_they_are(name):
    schema = schema_of(TYPES[name][0])
    assert in_dialect(schema, SchemaDialect.PLAIN).schema is schema


def test_fields_may_be_named_as_keywords():
    fields = schema_of(NamedAsKeywords)["$defs"]["NamedAsKeywords"]["properties"]
    said = in_dialect(schema_of(NamedAsKeywords), STRICT).schema["$defs"]["NamedAsKeywords"]
    assert said["properties"].keys() == fields.keys()
    assert said["required"] == list(fields)
    assert said["properties"]["properties"] == fields["properties"]
    assert said["properties"]["$ref"] == fields["$ref"]


def test_the_description_beside_a_reference_is_kept_in_strict_mode():
    street = in_dialect(schema_of(Described), STRICT).schema["$defs"]["Described"]["properties"]["street"]
    assert street["description"] == "where it stands"
    assert street["properties"].keys() == {"name"}


@pytest.mark.parametrize("model", [Node, Chain])
def test_a_recursive_root_is_an_object_in_strict_mode(model):
    said = in_dialect(model.model_json_schema(), STRICT)
    assert said.strict
    assert said.schema["type"] == "object"


def test_definitions_that_use_each_other_many_times_are_not_written_out_without_end():
    refs = {f"L{level}": {"type": "object", "properties": {}, "required": []} for level in range(30)}
    for level in range(29):
        for side in ("left", "right"):
            refs[f"L{level}"]["properties"][side] = {"$ref": f"#/$defs/L{level + 1}", "description": side}
    said = in_dialect({"type": "object", "properties": {"a": {"$ref": "#/$defs/L0"}}, "$defs": refs}, STRICT)
    assert len(json.dumps(said.schema)) < 1_000_000


def test_a_schema_of_endless_depth_is_refused_in_words():
    schema = {"type": "string"}
    for _ in range(5_000):
        schema = {"type": "array", "items": schema}
    with pytest.raises(UsageError, match="levels deep"):
        in_dialect(schema, LLG)


def text(**keywords):
    return {"type": "string", **keywords}


# What the table of a recorded Ollama server says: keywords, what is sent for them, what is left out.
TOLD_TO_LLAMA = [
    ("types", {"type": ["string", "null"]}, ..., []),
    (
        "required",
        {"type": "object", "properties": {"a": text()}, "required": ["a"], "additionalProperties": False},
        ...,
        [],
    ),
    (
        "optional properties",
        {"type": "object", "properties": {"a": text()}, "additionalProperties": False},
        ...,
        [],
    ),
    (
        "objects are closed",
        {"type": "object", "properties": {"a": text()}},
        {"additionalProperties": False},
        [],
    ),
    (
        "objects that are open",
        {"type": "object", "properties": {"a": text()}, "additionalProperties": True},
        ...,
        [],
    ),
    ("500 choices", {"enum": [f"choice {number}" for number in range(500)]}, ..., []),
    ("a constant", {"const": {"a": 1}}, ..., []),
    ("alternatives", {"anyOf": [text(), {"type": "integer"}]}, ..., []),
    (
        "one of several",
        {"oneOf": [text(), {"type": "integer"}]},
        {"oneOf": None, "anyOf": [text(), {"type": "integer"}]},
        [],
    ),
    (
        "one of several that overlap",
        {"oneOf": [{"type": "number"}, {"type": "integer"}]},
        {"oneOf": None, "anyOf": [{"type": "number"}, {"type": "integer"}]},
        ["oneOf (more than one may fit)"],
    ),
    (
        "all of one",
        {"allOf": [text(maxLength=3)], "title": "x"},
        {"allOf": None, "type": "string", "maxLength": 3},
        [],
    ),
    (
        "all of several",
        {"allOf": [text(), {"minLength": 2}]},
        {"allOf": None, "type": "string", "minLength": 2},
        [],
    ),
    (
        "all of objects",
        {
            "allOf": [
                {"type": "object", "properties": {"a": text()}},
                {"properties": {"b": text()}, "required": ["b"]},
            ]
        },
        {
            "allOf": None,
            "type": "object",
            "properties": {"a": text(), "b": text()},
            "required": ["b"],
            "additionalProperties": False,
        },
        [],
    ),
    ("counts of items", {"type": "array", "items": text(), "minItems": 1, "maxItems": 3}, ..., []),
    ("lengths", text(minLength=1, maxLength=3), ..., []),
    ("a length of thousands", text(maxLength=5000), {"maxLength": None}, ["maxLength 5000"]),
    ("bounds of integers", {"type": "integer", "minimum": 1, "maximum": 9}, ..., []),
    (
        "other bounds of integers",
        {"type": "integer", "exclusiveMinimum": 1, "exclusiveMaximum": 9.5},
        {"exclusiveMinimum": None, "exclusiveMaximum": None, "minimum": 2, "maximum": 9},
        [],
    ),
    (
        "broken bounds of integers",
        {"type": "integer", "minimum": 0.5, "maximum": 9.5},
        {"minimum": 1, "maximum": 9},
        [],
    ),
    ("bounds beyond 64 bits", {"type": "integer", "maximum": 2**70}, {"maximum": None}, [f"maximum {2**70}"]),
    ("bounds of numbers", {"type": "number", "minimum": 1}, {"minimum": None}, ["minimum 1"]),
    ("bounds of both", {"type": ["integer", "number"], "minimum": 1}, {"minimum": None}, ["minimum 1"]),
    ("multiples", {"type": "integer", "multipleOf": 5}, {"multipleOf": None}, ["multipleOf 5"]),
    (
        "sets",
        {"type": "array", "items": text(), "uniqueItems": True},
        {"uniqueItems": None},
        ["uniqueItems true"],
    ),
    ("not", {"not": text()}, {"not": None}, ['not {"type": "string"}']),
    (
        "if",
        {"type": "object", "if": {"required": ["a"]}, "then": {"required": ["b"]}},
        {"if": None, "then": None},
        ['if {"required": ["a"]}', 'then {"required": ["b"]}'],
    ),
    (
        "names",
        {"type": "object", "propertyNames": {"maxLength": 3}},
        {"propertyNames": None},
        ['propertyNames {"maxLength": 3}'],
    ),
    (
        "names by patterns",
        {"type": "object", "patternProperties": {"^a": text()}, "additionalProperties": False},
        {"patternProperties": None, "additionalProperties": None},
        ['patternProperties {"^a": {"type": "string"}}'],
    ),
    (
        "numbers of properties",
        {"type": "object", "minProperties": 2},
        {"minProperties": None},
        ["minProperties 2"],
    ),
    (
        "typed additional properties",
        {"type": "object", "additionalProperties": text()},
        ...,
        ['additionalProperties {"type": "string"}'],
    ),
    ("dates", text(format="date"), ..., []),
    ("date and time", text(format="date-time"), ..., []),
    ("times", text(format="time"), ..., []),
    ("identifiers", text(format="uuid"), ..., []),
    ("addresses", text(format="uri"), ..., []),
    ("mail", text(format="email"), {"format": None, "pattern": EMAIL}, []),
    ("hosts", text(format="ipv4"), {"format": None, "pattern": IPV4}, []),
    ("other formats", text(format="hostname"), {"format": None}, ['format "hostname"']),
    (
        "a length beside another format",
        text(format="password", maxLength=8),
        {"format": None},
        ['format "password"'],
    ),
    ("a length beside a format", text(format="date", maxLength=8), {"maxLength": None}, ["maxLength 8"]),
    ("a length beside a pattern", text(pattern="^a+$", maxLength=8), {"maxLength": None}, ["maxLength 8"]),
    (
        "a length beside no pattern",
        text(pattern=r"^\p{L}+$", maxLength=8),
        {"pattern": None},
        [r'pattern "^\\p{L}+$"'],
    ),
    ("a pattern", text(pattern="^[a-c]{2}(x|y)*$"), ..., []),
    ("letters beyond ASCII", text(pattern="^größe$"), ..., []),
    ("shorthands", text(pattern=r"^\d{3}$"), {"pattern": "^[0-9]{3}$"}, []),
    ("no anchors", text(pattern="[0-9]"), {"pattern": f"^{ANY}*[0-9]{ANY}*$"}, []),
    ("a dot", text(pattern="^x.z$"), {"pattern": f"^x{ANY}z$"}, []),
    ("a negated class", text(pattern="^[^0-9]$"), {"pattern": r'^[^\x00-\x1f"0-9\\]$'}, []),
    ("a pattern that allows all", text(pattern=""), {"pattern": None}, []),
    ("look-around", text(pattern="^(?!a)b$"), {"pattern": None}, ['pattern "^(?!a)b$"']),
    ("word boundaries", text(pattern=r"\ba\b"), {"pattern": None}, [r'pattern "\\ba\\b"']),
    ("flags", text(pattern="(?i)a"), {"pattern": None}, ['pattern "(?i)a"']),
    (
        "the first items",
        {"type": "array", "prefixItems": [text(), {"type": "integer"}], "items": False},
        {"items": None},
        [],
    ),
    (
        "the first items and others",
        {"type": "array", "prefixItems": [text()], "items": {"type": "integer"}},
        {"items": None},
        ['items {"type": "integer"}'],
    ),
    ("true", {"type": "array", "items": True}, {"items": {}}, []),
    (
        "notes",
        text(default="x", examples=["y"], title="T", description="D"),
        {"default": None, "examples": None},
        [],
    ),
    ("a keyword nobody knows", text(foo=1), {"foo": None}, ["foo 1"]),
    (
        "a reference elsewhere",
        {"$ref": "http://localhost/a.json"},
        {"$ref": None},
        ['$ref "http://localhost/a.json"'],
    ),
]


@pytest.mark.parametrize(
    ("keywords", "changes", "unsaid"),
    [row[1:] for row in TOLD_TO_LLAMA],
    ids=[row[0] for row in TOLD_TO_LLAMA],
)
def test_a_schema_is_said_as_llama_cpp_keeps_it(keywords, changes, unsaid):
    said = in_dialect({"type": "object", "properties": {"a": keywords}, "required": ["a"]}, LLAMA)
    wanted = keywords if changes is ... else {**keywords, **changes}
    assert said.schema["properties"]["a"] == {
        key: value for key, value in wanted.items() if value is not None
    }
    assert said.unsaid == tuple(f"$.a: {what}" for what in unsaid)


def test_a_constraint_beside_a_reference_is_written_out():
    schema = {
        "type": "object",
        "properties": {"a": {"$ref": "#/$defs/A", "maxLength": 3}},
        "$defs": {"A": {"type": "string"}},
    }
    assert in_dialect(schema, LLAMA).schema["properties"]["a"] == {"type": "string", "maxLength": 3}


def test_a_reference_to_the_whole_goes_to_a_definition():
    schema = {"type": "object", "properties": {"next": {"anyOf": [{"$ref": "#"}, {"type": "null"}]}}}
    said = in_dialect(schema, LLAMA).schema
    assert said["$ref"] == "#/$defs/root"
    assert said["$defs"]["root"]["properties"]["next"]["anyOf"][0] == {"$ref": "#/$defs/root"}


def test_what_is_left_out_names_its_place():
    schema = {
        "type": "object",
        "properties": {
            "list": {"type": "array", "items": {"type": "number", "minimum": 0}},
            "pair": {"type": "array", "prefixItems": [{"type": "number", "maximum": 1}]},
            "street": {"$ref": "#/$defs/Street"},
        },
        "$defs": {"Street": {"type": "object", "properties": {"number": {"multipleOf": 2}}}},
    }
    assert in_dialect(schema, LLAMA).unsaid == (
        "$.list[]: minimum 0",
        "$.pair[0]: maximum 1",
        "Street.number: multipleOf 2",
    )


# Why strict mode is not claimed.
NOT_CLAIMED = [
    ({"type": "array", "items": text()}, "$ is no object"),
    ({"anyOf": [Street.model_json_schema()]}, "$ is no object"),
    ({"type": "object"}, "$ is an object of any properties"),
    ({"type": "object", "properties": {"a": {}}}, "$.a is of any type"),
    (
        {"type": "object", "properties": {"a": {"type": "array"}}},
        "$.a is an array of items that are not alike",
    ),
    ({"type": "object", "properties": {"a": text()}, "required": ["b"]}, "$ is an object of any properties"),
    (
        {"type": "object", "properties": {f"p{n}": text() for n in range(5001)}},
        "there are more than 5000 properties",
    ),
    (
        {"type": "object", "properties": {"a": {"enum": [str(n) for n in range(1001)]}}},
        "there are more than 1000 choices",
    ),
]


@pytest.mark.parametrize(("schema", "why"), NOT_CLAIMED, ids=[why for _, why in NOT_CLAIMED])
def test_why_strict_mode_is_not_claimed_is_said(schema, why):
    said = in_dialect(schema, STRICT)
    assert not said.strict
    assert said.schema is schema
    assert said.unsaid == (f"$: the schema as a whole, for strict mode takes none in which {why}",)


def test_objects_in_eleven_levels_are_not_called_strict():
    schema = text()
    for _ in range(11):
        schema = {"type": "object", "properties": {"a": schema}}
    assert not in_dialect(schema, STRICT).strict


# What llguidance keeps beyond the others.
KEPT_BY_LLGUIDANCE = [
    {"type": "number", "minimum": 1, "exclusiveMaximum": 2.5, "multipleOf": 0.5},
    {"type": "array", "prefixItems": [text()], "items": False},
    {"type": "object", "patternProperties": {"^a": text()}, "additionalProperties": False},
    {"type": "object", "additionalProperties": text(), "minProperties": 1},
    text(format="duration"),
    text(format="email", maxLength=30),
    text(pattern=r"^\d+\"$", maxLength=3),
]


@pytest.mark.parametrize("keywords", KEPT_BY_LLGUIDANCE, ids=json.dumps)
def test_llguidance_is_told_what_it_keeps(keywords):
    said = in_dialect({"type": "object", "properties": {"a": keywords}, "required": ["a"]}, LLG)
    assert said.schema["properties"]["a"] == keywords
    assert not said.unsaid


NODE = {"type": "object", "properties": {"next": {"$ref": "#/$defs/Node"}}, "required": ["next"]}
CHAIN = {"anyOf": [{"$ref": "#/$defs/Node"}, {"type": "null"}]}


@pytest.mark.parametrize(
    ("schema", "endless"),
    [
        ({"$ref": "#/$defs/Node", "$defs": {"Node": NODE}}, True),
        ({"$ref": "#/$defs/Node", "$defs": {"Node": {"$ref": "#/$defs/Node"}}}, True),
        ({"$ref": "#/$defs/Node", "$defs": {"Node": {"allOf": [NODE]}}}, True),
        ({"$ref": "#/$defs/Node", "$defs": {"Node": {"anyOf": [NODE, NODE]}}}, True),
        ({"type": "object", "properties": {"a": False}, "required": ["a"]}, True),
        ({"$ref": "#/$defs/Node", "$defs": {"Node": {**NODE, "required": []}}}, False),
        ({"$ref": "#/$defs/Node", "$defs": {"Node": {**NODE, "properties": {"next": CHAIN}}}}, False),
        ({"$ref": "#/$defs/Node", "$defs": {"Node": {"type": "array", "items": NODE}}}, False),
        ({"$ref": "#/$defs/Node", "$defs": {"Node": {"type": "array", "items": NODE, "minItems": 1}}}, True),
        ({"$ref": "#/$defs/Missing"}, False),
        ({"$ref": "http://127.0.0.1/a"}, False),
        ({"type": ["object", "null"], **{key: NODE[key] for key in ("properties", "required")}}, False),
    ],
)
@pytest.mark.parametrize("dialect", [STRICT, LLAMA, LLG])
def test_a_schema_whose_values_never_end_is_refused(schema, endless, dialect):
    if endless:
        with pytest.raises(UsageError, match="No value"):
            in_dialect(schema, dialect)
    else:
        assert in_dialect(schema, dialect).schema is not None
