"""`syncflow entities`: what was discovered."""

from collections.abc import Container, Iterable

import click

from syncflow_pipelines.cli.groups import DefaultGroup
from syncflow_pipelines.cli.invocation import Invocation, pass_invocation
from syncflow_pipelines.cli.names import ConnectorName, EntityName
from syncflow_pipelines.cli.outcomes import as_status
from syncflow_pipelines.cli.output import Cell, print_facts, print_json, print_table
from syncflow_pipelines.config import ConnectorConfig, choose_connectors, undiscovered
from syncflow_pipelines.database import Database, open_database
from syncflow_pipelines.sync.entities import find_entity, list_entities
from syncflow_pipelines.sync.model import Column, Entity
from syncflow_pipelines.sync.runs import list_runs


@click.group("entities", cls=DefaultGroup, default="list")
def command() -> None:
    """List what was discovered, or show one entity.

    \b
      syncflow entities                     all of them
      syncflow entities --connector erp     those of one source
      syncflow entities show erp/items      one, with its columns; --rows 5 shows some of its rows
    """


@command.command("list")
@click.option("--connector", type=ConnectorName(), metavar="NAME", help="Only the entities of this connector.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object an entity.")
@pass_invocation
def list_command(invocation: Invocation, connector: str | None, as_json: bool) -> int:
    """List every entity with its table, its rows and its last sync."""
    with open_database(invocation.settings) as database, database.connection() as connection:
        entities = list_entities(connection, connector=connector)
    if connector and not entities:  # one that connectors.yaml no longer names may still have some
        choose_connectors(invocation.connectors, [connector])
    configured = {one.name for one in invocation.connectors}
    if as_json:
        for entity in entities:
            print_json(_record(entity))
    elif entities:
        headings = ("entity", "strategy", "table", "live rows", "last sync", "status", "every s", "state")
        print_table(headings, [_row(entity, configured) for entity in entities], wrap=("table", "state"))
    else:
        nothing = "Nothing was discovered yet; run: syncflow discover"
        invocation.note(undiscovered(connector) if connector else nothing)
    return 0


@command.command("show")
@click.argument("entity", type=EntityName())
@click.option("--rows", type=click.IntRange(1, 1000), help="Show so many rows of its table instead.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object; with --rows, one a row.")
@pass_invocation
def show_command(invocation: Invocation, entity: tuple[str, str], rows: int | None, as_json: bool) -> int:
    """Show one entity: where it goes, how its syncs stand, and its columns; or some of its rows.

    \b
      syncflow entities show erp/items             what it is
      syncflow entities show erp/items --rows 5    what is in its table
    """
    with open_database(invocation.settings) as database:
        with database.connection() as connection:
            found = find_entity(connection, *entity)
            failed = list_runs(connection, entity=found.key, status="failed", limit=1)
        if rows is not None:
            return _show_rows(database, found, rows, as_json)
    error = failed[0].error_message if failed and found.last_sync_status == "failed" else None
    history = _has_history(found, invocation.connectors)
    if as_json:
        columns = [_column_record(column) for column in found.spec.columns]
        print_json({**_record(found), "history": history, "last_error": error, "columns": columns})
        return 0
    facts = {**_facts(found, {one.name for one in invocation.connectors}), "history": history}
    print_facts({**facts, "last error": error} if error else facts)
    click.echo()
    headings = ("column", "type", "null", "key", "at the source", "its type", "description")
    print_table(headings, [_column_row(column) for column in found.spec.columns], wrap=("description",))
    return 0


def _show_rows(database: Database, entity: Entity, limit: int, as_json: bool) -> int:
    from syncflow_pipelines.cli.preview import as_cell, first_rows

    for number, row in enumerate(first_rows(database, entity, limit)):
        if as_json:
            print_json(row)
            continue
        if number:
            click.echo()
        print_facts({name: as_cell(value) for name, value in row.items()})
    return 0


def _row(entity: Entity, configured: Container[str]) -> tuple[Cell, ...]:
    return (
        entity.key,
        entity.strategy,
        str(entity.table),
        entity.live_rows,
        entity.last_sync_at,
        as_status(entity.last_sync_status),
        entity.interval_s,
        _state(entity, configured),
    )


def _state(entity: Entity, configured: Container[str]) -> str:
    if entity.connector not in configured:
        return "not in connectors.yaml"
    if not entity.is_present:
        return "gone from the source"
    if entity.schema_error:
        return entity.schema_error
    if not entity.enabled:
        return "disabled"
    failures = entity.consecutive_failures
    if failures:
        return "failed once" if failures == 1 else f"failed {failures} times"
    return "ok"


def _facts(entity: Entity, configured: Container[str]) -> dict[str, Cell]:
    return {
        "entity": entity.key,
        "name": entity.spec.name,
        "description": entity.spec.description,
        "table": str(entity.table),
        "strategy": entity.strategy if entity.strategy == entity.spec.strategy else _overridden(entity),
        "business keys": ", ".join(entity.spec.business_keys),
        "live rows": entity.live_rows,
        "last sync": entity.last_sync_at,
        "status": as_status(entity.last_sync_status),
        "row version": entity.last_rowversion,
        "every": f"{entity.interval_s} s",
        "next attempt": entity.next_attempt_at,
        "state": _state(entity, configured),
    }


def _has_history(entity: Entity, configured: Iterable[ConnectorConfig]) -> bool:
    """Whether the changes of its rows are kept."""
    return any(one.entity(entity.spec.slug).history for one in configured if one.name == entity.connector)


def _overridden(entity: Entity) -> str:
    return f"{entity.strategy} (the source says {entity.spec.strategy})"


def _column_row(column: Column) -> tuple[Cell, ...]:
    return (
        column.identifier,
        column.pg_type,
        column.is_nullable,
        "key" if column.is_business_key else "",
        column.name,
        column.data_type,
        column.description or "",
    )


def _column_record(column: Column) -> dict[str, object]:
    return {
        "column": column.identifier,
        "type": column.pg_type,
        "nullable": column.is_nullable,
        "business_key": column.is_business_key,
        "source_name": column.name,
        "source_alias": column.alias,
        "source_type": column.data_type,
        "description": column.description,
    }


def _record(entity: Entity) -> dict[str, object]:
    return {
        "entity": entity.key,
        "name": entity.spec.name,
        "description": entity.spec.description,
        "strategy": entity.strategy,
        "source_strategy": entity.spec.strategy,
        "table": str(entity.table),
        "business_keys": entity.spec.business_keys,
        "enabled": entity.enabled,
        "interval_seconds": entity.interval_s,
        "is_present": entity.is_present,
        "schema_error": entity.schema_error,
        "live_rows": entity.live_rows,
        "last_sync_at": entity.last_sync_at,
        "last_sync_status": entity.last_sync_status,
        "last_rowversion": entity.last_rowversion,
        "consecutive_failures": entity.consecutive_failures,
        "next_attempt_at": entity.next_attempt_at,
    }
