"""The runs that sensors ask for: each once, and again where it seems to have failed."""

from dataclasses import dataclass
from typing import Final

AGAIN_AFTER_S: Final = 900.0
"""A run that was asked for and has not brought what it is for in step by then has failed; it is asked for again."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The last run that was asked for, of one connector, service or source."""

    digest: str
    """Of what the run is to bring."""
    at: float
    count: int = 1
    """In the run key, since things may go back to what they were, and a run key is never used twice."""


def asked_now(last: Asked | None, digest: str, now: float, *, always: bool = False) -> Asked | None:
    """The run to ask for; None where the last one is for the same and may still come to its end, or else `always`."""
    if not always and last is not None and last.digest == digest and now - last.at < AGAIN_AFTER_S:
        return None
    return Asked(digest, now, last.count + 1 if last else 1)
