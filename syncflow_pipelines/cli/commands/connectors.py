"""`syncflow connectors`: which sources there are, and whether they answer."""

from typing import TYPE_CHECKING

import click

from syncflow_pipelines.cli.invocation import Invocation, pass_invocation
from syncflow_pipelines.cli.names import ConnectorName
from syncflow_pipelines.cli.output import counted, print_json, print_table
from syncflow_pipelines.config import ConnectorConfig, choose_connectors, load_connectors
from syncflow_pipelines.errors import DatabaseError

if TYPE_CHECKING:
    from syncflow_pipelines.sync.inspection.asking import SourceAnswer


@click.command("connectors")
@click.argument("names", nargs=-1, metavar="[CONNECTOR]...", type=ConnectorName())
@click.option("--test", "test", is_flag=True, help="Ask each source for its health and its catalogue.")
@click.option("--new-key", "new_key", is_flag=True, help="Print a key for SYNCFLOW_SECRET_KEY, and do nothing else.")
@click.option("--reseal", "reseal", is_flag=True, help="Encrypt the tokens that are kept anew, with the first key.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a connector.")
@pass_invocation
def command(
    invocation: Invocation, names: tuple[str, ...], test: bool, new_key: bool, reseal: bool, as_json: bool
) -> int:
    """List the sources of connectors.yaml and of the admin API, and test them.

    \b
      syncflow connectors               what there is
      syncflow connectors --test        does every source answer, and take our token?
      syncflow connectors erp --test    one of them

    A test changes nothing, neither here nor at the source. It exits 1 if a source fails it.

    Tokens that are given over the admin API are encrypted with the first key of SYNCFLOW_SECRET_KEY. To replace a
    key, put a new one before it, run `syncflow connectors --reseal`, and take the old one away.
    """
    if new_key or reseal:
        return _keys(invocation, new_key)
    configured = _connectors(invocation)
    chosen = choose_connectors(configured, names) if names or test else configured
    answers = {one.name: _ask(one, invocation) for one in chosen} if test else {}
    if as_json:
        for one in chosen:
            print_json(_record(one, answers.get(one.name)))
    elif chosen:
        _print(chosen, answers)
    else:
        invocation.note(f"{invocation.settings.config_dir / 'connectors.yaml'} names no connector yet.")
    return 0 if all(answer.ok for answer in answers.values()) else 1


def _connectors(invocation: Invocation) -> tuple[ConnectorConfig, ...]:
    """Every connector; the database is asked where it may have some, and need not be there."""
    from syncflow_pipelines.sync.connector_state import read_connector_state
    from syncflow_pipelines.sync.connectors import known_connectors

    settings = invocation.settings
    if settings.database_url is None and not read_connector_state(settings):
        return load_connectors(settings)
    try:
        return invocation.connectors
    except DatabaseError as error:
        invocation.note(f"Connectors of the admin API are as they were when they were read last: {error}")
        return known_connectors(settings)


def _ask(connector: ConnectorConfig, invocation: Invocation) -> "SourceAnswer":
    from syncflow_pipelines.sync.inspection.asking import ask_source

    return ask_source(connector, invocation.settings)


def _keys(invocation: Invocation, new_key: bool) -> int:
    from syncflow_pipelines.config.sealed_secrets import new_secret_key
    from syncflow_pipelines.database import open_database
    from syncflow_pipelines.sync.managed import reseal

    if new_key:
        click.echo(new_secret_key())
        return 0
    with open_database(invocation.settings) as database, database.connection() as connection:
        count = reseal(connection, invocation.settings)
    click.echo(f"{counted(count, 'token is', 'tokens are')} encrypted with the first key now.")
    return 0


def _print(connectors: tuple[ConnectorConfig, ...], answers: "dict[str, SourceAnswer]") -> None:
    headings = ["connector", "url", "schema", "every s", "enabled", "managed by"]
    if answers:
        headings += ["entities", "test"]
    rows = []
    for one in connectors:
        answer = answers.get(one.name)
        tested = (answer.entities, answer.told) if answer else ()
        facts = (one.name, one.base_url, one.target_schema, one.sync_interval_seconds, one.enabled, one.managed_by)
        rows.append((*facts, *tested))
    print_table(headings, rows, wrap=("url", "test"))


def _record(connector: ConnectorConfig, answer: "SourceAnswer | None") -> dict[str, object]:
    record: dict[str, object] = {
        "connector": connector.name,
        "base_url": connector.base_url,
        "target_schema": connector.target_schema,
        "sync_interval_seconds": connector.sync_interval_seconds,
        "enabled": connector.enabled,
        "managed_by": connector.managed_by,
    }
    if answer:
        record |= {"ok": answer.ok, "entities": answer.entities, "told": answer.told}
    return record
