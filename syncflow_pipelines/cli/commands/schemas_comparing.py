"""`syncflow schemas diff`: what the last change of schemas means to those who use them."""

import click

from syncflow_pipelines.cli.invocation import Invocation, pass_invocation
from syncflow_pipelines.cli.names import SchemaSourceName
from syncflow_pipelines.cli.output import print_json
from syncflow_pipelines.config import choose_sources
from syncflow_pipelines.schemas.comparison.compatibility import Compatibility, as_json, as_text
from syncflow_pipelines.schemas.comparison.versions import SchemaVersions, read_versions


@click.command("diff")
@click.argument("names", nargs=-1, metavar="[SOURCE]...", type=SchemaSourceName())
@click.option("--fail-on", type=click.Choice(["breaking"]), help="Exit 1 where readers or writers break.")
@click.option("--json", "as_objects", is_flag=True, help="One JSON object a source.")
@pass_invocation
def diff_command(invocation: Invocation, names: tuple[str, ...], fail_on: str | None, as_objects: bool) -> int:
    """Show what the last change of schemas means to those who read and those who write with them.

    \b
      syncflow schemas diff shop
      syncflow schemas diff --fail-on breaking    for a pipeline: exit 1 where somebody breaks

    docs/schemas.md tells the rules.
    """
    is_breaking = False
    for source in choose_sources(invocation.schemas, names):
        versions = read_versions(invocation.settings.home, source.name)
        found = versions.compatibility() if versions else Compatibility()
        is_breaking |= found.is_breaking
        if as_objects:
            print_json({"source": source.name, "since": _since(versions), **as_json(found)})
        elif versions is None or versions.previous is None:
            click.echo(f"{source.name}: there is no previous version")
        else:
            click.echo(f"{source.name}, since {versions.previous.at:%Y-%m-%d %H:%M:%S}Z: {as_text(found)}")
    return 1 if fail_on and is_breaking else 0


def _since(versions: SchemaVersions | None) -> str | None:
    return versions.previous.at.isoformat() if versions and versions.previous else None
