"""Why an endpoint gave no answer that could be passed on, and what its caller is told."""

from dataclasses import dataclass
from typing import Final

from syncflow_pipelines.gateway.model import Problem


@dataclass(frozen=True, slots=True)
class Failure:
    """One way to get no answer."""

    kind: str
    status: int
    title: str
    sentence: str
    """With a place for the name of the endpoint."""

    def problem(self, endpoint: str) -> Problem:
        detail = self.sentence.format(endpoint)
        return Problem(self.status, self.kind, self.title, detail, more={"endpoint": endpoint})


class UpstreamFailed(Exception):
    """Raised inside the data plane alone, which turns it into an answer."""

    def __init__(self, failure: Failure, *, answered: bool = False) -> None:
        super().__init__(failure.kind)
        self.failure = failure
        self.answered = answered
        """Whether the endpoint had begun to answer."""


CONNECT_TIMEOUT: Final = Failure(
    "upstream-connect-timeout",
    504,
    "The endpoint does not accept connections",
    "{} did not accept a connection in time",
)
READ_TIMEOUT: Final = Failure(
    "upstream-timeout",
    504,
    "The endpoint does not answer",
    "{} accepted the request and then sent nothing for too long",
)
WRITE_TIMEOUT: Final = Failure(
    "upstream-write-timeout", 504, "The endpoint does not read", "{} stopped reading the request"
)
TOTAL_TIMEOUT: Final = Failure(
    "upstream-total-timeout", 504, "The endpoint takes too long", "{} did not answer wholly in the time it is given"
)
UNREACHABLE: Final = Failure(
    "upstream-unreachable", 502, "The endpoint cannot be reached", "No connection to {} could be made"
)
UNKNOWN_HOST: Final = Failure(
    "upstream-unresolved",
    502,
    "The endpoint's host cannot be looked up or connected to",
    "The host of {} leads nowhere",
)
FORBIDDEN: Final = Failure(
    "upstream-forbidden",
    502,
    "The endpoint leads to where the gateway may not connect",
    "The address of {} is neither public nor allowed under targets in the gateway's file",
)
UNTRUSTED: Final = Failure(
    "upstream-tls", 502, "The endpoint cannot be trusted", "The TLS handshake with {} failed; look at its certificate"
)
DISCONNECTED: Final = Failure(
    "upstream-disconnected", 502, "The endpoint hung up", "{} closed the connection without a whole answer"
)
UNREADABLE: Final = Failure(
    "upstream-protocol", 502, "The endpoint's answer cannot be read", "What {} answered is not proper HTTP/1.1"
)
