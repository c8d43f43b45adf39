"""The admin API for a moment: what it tells of the entities that were synced, and what `/metrics` has counted."""

import json
import urllib.request
from dataclasses import dataclass
from typing import Final

from syncflow_pipelines.api.application import create_application
from syncflow_pipelines.config import Settings
from syncflow_pipelines.config.api_tokens import ApiTokens
from syncflow_pipelines.demo.serving import serve_in_thread

_TIMEOUT_S: Final = 60.0
_SYNCS: Final = "syncflow_syncs_total{"


@dataclass(frozen=True, slots=True)
class AdminReport:
    entities: int
    """Of the demo's connector, as the API lists them."""
    syncs: int
    """That ended, ever, as `/metrics` counts them."""
    figures: int
    """Lines of `/metrics` that hold a number."""
    mistakes: tuple[str, ...]


def look_at_admin_api(settings: Settings, connector: str, entities: int, syncs: int) -> AdminReport:
    """Serves the API from a thread, and asks it. It should know of so many entities, and of so many syncs at least."""
    with serve_in_thread(create_application(settings, ApiTokens()), has_lifespan=True) as url:
        listed = int(json.loads(_get(f"{url}/api/v1/entities?connector={connector}&limit=1"))["total"])
        figures = [line for line in _get(f"{url}/metrics").splitlines() if line and not line.startswith("#")]
    counted = sum(int(float(line.rpartition(" ")[2])) for line in figures if line.startswith(_SYNCS))
    is_right = listed == entities and counted >= syncs
    mistake = f"the admin API tells of {listed} entities and /metrics of {counted} syncs, not of {entities} and {syncs}"
    return AdminReport(listed, counted, len(figures), () if is_right else (mistake,))


def _get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as answer:  # noqa: S310 - of ours
        return str(answer.read(), "utf-8")
