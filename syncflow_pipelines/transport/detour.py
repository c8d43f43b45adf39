"""The way to a server through SyncFlow's gateway, and what the gateway says on its own account."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Final

from syncflow_pipelines.config.via import Via
from syncflow_pipelines.transport.address import Origin, split_base_url
from syncflow_pipelines.transport.retry import Trouble, retry_after_s

PROBLEM_HEADER: Final = "x-syncflow-problem"
"""On answers of the gateway's own."""
FALLBACK_HEADER: Final = "x-syncflow-fallback"
"""On what it answers in place of an endpoint that it does not ask."""
PSEUDONYM: Final = "syncflow"
"""Of the gateway, in `Via`."""
PROBLEM_TYPE: Final = "urn:syncflow:problem:"
"""What the types of its problem documents begin with."""
BREAKER_OPEN: Final = "breaker-open"
"""The rest of the type where it does not ask an endpoint for a while."""

_PASSING: Final = frozenset(
    {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT}
)
"""Of these another attempt may make an answer."""


@dataclass(frozen=True, slots=True)
class Detour:
    """Requests for what is below an endpoint's URL go to the gateway, which passes them on to there."""

    endpoint: str
    """`name@version`."""
    gateway: Origin
    prefix: str
    """The path at the gateway that stands for the endpoint's URL."""
    base_path: str
    """The path of the endpoint's URL."""

    def target(self, target: str) -> str:
        """What the gateway is asked for in place of that path and query. Raises `Trouble` where it leads elsewhere."""
        rest = target.removeprefix(self.base_path)
        if not target.startswith(self.base_path) or rest[:1] not in ("", "/", "?"):
            raise Trouble(
                f"it is not below the url of the gateway's endpoint {self.endpoint}; "
                "let that begin further up, or take out `via`",
                hopeless=True,
            )
        return f"{self.prefix}{rest}"

    def examine(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        """Raises `Trouble` where a reply is not that of the server behind the gateway."""
        if PROBLEM_HEADER in headers:
            raise self._problem(status, headers, body)
        if PSEUDONYM not in headers.get("via", "").replace(",", " ").split():
            text = f"what answers at {self.gateway} is not SyncFlow's gateway; start it, or mend SYNCFLOW_GATEWAY_URL"
            raise Trouble(text, hopeless=status not in _PASSING)
        if FALLBACK_HEADER in headers:
            raise Trouble(f"the gateway does not ask {self.endpoint} now, and what it answers instead does not count")

    def _problem(self, status: int, headers: Mapping[str, str], body: bytes) -> Trouble:
        problem = _document(body)
        is_open = problem.get("type") == PROBLEM_TYPE + BREAKER_OPEN
        said = f"did not pass it on to {self.endpoint}: {problem.get('detail') or f'it answered {status}'}"
        text = f"the gateway's breaker for {self.endpoint} is open" if is_open else f"the gateway {said}"
        asked_s = retry_after_s(headers, datetime.now(UTC))
        if status in _PASSING and asked_s is not None:
            return Trouble(f"{text}; try again in {asked_s:g} s", throttled=True, retry_after_s=asked_s)
        return Trouble(text, hopeless=status not in _PASSING)


def detour_of(via: Via | None) -> Detour | None:
    """The way through the gateway; None where there is none. Raises `ConfigurationError`."""
    if via is None:
        return None
    gateway, gateway_path = split_base_url(via.gateway_url)
    _, base_path = split_base_url(via.endpoint_url)
    return Detour(via.endpoint, gateway, f"{gateway_path}/orchestrator/{via.endpoint}", base_path)


def _document(body: bytes) -> Mapping[str, Any]:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}
