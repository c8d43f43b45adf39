"""Feature flags: parts of SyncFlow that can be switched off while it runs.

They are evaluated through OpenFeature (https://openfeature.dev): by a provider of ours that reads `flags.yaml` and the
environment, or by any other one that takes its place.
"""

from syncflow_pipelines.config import Flag
from syncflow_pipelines.events.flags.evaluation import DOMAIN, is_enabled, standing
from syncflow_pipelines.events.flags.standing import Standing

__all__ = ["DOMAIN", "Flag", "Standing", "is_enabled", "standing"]
