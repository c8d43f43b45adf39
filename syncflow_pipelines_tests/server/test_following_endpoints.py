"""Specs that are followed at intervals, and when code is generated from one that has not changed."""

from pathlib import Path

import pytest

from syncflow_pipelines.config import Settings
from syncflow_pipelines_tests.server.spec_host import SpecHost, json_of
from syncflow_pipelines_tests.unit.followed_specs import following, wait_for
from syncflow_pipelines_tests.unit.spec_files import document

SERVICES = """
services:
  - {{name: crm, base_url: '{url}', openapi_path: /openapi.json, components: [mcp]}}
settings:
  {{output_dir: specs, generated_dir: generated, watch_interval: 1, on_change_only: {on_change_only}}}
"""


@pytest.mark.slow
@pytest.mark.parametrize("on_change_only", [True, False])
def test_code_is_generated_at_every_look_only_where_on_change_only_is_false(
    tmp_path: Path, on_change_only: bool
) -> None:
    (tmp_path / "config").mkdir()
    settings = Settings(config_dir=tmp_path / "config", home=tmp_path / "home")
    module = tmp_path / "generated" / "crm_mcp.py"
    with SpecHost({"/openapi.json": json_of(document())}) as host:
        said = SERVICES.format(url=host.url, on_change_only=str(on_change_only).lower())
        (tmp_path / "config" / "auto_sync_services.yaml").write_text(said)
        with following(settings) as told:
            wait_for(lambda: len(told.reports) == 1 and module.exists(), told)
            looks = len(told.looks)
            module.unlink()
            wait_for(lambda: len(told.looks) >= looks + 3, told)
            if on_change_only:
                assert len(told.reports) == 1
                assert not module.exists()
            else:
                wait_for(module.exists, told)
                wait_for(lambda: len(told.reports) >= 4, told)
    assert set(told.statuses()) == {"changed", "unchanged"}
