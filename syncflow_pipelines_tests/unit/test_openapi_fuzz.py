"""Whatever comes: a spec that is whole, or a `SpecError`. Nothing else, and never a wait without end.

The documents are the same in every run; `SYNCFLOW_FUZZ_SECONDS=600` draws others for so long.
"""

import json
import os
import random
import time
from contextlib import suppress
from copy import deepcopy

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openapi_pydantic import OpenAPI

from syncflow_pipelines.errors import SpecError
from syncflow_pipelines.openapi.inner_form import dump_spec, load_spec
from syncflow_pipelines.openapi.limits import Limits
from syncflow_pipelines.openapi.model import METHODS, Json, Spec
from syncflow_pipelines.openapi.normalising import normalise
from syncflow_pipelines.openapi.parsing import parse_value
from syncflow_pipelines.openapi.specs import spec_of
from syncflow_pipelines_tests.unit.openapi_mutations import SEEDS, mutated, places_in

SECONDS = float(os.environ.get("SYNCFLOW_FUZZ_SECONDS", "0"))
LIMITS = Limits(max_bytes=200_000, max_values=20_000, max_documents=20)
DEADLINE_S = 60
FUZZED = settings(
    derandomize=True,
    deadline=None,
    max_examples=300,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def spec_or_refusal(body: bytes, other: bytes = b"{}") -> Spec | None:
    start = time.process_time()
    try:
        spec = spec_of(body, "https://a.example/root.yaml", lambda _: other, lambda _: True, limits=LIMITS)
    except SpecError:
        spec = None
    assert time.process_time() - start < DEADLINE_S
    return spec


def assert_whole(spec: Spec) -> None:
    ids = [operation.id for operation in spec.operations]
    assert len(set(ids)) == len(ids)
    assert all(operation.digest for operation in spec.operations)
    standing = {(path, method) for path, item in spec.document["paths"].items() for method in item}
    assert standing == {operation.key for operation in spec.operations if operation.method in METHODS}
    OpenAPI.model_validate(spec.document)
    assert load_spec(dump_spec(spec)) == spec
    again = normalise(dict(spec.document))
    assert len(again.operations) == len(standing)


def written(document: Json, source: random.Random) -> bytes:
    if source.random() < 0.7:
        return json.dumps(document).encode()
    return yaml.safe_dump(document, sort_keys=False).encode("utf-8", "surrogatepass")


def look_at(number: int) -> None:
    source = random.Random(number)
    document = mutated(source.choice(SEEDS), source)
    other = written(source.choice(places_in(document))[0], source)
    spec = spec_or_refusal(written(document, source), other)
    if spec is not None:
        assert_whole(spec)


@pytest.mark.parametrize("part", range(10))
def test_documents_that_are_nearly_right_are_used_or_refused(part: int) -> None:
    for number in range(part * 60, part * 60 + 60):
        look_at(number)


@pytest.mark.slow
@pytest.mark.timeout(0)
@pytest.mark.skipif(not SECONDS, reason="SYNCFLOW_FUZZ_SECONDS says for how long to draw other documents")
def test_so_are_others() -> None:
    drawn = random.SystemRandom()
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        number = drawn.randrange(10**12)
        try:
            look_at(number)
        except Exception as error:
            raise AssertionError(f"look_at({number}) raised {type(error).__name__}: {error}") from error


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: seed.get("openapi", "2.0"))
def test_a_document_that_is_normalised_is_not_altered(seed: Json) -> None:
    for number in range(50):
        document = mutated(seed, random.Random(number))
        before = deepcopy(document)
        with suppress(SpecError):
            normalise(document, limits=LIMITS)
        assert document == before


keys = st.text(max_size=5) | st.sampled_from(
    ["$ref", "type", "properties", "paths", "/a/{b}", "get", "schema", "allOf"]
)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=30,
)


@FUZZED
@given(
    st.fixed_dictionaries(
        {"openapi": st.sampled_from(["3.0.0", "3.1.0", "3.2.0"])}, optional={"paths": values, "components": values}
    )
)
def test_values_of_any_form_are_used_or_refused(document: Json) -> None:
    try:
        spec = normalise(document, limits=LIMITS)
    except SpecError:
        return
    assert_whole(spec)


@FUZZED
@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "replace")))
def test_bytes_of_any_kind_are_read_or_refused(body: bytes) -> None:
    try:
        parsed = parse_value(body, LIMITS)
    except SpecError:
        return
    json.dumps(parsed.value, allow_nan=False).encode()


TOKENS = [
    "{",
    "}",
    "[",
    "]",
    ":",
    ": ",
    ",",
    "\n",
    " ",
    "- ",
    "? ",
    "&a ",
    "*a",
    "<<: ",
    "!t ",
    "|\n",
    ">\n",
    "'",
    '"',
    "#",
    "---\n",
]


@FUZZED
@given(
    st.lists(
        st.sampled_from([*TOKENS, "a", "1", "openapi: 3.0.0\n", '"\\ud800"', "1e999", "\t", "\0", "%A\n"]), max_size=60
    )
)
def test_signs_of_yaml_and_json_in_any_order_are_read_or_refused(tokens: list[str]) -> None:
    try:
        parsed = parse_value("".join(tokens).encode(), LIMITS)
    except SpecError:
        return
    json.dumps(parsed.value, allow_nan=False).encode()
