"""Which endpoints there are, who registered them, and where they may lead."""

from syncflow_pipelines.gateway.registry.registry import Registry
from syncflow_pipelines.gateway.registry.report import RegistryStats, SyncReport

__all__ = ["Registry", "RegistryStats", "SyncReport"]
