"""SyncFlow keeps code and tables in step with the APIs that they come from."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("syncflow-pipelines")
except PackageNotFoundError:  # imported from a checkout that was never installed
    __version__ = "0.0.0"
