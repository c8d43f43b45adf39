"""The `syncflow` command."""

from syncflow_pipelines.cli.application import main

__all__ = ["main"]
