"""A client for a connector of the configuration."""

from collections.abc import Callable

from syncflow_pipelines.config import BearerAuth, ConnectorConfig, HeaderAuth, Settings
from syncflow_pipelines.config.auth import Auth
from syncflow_pipelines.config.via import via_of
from syncflow_pipelines.transport.address import pick_proxy
from syncflow_pipelines.transport.client import SourceClient, never


def open_source(
    connector: ConnectorConfig,
    settings: Settings,
    cancelled: Callable[[], bool] = never,
    *,
    max_connections: int | None = None,
) -> SourceClient:
    """A client that speaks to the connector's source with its credentials as they are now.

    `max_connections` is the connector's concurrency unless it is given. Close the client, or use it as
    a context manager. Raises `ConfigurationError` where the credentials or the CA file cannot be read, or the
    gateway has no endpoint that leads there.
    """
    via = via_of(connector, settings)
    return SourceClient(
        connector.base_url,
        connector.auth.headers(),
        timeout_s=connector.timeout_s,
        max_connections=max_connections or connector.concurrency,
        ca_file=connector.ca_file,
        max_retry_after_s=connector.max_retry_after_s,
        proxy=pick_proxy(
            connector.base_url if via is None else via.gateway_url,
            http_proxy=settings.http_proxy,
            https_proxy=settings.https_proxy,
            no_proxy=settings.no_proxy,
        ),
        via=via,
        credentials=in_words(connector.auth),
        cancelled=cancelled,
    )


def in_words(auth: Auth) -> str:
    """Where the credentials come from, for the person who has to replace them."""
    if isinstance(auth, BearerAuth | HeaderAuth) and auth.kept is not None:
        return f"the {auth.kept}"
    if isinstance(auth, BearerAuth):
        return f"the token in {auth.token_env or auth.token_file}"
    if isinstance(auth, HeaderAuth):
        return f"the value of header {auth.name} in {auth.value_env or auth.value_file}"
    return "the credentials"
