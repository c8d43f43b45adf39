"""What docs/gateway.md shows of endpoints that fail is so."""

import re
from pathlib import Path

from syncflow_pipelines.gateway import fallbacks, retries
from syncflow_pipelines_tests.unit.config_project import Project

GUIDE = (Path(__file__).parents[2] / "docs" / "gateway.md").read_text()
SECTION = GUIDE.partition("## While an endpoint fails")[2].partition("\n## ")[0]


def test_the_shown_file_can_be_used(project: Project) -> None:
    (shown,) = re.findall(r"^```yaml\n(.*?)^```$", SECTION, re.DOTALL | re.MULTILINE)
    crm, prices, search, copy = project.gateway(shown).endpoints
    assert (crm.breaker.failure_threshold, crm.breaker.reset_timeout_s) == (3, 30.0)
    assert (crm.breaker.fallback.strategy, crm.breaker.fallback.max_age_s, crm.retries.attempts) == ("cached", 600.0, 2)
    assert (prices.breaker.fallback.strategy, prices.breaker.fallback.body) == ("static", '{"prices": []}')
    assert (search.breaker.fallback.strategy, search.breaker.fallback.alternate) == ("alternate", copy.name)


def test_the_limits_that_are_told_are_those_that_hold() -> None:
    assert (fallbacks.MAX_BODY_BYTES, fallbacks.MAX_BYTES, fallbacks.MAX_TARGETS) == (2**20, 32 * 2**20, 1000)
    assert retries.MAX_KEPT_BODY_BYTES == 64 * 1024
    for word in ("1 MiB", "32 MiB of 1,000 paths", "64 KiB"):
        assert word in SECTION
