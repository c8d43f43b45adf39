"""Schemathesis asks the admin API for whatever its description allows and forbids, along its links too."""

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode

from syncflow_pipelines_tests.postgres.admin_api import ADMIN_TOKEN, ApiWorld, api

__all__ = ["api"]

HEADERS = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
BOUNDED: dict[str, Any] = {
    "deadline": None, "suppress_health_check": list(HealthCheck), "derandomize": True, "database": None,
    "phases": (Phase.explicit, Phase.generate),
}  # fmt: skip
EXAMPLES = 15


def described(api: ApiWorld) -> Any:
    schema = schemathesis.openapi.from_dict(api.get("/openapi.json"))
    schema.config.update(base_url=str(api.client.base_url).removesuffix("/api/v1/"), headers=HEADERS)
    # Whether a tag is the one of now, no description says.
    schema.config.checks.positive_data_acceptance.expected_statuses = ["2xx", "404", "409", "412"]
    return schema


@pytest.mark.slow
@pytest.mark.parametrize("mode", list(GenerationMode))
def test_every_operation_answers_as_it_is_described(api: ApiWorld, mode: GenerationMode) -> None:
    for found in described(api).get_all_operations():
        operation = found.ok()
        if mode is GenerationMode.POSITIVE or operation.body or operation.path_parameters or operation.query:
            asked_often(operation.as_strategy(generation_mode=mode), mode, api)


def asked_often(cases: st.SearchStrategy[Any], mode: GenerationMode, api: ApiWorld) -> None:
    @settings(max_examples=EXAMPLES, **BOUNDED)
    @given(cases)
    def check(case: Any) -> None:
        if mode is GenerationMode.POSITIVE:
            leave_out_what_cannot_be_described(case, api)
        case.call_and_validate(headers=HEADERS)

    check()


def leave_out_what_cannot_be_described(case: Any, api: ApiWorld) -> None:
    """Cursors are what the API gave, keys what the entity has, and nobody is to be asked but the source of the test."""
    if isinstance(case.body, dict) and "base_url" in case.body:
        case.body["base_url"] = api.world.connector.base_url
    for name in ("cursor", "key"):
        (case.query or {}).pop(name, None)


def forget_what_was_added(api: ApiWorld) -> None:
    """So that the same calls have the same answers again."""
    with api.world.database.connection() as connection:
        connection.execute("DELETE FROM connectors WHERE managed_by = 'api'")
        connection.execute("DELETE FROM sync_runs WHERE status = 'queued' OR completed_at IS NULL")


@pytest.mark.slow
def test_links_lead_to_answers_as_they_are_described(api: ApiWorld) -> None:
    class Machine(described(api).as_state_machine()):  # type: ignore[misc]  # made while the test runs
        def get_call_kwargs(self, case: Any) -> dict[str, Any]:
            return {"headers": HEADERS}

        def setup(self) -> None:
            forget_what_was_added(api)

        def before_call(self, case: Any) -> None:
            leave_out_what_cannot_be_described(case, api)

    Machine.run(settings=settings(max_examples=20, stateful_step_count=6, **BOUNDED))
