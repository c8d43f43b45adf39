"""One way to call a source: credentials, retries, Retry-After, limits, TLS, proxies, and no secret in any error."""

from syncflow_pipelines.transport.address import Proxies, locate, pick_proxy, url_path
from syncflow_pipelines.transport.attempts import NotFound, ServerFailed
from syncflow_pipelines.transport.client import Reply, SourceClient
from syncflow_pipelines.transport.clock import Clock
from syncflow_pipelines.transport.documents import NO_BOUND, Document, DocumentClient, Visit
from syncflow_pipelines.transport.exchange import ReplyTooLarge
from syncflow_pipelines.transport.latencies import LatencyCounts
from syncflow_pipelines.transport.posting import Posted, Poster
from syncflow_pipelines.transport.source import in_words, open_source
from syncflow_pipelines.transport.tls import tls_context
from syncflow_pipelines.transport.validators import Validators

__all__ = [
    "NO_BOUND",
    "Clock",
    "Document",
    "DocumentClient",
    "LatencyCounts",
    "NotFound",
    "Posted",
    "Poster",
    "Proxies",
    "Reply",
    "ReplyTooLarge",
    "ServerFailed",
    "SourceClient",
    "Validators",
    "Visit",
    "in_words",
    "locate",
    "open_source",
    "pick_proxy",
    "tls_context",
    "url_path",
]
