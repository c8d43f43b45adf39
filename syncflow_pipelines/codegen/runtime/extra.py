"""What to say where a library of the extra `resolver` is not installed."""

from syncflow_pipelines.errors import ConfigurationError


def missing_extra(library: str) -> ConfigurationError:
    """The error for a library that a resolver needs."""
    return ConfigurationError(
        f"a resolver needs the library {library}, which is not installed; install syncflow-pipelines[resolver]"
    )
