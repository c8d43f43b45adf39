"""Names of the services' tools within the hub."""

import hashlib
from collections.abc import Collection
from dataclasses import dataclass

LONGEST = 64
"""What every client of today takes."""

_DIGITS = 6


@dataclass(frozen=True, slots=True)
class HubNames:
    """How tools are called where these services are served together."""

    services: Collection[str]
    reserved: Collection[str] = ()
    """Names of other tools."""

    def name(self, service: str, tool: str) -> str:
        """`service_tool`; one that is too long, or could be taken for another's, ends in a digest of both."""
        plain = f"{service}_{tool}"
        if len(plain) <= LONGEST and plain not in self.reserved and self.candidates(plain)[0] == service:
            return plain
        digest = hashlib.sha256(f"{service}/{tool}".encode()).hexdigest()[:_DIGITS]
        return f"{plain[: LONGEST - _DIGITS - 1]}_{digest}"

    def candidates(self, name: str) -> list[str]:
        """The services one of whose tools may be called so, the likeliest first."""
        return sorted((one for one in self.services if name.startswith(f"{one}_")), key=len, reverse=True)
