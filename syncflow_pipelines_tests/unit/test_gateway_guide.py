"""What docs/gateway.md shows of the file is so."""

import re
from pathlib import Path

from syncflow_pipelines.config.gateway import GatewayConfig
from syncflow_pipelines.gateway.control.registry import Registration
from syncflow_pipelines.gateway.model import Problem
from syncflow_pipelines.gateway.proxy import failures, framing, problems
from syncflow_pipelines.gateway.switch import SWITCHED_OFF
from syncflow_pipelines_tests.unit.config_project import Project

GUIDE = (Path(__file__).parents[2] / "docs" / "gateway.md").read_text()


def shown_files(project: Project) -> list[GatewayConfig]:
    shown = re.findall(r"^```yaml\n(.*?)^```$", GUIDE, re.DOTALL | re.MULTILINE)
    return [project.gateway(text) for text in shown if not text.startswith("connectors:")]


def test_the_shown_files_can_be_used(project: Project) -> None:
    first, targets = shown_files(project)[:2]
    crm, billing = first.endpoints
    assert (crm.key, crm.url, crm.breaker) == ("crm@v1", "https://crm.example.com/api", first.breaker)
    assert (billing.key, billing.methods, billing.timeouts.read_s) == ("billing@v2", ("GET", "POST"), 10.0)
    assert (billing.breaker.failure_threshold, billing.breaker.fallback.strategy) == (3, "cached")
    assert (billing.breaker.reset_timeout_s, billing.limits.max_concurrent) == (60.0, 50)
    assert [str(network) for network in targets.targets.allowed_networks] == ["10.20.0.0/16", "fd12:3456::/32"]


def test_what_is_shown_to_be_registered_can_be() -> None:
    (body,) = re.findall(r"^\$ curl -X POST .* -d '(\{.*\})' ", GUIDE, re.MULTILINE)
    asked = Registration.model_validate_json(body).config
    assert (asked.name, asked.version, asked.url) == ("books", "v1", "https://books.example.com/v1")


def test_the_shown_problems_are_those_that_the_data_plane_tells() -> None:
    told = {
        failure.kind: failure.status for failure in vars(failures).values() if isinstance(failure, failures.Failure)
    }
    told |= {problem.kind: problem.status for problem in vars(problems).values() if isinstance(problem, Problem)}
    told[SWITCHED_OFF.kind] = SWITCHED_OFF.status
    told |= {problem.kind: problem.status for problem in (framing.TOO_LARGE, framing.TOO_SLOW, framing.UNREADABLE)}
    rows = re.findall(r"^\| ([\d, ]+) \| (`[^|]+) \|", GUIDE, re.MULTILINE)
    shown = {kind: statuses for statuses, kinds in rows for kind in re.findall(r"`([\w-]+)`", kinds)}
    assert {kind for kind, status in told.items() if str(status) not in shown.get(kind, "")} == set()
