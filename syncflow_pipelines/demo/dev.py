"""The same world as in the demo, for as long as somebody wants to look: for `syncflow dev`."""

from collections.abc import Callable
from contextlib import ExitStack
from urllib.parse import urlsplit

from syncflow_pipelines.config import Settings, load_connectors
from syncflow_pipelines.database import open_database
from syncflow_pipelines.defs.launch import folder_of_instance, run_dev
from syncflow_pipelines.demo.companions import running_companions
from syncflow_pipelines.demo.ports import HOST, free_port, taken_port
from syncflow_pipelines.demo.services.world import NoDemoServices, running_demo_services
from syncflow_pipelines.demo.world import NoDemoConnector, running_demo_source
from syncflow_pipelines.errors import SyncflowError
from syncflow_pipelines.sync.schema.discovery import discover
from syncflow_pipelines.sync.state import read_catalogue_state

Tell = Callable[[str], None]


def run_dev_world(
    settings: Settings, tell: Tell, *, port: int | None = None, with_source: bool = True, syncflow: str = "syncflow"
) -> int:
    """Runs PostgreSQL, the demo source and services, and Dagster's UI and daemon until SIGINT or SIGTERM; then 0.

    The UI is at `dagster_url`, or on a free port where that is taken; a `port` that is given must be free.
    The demo source and services are left out where the configuration does not follow them. Connectors that were never
    discovered are discovered first; one that is down is told and does not keep the rest from running.
    Commands that follow more closely than Dagster's sensors run beside it, where the configuration needs them.
    `syncflow` is how a person types that command.
    All that was started has ended when this returns.
    """
    folder_of_instance(settings)  # before anything is started in a folder where nobody wants it
    with ExitStack() as stack:
        stack.enter_context(open_database(settings))
        if with_source:
            _start_source(stack, settings, tell, syncflow)
            _start_services(stack, settings, tell, syncflow)
        _discover_unknown(settings, tell)
        address = urlsplit(settings.dagster_url)
        host = address.hostname or HOST
        if port is None:
            wanted = address.port or 3000
            port = free_port(wanted, host)
            if taken := taken_port(wanted, "SYNCFLOW_DAGSTER_URL", f"http://{host}:{port}"):
                tell(taken)
        stack.enter_context(running_companions(settings, tell))
        tell(f"Dagster's UI will be at http://{host}:{port} in some seconds; Ctrl-C ends everything")
        return run_dev(settings, host, port)


def _start_source(stack: ExitStack, settings: Settings, tell: Tell, syncflow: str) -> None:
    try:
        source = stack.enter_context(running_demo_source(settings))
    except NoDemoConnector:
        return  # nobody would read from it
    tell(f"The demo source answers at {source.url}; change its rows: {syncflow} demo source --mutate")
    if source.taken:
        tell(source.taken)


def _start_services(stack: ExitStack, settings: Settings, tell: Tell, syncflow: str) -> None:
    try:
        services = stack.enter_context(running_demo_services(settings))
    except NoDemoServices:
        return  # nobody would follow them
    tell(f"The demo services answer at {services.url}; change what they offer: {syncflow} demo services --evolve")
    if services.taken:
        tell(services.taken)


def _discover_unknown(settings: Settings, tell: Tell) -> None:
    known = read_catalogue_state(settings.home)
    with open_database(settings) as database:
        for connector in load_connectors(settings):
            if not connector.enabled or connector.name in known:
                continue
            try:
                report = discover(database, connector, settings)
            except SyncflowError as error:
                tell(f"{connector.name} was not discovered: {error}")
            else:
                found = len(report.entities)
                tell(f"{connector.name}: {found} {'entity was' if found == 1 else 'entities were'} discovered")
