"""Every real spec is generated: its server lists its tools, and each of them makes a request."""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import orjson
import pytest
from jsonschema import Draft202012Validator

from syncflow_pipelines.codegen.runtime.catalogue import Catalogue, ToolPlan
from syncflow_pipelines.codegen.runtime.stored import from_document
from syncflow_pipelines.codegen.stored import store
from syncflow_pipelines.codegen.verification import Verifier
from syncflow_pipelines.errors import SpecError
from syncflow_pipelines.openapi.model import Spec
from syncflow_pipelines.openapi.normalising import normalise
from syncflow_pipelines.openapi.parsing import parse
from syncflow_pipelines_tests.unit.generated_world import World

Json = Any

MAX_LIST_BYTES = 2_000_000

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@cache
def specs(folder: Path) -> dict[str, Spec]:
    """Those that can be used, by name."""
    found = {}
    for path in sorted(folder.glob("*.[jy][sa][om][nl]")):
        try:
            found[re.sub(r"\W", "_", path.stem)] = normalise(parse(path.read_bytes()))
        except SpecError:
            continue
    assert found
    return found


def plans(spec: Spec) -> Iterator[ToolPlan]:
    yield from Catalogue(from_document(orjson.loads(store(spec).content))).plans.values()


def test_every_spec_is_generated_and_lists_its_tools(real_specs: Path, tmp_path: Path) -> None:
    world = World(tmp_path)
    for name, spec in specs(real_specs).items():
        world.add(name, spec)
    report = world.generate(verifier=Verifier)
    for each in report.services:
        assert each.status == "generated", (each.service, each.error)
        assert each.sizes is not None
        assert each.sizes.tools == len(world.specs[each.service].operations)
        assert each.sizes.list_bytes <= MAX_LIST_BYTES
        if each.sizes.mode == "tools":
            assert each.sizes.list_bytes == each.sizes.catalogue_bytes, each.service


def test_names_and_schemas_are_what_clients_and_models_take(real_specs: Path) -> None:
    for spec in specs(real_specs).values():
        names = [plan.name for plan in plans(spec)]
        assert len(names) == len(set(names)) == len(spec.operations)
        for plan in plans(spec):
            schema = plan.call.schema
            assert re.fullmatch(r"[A-Za-z0-9_]{1,56}", plan.name)
            assert all(re.fullmatch(r"[A-Za-z0-9_.-]{1,64}", name) for name in schema["properties"]), plan.name
            Draft202012Validator.check_schema(schema)
            assert dangling(schema) == set(), plan.name
            assert plan.description


def test_every_tool_makes_a_request(real_specs: Path) -> None:
    for spec in specs(real_specs).values():
        for plan in plans(spec):
            schema = plan.call.schema
            arguments = {name: sample(each, schema) for name, each in schema["properties"].items()}
            target, _ = plan.call.request(arguments)
            assert target.path.startswith("/")
            assert re.fullmatch(r"[!-~]+", target.path), plan.request
            assert "{" not in target.path, plan.request


def dangling(schema: Json) -> set[str]:
    """References that lead nowhere."""
    wanted = {value.removeprefix("#/$defs/") for value in references(schema)}
    return {name.replace("~1", "/").replace("~0", "~") for name in wanted} - set(schema.get("$defs", {}))


def references(value: Json) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for each in value.values():
            yield from references(each)
    elif isinstance(value, list):
        for each in value:
            yield from references(each)


def sample(schema: Json, root: Json, depth: int = 0) -> Json:
    """A value that is more or less what the schema wants."""
    if not isinstance(schema, dict) or depth > 8:
        return "x"
    if "$ref" in schema:
        name = schema["$ref"].removeprefix("#/$defs/").replace("~1", "/").replace("~0", "~")
        return sample(root["$defs"][name], root, depth + 1)
    for key in ("anyOf", "oneOf", "allOf"):
        if schema.get(key):
            return sample(schema[key][0], root, depth + 1)
    if schema.get("enum"):
        return next((value for value in schema["enum"] if value not in ("", None)), "x")
    kinds = schema.get("type", "string")
    kind = kinds if isinstance(kinds, str) else kinds[0]
    if kind == "array":
        return [sample(schema.get("items", True), root, depth + 1)]
    if kind == "object":
        return {name: sample(each, root, depth + 1) for name, each in schema.get("properties", {}).items()}
    return {"integer": 1, "number": 1.5, "boolean": True}.get(kind, "AAAA")
