"""The words of the gateway: what is registered, how it stands, and what is said where it cannot be asked."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

import orjson

from syncflow_pipelines.config.gateway import EndpointConfig
from syncflow_pipelines.transport.detour import PROBLEM_HEADER, PROBLEM_TYPE

PROBLEM_MARK: Final = (PROBLEM_HEADER.encode(), b"1")
"""On every answer that is the gateway's own, and on no other: an upstream's header of that name is dropped."""


class Status(StrEnum):
    """Whether requests are passed on to an endpoint."""

    ACTIVE = "active"
    INACTIVE = "inactive"
    """Somebody switched it off, over the API."""
    DISABLED = "disabled"
    """Its configuration says so."""


class Origin(StrEnum):
    """Who registered an endpoint, and so who may change it."""

    FILE = "file"
    API = "api"
    SERVICE = "service"
    """A service of `auto_sync_services.yaml`, by itself."""


@dataclass(frozen=True, slots=True)
class Registered:
    """An endpoint as the registry knows it."""

    config: EndpointConfig
    origin: Origin
    status: Status
    is_current: bool
    """Whether `/orchestrator/{name}/` leads to it. `/orchestrator/{name}@{version}/` always does."""
    revision: int
    """Grows with every change of it."""
    registered_at: datetime
    updated_at: datetime


class Health(StrEnum):
    UNKNOWN = "unknown"
    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"
    DISABLED = "disabled"
    """It is not looked at."""


@dataclass(frozen=True, slots=True)
class Problem:
    """An answer of the gateway's own, as RFC 9457 has it. `detail` never holds a credential or a body."""

    status: int
    kind: str
    """The last part of its `type`, such as `upstream-timeout`; stable, for programs."""
    title: str
    detail: str
    headers: tuple[tuple[bytes, bytes], ...] = ()
    more: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def body(self, instance: str | None = None) -> bytes:
        """The document in JSON. `instance`: the id of the request."""
        document = {
            "type": PROBLEM_TYPE + self.kind,
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            **({"instance": instance} if instance else {}),
            **self.more,
        }
        return orjson.dumps(document)
