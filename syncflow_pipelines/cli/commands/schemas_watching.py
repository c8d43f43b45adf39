"""`syncflow schemas watch`: schemas follow their sources until Ctrl-C."""

import click

from syncflow_pipelines.cli.commands.schemas_syncing import no_source, print_reports, tell_dagster
from syncflow_pipelines.cli.interrupts import call_on_signal
from syncflow_pipelines.cli.invocation import Invocation, pass_invocation
from syncflow_pipelines.cli.names import SchemaSourceName
from syncflow_pipelines.cli.output import print_json
from syncflow_pipelines.config import choose_sources
from syncflow_pipelines.schemas.watching import Notice, SchemaWatch


@click.command("watch")
@click.argument("names", nargs=-1, metavar="[SOURCE]...", type=SchemaSourceName())
@click.option("--json", "as_json", is_flag=True, help="One JSON object for each source that was generated, failed or "
              "recovered.")  # fmt: skip
@pass_invocation
def watch_command(invocation: Invocation, names: tuple[str, ...], as_json: bool) -> int:
    """Generate schemas whenever their sources change, until Ctrl-C.

    \b
      syncflow schemas watch                    all sources
      syncflow schemas watch shop

    Models are followed in their folders, entities in the catalogue, components in the specs that are kept, and
    schema_sync.yaml itself. A source that fails is told once, when it has failed for a moment, and once more when it
    works again; the others go on, and the old schemas stand.
    """

    def tell(notice: Notice) -> None:
        if notice.report is not None:
            print_reports([notice.report], as_json=as_json)
            tell_dagster(invocation, [notice.report])
            return
        name = notice.source or "schema_sync.yaml"
        if as_json:
            print_json({"source": notice.source or None, "status": notice.what, "error": notice.error})
        if notice.error is not None:
            click.echo(f"Error: {name}: {notice.error}", err=True)
        else:
            invocation.note(f"{name}: works again")

    if not choose_sources(invocation.schemas, names):
        invocation.note(no_source(invocation))
    watch = SchemaWatch(invocation.settings, tell, names=names)
    invocation.note("Watching the sources of schemas; Ctrl-C ends it.")
    with call_on_signal(watch.stop):
        watch.run()
    return 0
