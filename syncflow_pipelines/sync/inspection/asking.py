"""Whether a source answers, and takes who we are."""

import json
import time
from dataclasses import dataclass
from typing import Final

from syncflow_pipelines.config import ConnectorConfig, Settings
from syncflow_pipelines.errors import SyncCancelled, SyncflowError
from syncflow_pipelines.sync.schema.catalogue import parse_catalogue
from syncflow_pipelines.sync.schema.discovery import CATALOGUE_PATH
from syncflow_pipelines.transport import open_source

HEALTH_PATH: Final = "/api/v1/health"


@dataclass(frozen=True, slots=True)
class SourceAnswer:
    """What a test of one source came to."""

    ok: bool
    entities: int | None
    told: str
    latency_ms: float | None = None
    """Of its health; None where it did not answer."""


def ask_source(connector: ConnectorConfig, settings: Settings, *, limit_s: float | None = None) -> SourceAnswer:
    """What the source answers to a question after its health, and then after its catalogue; changes nothing.

    Without a limit it is waited for as a sync would.
    """
    started = time.monotonic()
    latency_ms = None

    def is_late() -> bool:
        return limit_s is not None and time.monotonic() - started > limit_s

    try:
        with open_source(connector, settings, is_late) as source:
            source.get(HEALTH_PATH, validate=json.loads)
            latency_ms = round((time.monotonic() - started) * 1000, 3)
            catalogue = source.get(CATALOGUE_PATH, validate=parse_catalogue).body
    except SyncCancelled:
        return SourceAnswer(False, None, f"it did not answer within {limit_s:g} s", latency_ms)
    except SyncflowError as error:
        return SourceAnswer(False, None, str(error), latency_ms)
    faults = sum(finding.severity == "error" for finding in catalogue.findings)
    told = f"answers, but {faults} of its entries cannot be used" if faults else "answers"
    return SourceAnswer(True, len(catalogue.entities), told, latency_ms)
