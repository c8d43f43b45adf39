"""Whom to trust."""

import ssl
from pathlib import Path

from syncflow_pipelines.errors import ConfigurationError


def tls_context(ca_file: Path | None) -> ssl.SSLContext:
    """Trusts the authorities of `ca_file` alone, or those of the system. Takes some 20 ms; threads may share it."""
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as cause:
        reason = "it holds no certificate" if isinstance(cause, ssl.SSLError) else cause.strerror
        raise ConfigurationError(f"ca_file {ca_file} cannot be used: {reason}; it has to be a PEM file") from cause
