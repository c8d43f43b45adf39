"""One way to call a source: credentials, retries, Retry-After, limits, TLS, proxies, and no secret in any error."""

from syncflow_pipelines.transport.address import pick_proxy, url_path
from syncflow_pipelines.transport.client import NotFound, Reply, SourceClient
from syncflow_pipelines.transport.clock import Clock
from syncflow_pipelines.transport.source import open_source

__all__ = ["Clock", "NotFound", "Reply", "SourceClient", "open_source", "pick_proxy", "url_path"]
