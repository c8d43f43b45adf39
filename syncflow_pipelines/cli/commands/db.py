"""`syncflow db`: the database that is in use."""

import click

from syncflow_pipelines.cli.invocation import Invocation, pass_invocation
from syncflow_pipelines.cli.output import Cell, print_facts, print_json
from syncflow_pipelines.config import Settings
from syncflow_pipelines.database import embedded_status, open_database, start_embedded, stop_embedded
from syncflow_pipelines.database.migrate import REVISIONS, revision
from syncflow_pipelines.database.url import describe
from syncflow_pipelines.errors import ConfigurationError


@click.group("db")
def command() -> None:
    """Start, stop, migrate and find the database.

    With no database in the environment, SyncFlow runs a PostgreSQL of its own in .syncflow/postgres.
    It starts when a command needs it and stops when the last one ends; `db start` makes it stay.

    \b
      syncflow db start                    keep it running
      psql "$(syncflow db url)"            look inside
      syncflow db stop
      export SYNCFLOW_DATABASE_URL=postgresql://user:password@host/name    use another one
    """


@command.command("start", short_help="Start the embedded server, and keep it running.")
@pass_invocation
def start(invocation: Invocation) -> int:
    """Start the embedded server, and keep it running until `syncflow db stop`."""
    _refuse_url(invocation.settings, "start")
    url = start_embedded(invocation.settings)
    open_database(invocation.settings).close()
    click.echo(url)
    invocation.note("PostgreSQL stays until: syncflow db stop")
    return 0


@command.command("stop")
@click.option("--force", is_flag=True, help="Even if other processes use it: their transactions are rolled back.")
@pass_invocation
def stop(invocation: Invocation, force: bool) -> int:
    """Stop the embedded server; the data stays."""
    _refuse_url(invocation.settings, "stop")
    stopped = stop_embedded(invocation.settings, force=force)
    invocation.note("PostgreSQL has stopped." if stopped else "PostgreSQL was not running.")
    return 0


@command.command("url")
@pass_invocation
def url(invocation: Invocation) -> int:
    """Print the URL of the database in use, password included.

    \b
      psql "$(syncflow db url)"
    """
    settings = invocation.settings
    if settings.database_url is not None:
        click.echo(settings.database_url)
        return 0
    status = embedded_status(settings)
    click.echo(status.url)
    if not status.ready:
        invocation.note("PostgreSQL is not running there; start it with: syncflow db start")
    return 0


@command.command("migrate")
@click.option("--dry-run", is_flag=True, help="Tell whether there is anything to do; write nothing.")
@pass_invocation
def migrate(invocation: Invocation, dry_run: bool) -> int:
    """Bring SyncFlow's own tables up to date. Every command that needs them does so too."""
    before = _revision(invocation.settings)
    if not dry_run:
        open_database(invocation.settings).close()
    done = "would be brought" if dry_run else "were brought"
    schema, newest = invocation.settings.schema, REVISIONS[-1]
    if before == newest:
        click.echo(f"The tables in schema {schema} are at revision {newest}, the newest.")
    else:
        click.echo(f"The tables in schema {schema} {done} from {before or 'nothing'} to revision {newest}.")
    return 0


@command.command("status", short_help="Show where the database is and whether it runs.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@pass_invocation
def status(invocation: Invocation, as_json: bool) -> int:
    """Show where the database is, whether it runs, and how far its tables are. Exits 1 if it does not run."""
    settings = invocation.settings
    facts = _embedded_facts(settings) if settings.database_url is None else _facts_of_url(settings)
    if facts["running"]:
        facts |= {"schema": settings.schema, "revision": _revision(settings), "newest revision": REVISIONS[-1]}
    if as_json:
        print_json({name.replace(" ", "_"): value for name, value in facts.items()})
    else:
        print_facts(facts)
    return 0 if facts["running"] else 1


def _embedded_facts(settings: Settings) -> dict[str, Cell]:
    found = embedded_status(settings)
    return {
        "database": "embedded",
        "running": found.ready,
        "stays": found.kept,
        "process": str(found.pid) if found.pid else None,
        "data": str(found.data),
        "log": str(found.log),
    }


def _facts_of_url(settings: Settings) -> dict[str, Cell]:
    return {"database": describe(settings.database_url or ""), "running": True}


def _revision(settings: Settings) -> str | None:
    with open_database(settings, migrate=False) as database, database.dedicated("syncflow db") as connection:
        return revision(connection, database.schema)


def _refuse_url(settings: Settings, verb: str) -> None:
    if settings.database_url is not None:
        raise ConfigurationError(
            f"there is nothing to {verb}: the environment names {describe(settings.database_url)}; "
            "unset SYNCFLOW_DATABASE_URL and POSTGRES_* to use the embedded server"
        )
