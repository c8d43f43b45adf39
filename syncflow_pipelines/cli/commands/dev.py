"""`syncflow dev`: Dagster's UI and daemon, with everything they need."""

import click

from syncflow_pipelines.cli.invocation import Invocation, pass_invocation
from syncflow_pipelines.cli.typed import typed


@click.command("dev")
@click.option(
    "--no-demo", is_flag=True, help="Leave the demo source and services out, though the YAML files name them."
)
@click.option("--port", type=click.IntRange(1, 65535), help="Port of the UI.  [3000]")
@pass_invocation
def command(invocation: Invocation, no_demo: bool, port: int | None) -> int:
    """Run the Dagster UI, the daemon, the demo source and services until Ctrl-C.

    The embedded PostgreSQL, the demo source and the demo services (on ports 8007 and 8008, or free ones where
    these are taken) start with it. Sources that were never discovered are discovered first. From then on every
    entity is synced as often as connectors.yaml says, and every spec is looked at as often as
    auto_sync_services.yaml says. What is to be followed more closely has a command beside Dagster: `specs watch`
    where a spec is a file or settings.watch_mode is true, `schemas watch` where there are models, and `events
    deliver` where there are webhooks. Ctrl-C ends all of it and leaves no process behind.

    \b
      syncflow dev                      then open http://127.0.0.1:3000
      syncflow demo source --mutate     in another terminal: see the tables follow
      syncflow demo services --break    the same for the specs: see the check fail, and the code follow
    """
    from syncflow_pipelines.demo.dev import run_dev_world

    return run_dev_world(
        invocation.settings, invocation.note, port=port, with_source=not no_demo, syncflow=typed("syncflow")
    )
