"""The demo source keeps to the APISmith contract that it publishes."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis
import yaml
from hypothesis import HealthCheck, settings

from syncflow_pipelines.demo.app import build_app, contract
from syncflow_pipelines.demo.erp import ensure_erp, open_erp
from syncflow_pipelines.demo.erp_rows import ERP
from syncflow_pipelines.demo.serving import serve_in_thread

TOKEN = "a-token-of-the-test"
SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "apismith" / "openapi.yaml"
HEADERS = {"Authorization": f"Bearer {TOKEN}"}


def contract_for(slugs: list[str]) -> dict[str, Any]:
    """The contract, for a source that has these entities only."""
    document: dict[str, Any] = yaml.safe_load(contract())
    slug = document["paths"]["/api/v1/data/{slug}"]["get"]["parameters"][0]
    assert slug["name"] == "slug"
    slug["schema"]["enum"] = slugs
    return document


any_source = schemathesis.openapi.from_dict(yaml.safe_load(contract()))
this_source = schemathesis.openapi.from_dict(contract_for([entity.spec.slug for entity in ERP]))
STEADY = settings(
    max_examples=30, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)


@pytest.fixture(scope="module")
def base_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    home = tmp_path_factory.mktemp("contract")
    ensure_erp(home, rows=400)
    with open_erp(home) as store, serve_in_thread(build_app(store, TOKEN)) as url:
        yield url


@any_source.parametrize()
@STEADY
def test_every_operation_answers_any_request_as_the_contract_says(case: schemathesis.Case[Any], base_url: str) -> None:
    case.call_and_validate(base_url, headers=HEADERS)


@this_source.include(operation_id="list_rows").parametrize()
@STEADY
def test_pages_of_real_entities_answer_any_query_as_the_contract_says(
    case: schemathesis.Case[Any], base_url: str
) -> None:
    case.call_and_validate(base_url, headers=HEADERS)


def test_the_contract_is_served_to_anybody(base_url: str) -> None:
    answer = httpx.get(f"{base_url}/openapi.yaml")
    assert answer.status_code == 200
    assert answer.text == contract()


def test_the_packaged_contract_is_the_shared_one() -> None:
    if not SHARED.exists():
        pytest.skip(f"no shared contract at {SHARED}: the repository stands alone")
    assert yaml.safe_load(contract()) == yaml.safe_load(SHARED.read_text("utf-8"))
