"""Every real spec comes into the inner form, and FastMCP takes it from there with nothing missing."""

import asyncio
import random
import re
import resource
import subprocess
import sys
from copy import deepcopy
from pathlib import Path

import httpx2
import pytest
from fastmcp import FastMCP
from openapi_pydantic import OpenAPI

from syncflow_pipelines.config.services import OperationRule
from syncflow_pipelines.errors import UnusableSpec
from syncflow_pipelines.openapi.bundling import bundle
from syncflow_pipelines.openapi.inner_form import dump_spec, load_spec
from syncflow_pipelines.openapi.model import METHODS, Json
from syncflow_pipelines.openapi.normalising import normalise
from syncflow_pipelines.openapi.parsing import parse
from syncflow_pipelines.openapi.selection import select
from syncflow_pipelines_tests.specs.real_specs import FOLDER, UNUSABLE, every_usable, needs_specs, spec_of

pytestmark = needs_specs
REPOSITORY = Path(__file__).parents[2]
OPERATIONS = {
    "box.json": 296,
    "circular30.json": 1,
    "circular_paths.json": 3,
    "discord.json": 242,
    "github.json": 1223,
    "invalid_dup_opids.yaml": 2,
    "moby_docker.yaml": 108,
    "museum31.yaml": 8,
    "openai.yaml": 288,
    "param_styles31.json": 25,
    "petstore2.json": 3,
    "petstore3.yaml": 19,
    "tags32.json": 4,
    "train_travel31.json": 7,
    "webhooks31.json": 0,
}


@every_usable
def test_every_operation_is_used(path: Path) -> None:
    spec = spec_of(path)
    assert not [finding for finding in spec.findings if finding.is_fatal]
    assert len(spec.operations) == OPERATIONS.get(path.name, len(spec.operations))
    assert bool(spec.operations) or path.name.startswith("webhooks")


@pytest.mark.parametrize("name", sorted(UNUSABLE))
def test_an_invalid_one_is_refused_with_the_reason(name: str) -> None:
    if not (FOLDER / name).exists():
        pytest.skip(f"{name} is not in {FOLDER}")
    with pytest.raises(UnusableSpec, match=r"no key 'openapi'|does not lead to a path item|is in the path .* twice"):
        normalise(parse((FOLDER / name).read_bytes()))


@every_usable
def test_the_inner_document_is_one_of_3_1(path: Path) -> None:
    OpenAPI.model_validate(spec_of(path).document)


@every_usable
def test_it_refers_to_nothing_but_its_schemas(path: Path) -> None:
    spec = spec_of(path)
    names = re.findall(rb'"\$ref":"#/components/schemas/([^"]+)"', dump_spec(spec))
    assert {name.decode() for name in names} <= spec.document["components"]["schemas"].keys()


@every_usable
def test_fastmcp_makes_a_tool_of_each_operation_under_its_own_name(path: Path) -> None:
    spec = spec_of(path)

    async def names() -> set[str]:
        async with httpx2.AsyncClient(base_url="http://127.0.0.1:9") as client:
            server = FastMCP.from_openapi(dict(spec.document), client, validate_output=False)
            return {tool.name for tool in await server.list_tools()}

    assert asyncio.run(names()) == {found.id for found in spec.operations if found.method in METHODS}


@every_usable
def test_ids_are_unique_valid_and_kept_when_operations_come_and_go(path: Path) -> None:
    spec = spec_of(path)
    ids = {found.key: found.id for found in spec.operations}
    assert len(set(ids.values())) == len(ids)
    assert all(re.fullmatch(r"[A-Za-z0-9_]{1,56}", found) for found in ids.values())
    document = parse(path.read_bytes())
    paths = document.get("paths") or {}
    fewer = {key: item for number, (key, item) in enumerate(paths.items()) if number % 3}
    if not fewer or "#/paths" in path.read_text():
        return
    left = normalise({**document, "paths": fewer}, ids)
    assert {found.key: found.id for found in left.operations}.items() <= ids.items()
    back = normalise(document, {found.key: found.id for found in left.operations})
    assert {key: found for key, found in ids.items() if key in {left.key for left in left.operations}}.items() <= {
        found.key: found.id for found in back.operations
    }.items()


def shuffled(value: Json, order: random.Random) -> Json:
    if isinstance(value, dict):
        items = [(key, shuffled(item, order)) for key, item in value.items()]
        order.shuffle(items)
        return dict(items)
    return [shuffled(item, order) for item in value] if isinstance(value, list) else value


@every_usable
def test_the_order_of_keys_counts_for_nothing(path: Path) -> None:
    document = shuffled(parse(path.read_bytes()), random.Random(path.name))
    before = deepcopy(document)
    spec, expected = normalise(document), spec_of(path)
    assert (spec.checksum, spec.contract) == (expected.checksum, expected.contract)
    assert [found.digest for found in spec.operations] == [found.digest for found in expected.operations]
    assert document == before


@every_usable
def test_the_inner_form_comes_back_from_bytes(path: Path) -> None:
    assert load_spec(dump_spec(spec_of(path))) == spec_of(path)


@every_usable
def test_the_inner_form_is_a_document_with_the_same_operations(path: Path) -> None:
    again = normalise(dict(spec_of(path).document))
    expected = [found.key for found in spec_of(path).operations if found.method in METHODS]
    assert [found.key for found in again.operations] == expected


@every_usable
def test_no_file_refers_to_another(path: Path) -> None:
    document = parse(path.read_bytes())
    assert bundle(document, str(path), lambda _: b"", lambda _: False)[0] is document


@every_usable
def test_a_part_of_it_is_whole(path: Path) -> None:
    spec = spec_of(path)
    if not any(found.method == "get" for found in spec.operations):
        return
    part = select(spec, (OperationRule(methods=("get",)),), ())
    OpenAPI.model_validate(part.document)
    assert {found.key: found for found in part.operations}.items() <= {
        found.key: found for found in spec.operations
    }.items()


BIG = """
import sys
from benchmarks.peak_memory import peak_mib
from syncflow_pipelines.openapi.inner_form import dump_spec, load_spec
from syncflow_pipelines.openapi.normalising import normalise
from syncflow_pipelines.openapi.parsing import parse
load_spec(dump_spec(normalise(parse(open(sys.argv[1], "rb").read()))))
print(peak_mib())
"""


@pytest.mark.parametrize(("name", "seconds"), [("github.json", 20), ("openai.yaml", 20)])
def test_a_large_one_takes_a_bounded_time_and_less_than_600_mb(name: str, seconds: float) -> None:
    path = FOLDER / name
    if not path.exists():
        pytest.skip(f"{name} is not in {FOLDER}")
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-c", BIG, str(path)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    # CPU seconds, start of Python included; idle it is less than 2
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < seconds
    assert float(done.stdout) < 600
