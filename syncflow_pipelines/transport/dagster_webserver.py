"""What is asked of Dagster's webserver: to load the code location anew, and to start runs."""

import http.client
import json
import logging
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

LOCATION: Final = "syncflow"
"""The name that `workspace.yaml` gives the code location."""

_RELOAD: Final = """
mutation Reload($location: String!) {
  reloadRepositoryLocation(repositoryLocationName: $location) {
    __typename
    ... on WorkspaceLocationEntry { locationOrLoadError { __typename ... on PythonError { message } } }
    ... on PythonError { message }
  }
}
"""
_LOCATE: Final = """
query Locate {
  repositoriesOrError {
    ... on RepositoryConnection { nodes { name location { name } jobs { name } } }
  }
}
"""
_LAUNCH: Final = """
mutation Launch($params: ExecutionParams!) {
  launchRun(executionParams: $params) { __typename ... on LaunchRunSuccess { run { runId } } }
}
"""
_LAUNCH_TIMEOUT_S: Final = 15.0
_LOCATE_TIMEOUT_S: Final = 5.0
_LOG = logging.getLogger(__name__)


class NotAsked(Exception):
    """The webserver was not asked, or it is not known what it made of it."""

    def __init__(self, reason: str, is_certain: bool) -> None:
        super().__init__(reason, is_certain)
        self.is_certain = is_certain
        """Whether it certainly did nothing."""


def ask_reload(dagster_url: str, location: str = LOCATION, *, timeout_s: float = 60.0) -> bool:
    """Whether the webserver loaded the location anew; without a webserver nothing happens.

    The daemon sees the new definitions too, at its next tick.
    """
    try:
        answer = _asked(dagster_url, _RELOAD, {"location": location}, timeout_s)
    except NotAsked as error:
        _LOG.info("no Dagster webserver at %s was asked to reload: %s", dagster_url, error.args[0])
        return False
    return _was_loaded(answer, location)


def job_locations(dagster_url: str, job: str) -> list[tuple[str, str]]:
    """Location and repository of every job of that name. Raises `NotAsked`, certain that nothing was done."""
    answer = _asked(dagster_url, _LOCATE, {}, _LOCATE_TIMEOUT_S)
    nodes = _list(_field(_field(_field(answer, "data"), "repositoriesOrError"), "nodes"))
    return [
        (str(_field(_field(node, "location"), "name")), str(_field(node, "name")))
        for node in nodes
        if any(_field(one, "name") == job for one in _list(_field(node, "jobs")))
    ]


def launch_assets(dagster_url: str, job: str, assets: Sequence[Sequence[str]], tags: Mapping[str, str]) -> str:
    """The id of a run of the job for those assets (paths of their keys), with those tags.

    Raises `NotAsked`; where that is not certain, the run may have been started all the same.
    """
    try:
        found = job_locations(dagster_url, job)
    except NotAsked as error:
        raise NotAsked(error.args[0], is_certain=True) from error
    if not found:
        raise NotAsked(f"no code location has the job {job}", is_certain=True)
    location, repository = found[0]
    selector = {
        "repositoryLocationName": location,
        "repositoryName": repository,
        "jobName": job,
        "assetSelection": [{"path": list(path)} for path in assets],
        # The run evaluates and records them all the same.
        "assetCheckSelection": [],
    }
    listed = [{"key": key, "value": value} for key, value in tags.items()]
    params = {"selector": selector, "runConfigData": {}, "executionMetadata": {"tags": listed}}
    result = _field(_field(_asked(dagster_url, _LAUNCH, {"params": params}, _LAUNCH_TIMEOUT_S), "data"), "launchRun")
    run_id = _field(_field(result, "run"), "runId")
    if not isinstance(run_id, str):
        raise NotAsked(f"Dagster refused the run: {_field(result, '__typename')}", is_certain=True)
    return run_id


def _asked(dagster_url: str, query: str, variables: Mapping[str, Any], timeout_s: float) -> object:
    """The answer's document. Raises `NotAsked`."""
    address = urlsplit(dagster_url)
    kind = http.client.HTTPSConnection if address.scheme == "https" else http.client.HTTPConnection
    connection = kind(address.hostname or "127.0.0.1", address.port, timeout=timeout_s)
    is_sent = False
    try:
        connection.connect()
        is_sent = True
        body = json.dumps({"query": query, "variables": variables})
        headers = {"Content-Type": "application/json"}
        connection.request("POST", f"{address.path.rstrip('/')}/graphql", body, headers)
        return json.loads(connection.getresponse().read())
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise NotAsked(type(error).__name__, is_certain=not is_sent) from error
    finally:
        connection.close()


def _was_loaded(answer: object, location: str) -> bool:
    result = _field(_field(answer, "data"), "reloadRepositoryLocation")
    loaded = _field(_field(result, "locationOrLoadError"), "__typename")
    if loaded == "RepositoryLocation":
        return True
    _LOG.warning("Dagster's webserver did not load location %s anew: %s", location, loaded or result)
    return False


def _field(value: object, name: str) -> object:
    return value.get(name) if isinstance(value, dict) else None


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []
