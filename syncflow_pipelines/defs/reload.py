"""Asks Dagster's webserver to load the code location anew, so that its assets follow a discovery."""

import http.client
import json
import logging
from urllib.parse import urlsplit

LOCATION = "syncflow"
"""The name that `workspace.yaml` gives the code location."""

_MUTATION = """
mutation Reload($location: String!) {
  reloadRepositoryLocation(repositoryLocationName: $location) {
    __typename
    ... on WorkspaceLocationEntry { locationOrLoadError { __typename ... on PythonError { message } } }
    ... on PythonError { message }
  }
}
"""
_LOG = logging.getLogger(__name__)


def ask_reload(dagster_url: str, location: str, *, timeout_s: float = 60.0) -> bool:
    """Whether the webserver loaded the location anew; without a webserver nothing happens.

    The daemon sees the new definitions too, at its next tick.
    """
    address = urlsplit(dagster_url)
    kind = http.client.HTTPSConnection if address.scheme == "https" else http.client.HTTPConnection
    connection = kind(address.hostname or "127.0.0.1", address.port, timeout=timeout_s)
    try:
        body = json.dumps({"query": _MUTATION, "variables": {"location": location}})
        headers = {"Content-Type": "application/json"}
        connection.request("POST", f"{address.path.rstrip('/')}/graphql", body, headers)
        answer = json.loads(connection.getresponse().read())
    except (OSError, http.client.HTTPException, ValueError) as error:
        _LOG.info("no Dagster webserver at %s was asked to reload: %s", dagster_url, type(error).__name__)
        return False
    finally:
        connection.close()
    return _was_loaded(answer, location)


def _was_loaded(answer: object, location: str) -> bool:
    result = _field(_field(answer, "data"), "reloadRepositoryLocation")
    loaded = _field(_field(result, "locationOrLoadError"), "__typename")
    if loaded == "RepositoryLocation":
        return True
    _LOG.warning("Dagster's webserver did not load location %s anew: %s", location, loaded or result)
    return False


def _field(value: object, name: str) -> object:
    return value.get(name) if isinstance(value, dict) else None
