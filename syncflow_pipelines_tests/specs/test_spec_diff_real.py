"""Real specs compared with themselves, and with themselves after one change."""

from collections.abc import Iterator
from copy import deepcopy
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import pytest

from syncflow_pipelines.errors import SpecError
from syncflow_pipelines.openapi.diff import as_json, as_markdown, as_text, compare
from syncflow_pipelines.openapi.model import Spec
from syncflow_pipelines.openapi.normalising import normalise
from syncflow_pipelines.openapi.parsing import parse
from syncflow_pipelines_tests.unit.diff_mutations import MUTATIONS, Mutation, shuffled
from syncflow_pipelines_tests.unit.diff_specs import rules

MUTATED = ("petstore3.yaml", "train_travel31.json", "museum31.yaml", "box.json", "moby_docker.yaml")
SEEDS = range(2)

pytestmark = pytest.mark.slow


@cache
def normalised(path: Path) -> Spec:
    return normalise(parse(path.read_bytes()))


def usable(folder: Path) -> Iterator[tuple[Path, Spec]]:
    for path in sorted(folder.glob("*.[jy][sa][om][nl]")):
        try:
            yield path, normalised(path)
        except SpecError:
            continue


def spec_at(folder: Path, name: str) -> Spec:
    path = folder / name
    if not path.is_file():
        pytest.skip(f"{path} is not there")
    return normalised(path)


def after(mutation: Mutation, spec: Spec, seed: int) -> tuple[str | None, Spec]:
    """The operation that changed, and the spec of the changed document."""
    document: Any = deepcopy(spec.document)
    changed = mutation(document, Random(seed))
    return changed, normalise(document)


def test_no_real_spec_differs_from_itself_in_any_order_of_keys(real_specs: Path) -> None:
    seen = 0
    for path, spec in usable(real_specs):
        again = normalise(shuffled(parse(path.read_bytes()), Random(seen)))
        assert compare(spec, spec).is_empty
        assert compare(spec, again).is_empty, path
        seen += 1
    assert seen


@pytest.mark.parametrize("name", MUTATED)
@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.__name__)
def test_every_mutation_of_a_real_spec_is_found_by_its_rule(real_specs: Path, name: str, mutation: Mutation) -> None:
    spec = normalise(deepcopy(dict(spec_at(real_specs, name).document)))
    for seed in SEEDS:
        changed, new = after(mutation, spec, seed)
        if changed is None:
            pytest.skip("there is no place for such a change")
        there, back = compare(spec, new), compare(new, spec)
        found = [change for change in there.changes if change.rule in MUTATIONS[mutation]]
        assert any(changed in map(str, change.operations) for change in found), (seed, changed, as_text(there))
        assert not back.is_empty


def test_one_property_of_github_is_one_change(real_specs: Path) -> None:
    old = spec_at(real_specs, "github.json")
    document: Any = deepcopy(old.document)
    del document["components"]["schemas"]["simple-user"]["properties"]["login"]
    new = normalise(document)
    diff = compare(old, new)
    assert rules(diff) == ["response-property-removed"]
    assert len(diff.changes[0].operations) > 200
    assert len(as_markdown(diff)) < 1_000


def test_different_services_are_compared_and_shown_within_bounds(real_specs: Path) -> None:
    old, new = spec_at(real_specs, "github.json"), spec_at(real_specs, "box.json")
    diff = compare(old, new)
    assert diff.is_breaking
    assert len(as_markdown(diff)) < 21_000
    assert len(as_json(diff)["changes"]) == sum(diff.counts.values())
