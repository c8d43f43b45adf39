"""The demo source keeps to the APISmith contract that it publishes."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import schemathesis
import yaml
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from syncflow_pipelines.demo.app import build_app, contract
from syncflow_pipelines.demo.erp import ensure_erp, open_erp
from syncflow_pipelines.demo.serving import serve_in_thread

TOKEN = "a-token-of-the-test"
SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "apismith" / "openapi.yaml"
HEADERS = {"Authorization": f"Bearer {TOKEN}"}
schema = schemathesis.openapi.from_dict(yaml.safe_load(contract()))
STEADY = settings(
    max_examples=30, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)


@pytest.fixture(scope="module")
def base_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    home = tmp_path_factory.mktemp("contract")
    ensure_erp(home, rows=400)
    with open_erp(home) as store, serve_in_thread(build_app(store, TOKEN)) as url:
        yield url


@schema.parametrize()
@STEADY
def test_every_operation_answers_any_request_as_the_contract_says(case: schemathesis.Case, base_url: str) -> None:
    case.call_and_validate(base_url, headers=HEADERS)


@schema.include(operation_id="list_rows").parametrize()
@schema.given(slug=st.sampled_from(["items", "customers", "suppliers", "employees", "prices", "exchange_rates"]))
@STEADY
def test_pages_of_real_entities_answer_any_query_as_the_contract_says(
    case: schemathesis.Case, base_url: str, slug: str
) -> None:
    case.path_parameters = {"slug": slug}
    case.call_and_validate(base_url, headers=HEADERS)


def test_the_contract_is_served_to_anybody(base_url: str) -> None:
    answer = httpx.get(f"{base_url}/openapi.yaml")
    assert answer.status_code == 200
    assert answer.text == contract()


def test_the_packaged_contract_is_the_shared_one() -> None:
    if not SHARED.exists():
        pytest.skip(f"no shared contract at {SHARED}: the repository stands alone")
    assert yaml.safe_load(contract()) == yaml.safe_load(SHARED.read_text("utf-8"))
