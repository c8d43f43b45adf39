"""Nothing that a source says becomes code of its module."""

import ast
import json
import re
import unicodedata

from hypothesis import given, settings

from syncflow_pipelines.schemas.model import SchemaSource
from syncflow_pipelines.schemas.rendering.module import render
from syncflow_pipelines_tests.unit.schema_worlds import every_kind, hostile_sources, imported, rendered

CALLED = {
    "Annotated", "BeforeValidator", "ConfigDict", "Decimal", "Field", "PlainSerializer", "TypeVar", "UUID",
    "ValueError", "WithJsonSchema", "_dt.date", "_dt.datetime.fromisoformat", "_dt.time.fromisoformat", "_dt.timedelta",
    "b64decode", "b64encode", "b64encode(value).decode", "float", "ip_interface", "ip_network", "isinstance", "list",
    "schema.pop", "handler", "_LeftOut", "value.values",
}  # fmt: skip
FUNCTIONS = {"_refuse_null", "_is_left_out", "_without_default", "_decoded", "_encoded", "_listed", "_LeftOut"}
DEFINED = {"__all__", "_T", "NotNull", "Omittable", "Base64", "Related"}


def names_of(statements: list[ast.stmt]) -> list[str]:
    """What a module or class defines; fails where it does anything else."""
    found = []
    for statement in statements:
        match statement:
            case ast.Expr(value=ast.Constant(value=str())) | ast.Pass():
                continue
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name):
                found.append(name)
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                found.append(name)
            case ast.Import() | ast.ImportFrom():
                continue
            case _:
                raise AssertionError(ast.unparse(statement))
    assert len(set(found)) == len(found)
    return found


def check_structure(text: str, exports: tuple[str, ...]) -> None:
    tree = ast.parse(text)
    classes = {each.name: each for each in tree.body if isinstance(each, ast.ClassDef)}
    assert set(names_of(tree.body)) - DEFINED - FUNCTIONS == set(classes) - {"_LeftOut"} == set(exports)
    for each in classes.values():
        assert all(unicodedata.is_normalized("NFKC", name) for name in names_of(each.body))
    calls = {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    assert calls <= CALLED
    roots = {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
    places = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    allowed = {"base64", "decimal", "enum", "ipaddress", "pydantic", "pydantic_core", "typing", "uuid"}
    assert roots <= {"datetime"}
    assert places <= allowed


@settings(max_examples=60, deadline=None)
@given(hostile_sources)
def test_a_module_defines_its_classes_and_does_nothing_else(source: SchemaSource) -> None:
    made = render(source, name='"""\nimport os', digest="\\\n'''", with_relations=True)
    check_structure(made.text, made.exports)
    with imported(made.text) as module:
        for name in made.exports:
            schema = getattr(module, name)
            if hasattr(schema, "model_json_schema"):
                json.dumps(schema.model_json_schema())


def test_the_module_of_every_kind_defines_its_classes_and_does_nothing_else() -> None:
    made = render(every_kind, name="shop", digest="d", with_relations=True)
    check_structure(made.text, made.exports)


def test_no_text_of_a_source_is_read_as_a_template() -> None:
    product = every_kind.models[0]
    source = SchemaSource((type(product)("{{ 7 * 7 }}", product.fields[:1], "{% set x %}{{ 6 * 7 }}"),))
    text = rendered(source)
    assert not re.search("42|49", text)
    assert re.search(r"\{\{ 6 \* 7 \}\}", text)
