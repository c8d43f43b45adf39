"""Real specs of real services, fetched, kept and recognised; skipped where they are not at hand."""

import os
from pathlib import Path

import pytest

from syncflow_pipelines.openapi.refreshing import refresh
from syncflow_pipelines_tests.server.raw_server import Step, reply
from syncflow_pipelines_tests.server.spec_host import SpecHost, services_in, settings_in

FOLDER = Path(os.environ.get("SYNCFLOW_TEST_SPECS") or Path(__file__).parents[3] / "shared" / "specs")
SPECS = sorted([*FOLDER.glob("*.json"), *FOLDER.glob("*.yaml")])


@pytest.mark.slow
@pytest.mark.skipif(not SPECS, reason=f"there are no specs in {FOLDER}; SYNCFLOW_TEST_SPECS may name another folder")
def test_every_real_spec_is_kept_and_recognised(tmp_path: Path) -> None:
    routes: dict[str, Step] = {f"/{path.stem}": reply(200, path.read_bytes()) for path in SPECS}
    with SpecHost(routes) as host:
        named = [host.service(f"s-{stem[1:]}", openapi_paths=(stem,), timeout_s=60.0) for stem in routes]
        services = services_in(tmp_path, *named)
        first = refresh(services, settings_in(tmp_path))
        again = refresh(services, settings_in(tmp_path))
    failed = {one.service for one in first if one.status == "failed"}
    assert failed <= {f"s-{path.stem}" for path in SPECS if path.stem.startswith("invalid")}
    assert all(one.error_type in ("UnusableSpec", "SpecTooLarge") for one in first if one.status == "failed")
    assert {one.status for one in first if one.service not in failed} == {"changed"}
    assert {one.status for one in again if one.service not in failed} == {"unchanged"}
    assert [one.spec.checksum for one in again if one.service not in failed] == [
        one.checksum for one in first if one.service not in failed
    ]
