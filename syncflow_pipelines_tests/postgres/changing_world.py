"""A world whose source changes its mind, and what of it can be seen afterwards."""

from dataclasses import replace
from typing import Any, LiteralString

from psycopg import sql

from syncflow_pipelines.demo.entity import SourceColumn
from syncflow_pipelines.sync.state import read_catalogue_state
from syncflow_pipelines_tests.postgres.world import World

SITE = SourceColumn("SITE", "VARCHAR2(10)", is_nullable=False)
NUMBER = SourceColumn("NO", "NUMBER(9)", alias="number", is_nullable=False)
LABEL = SourceColumn("LABEL", "VARCHAR2(40)")
QTY = SourceColumn("QTY", "NUMBER(12,3)")


def change(world: World, slug: str, **changes: Any) -> None:
    """The source says something else of an entity from now on."""
    spec = next(spec for spec in world.store.entities() if spec.slug == slug)
    world.store.alter_entity(replace(spec, **changes))


def types(world: World, slug: str) -> dict[str, str]:
    """The table's columns, without SyncFlow's own."""
    entity = world.entity(slug)
    found = world.query(
        "SELECT column_name, format_type(a.atttypid, a.atttypmod) FROM information_schema.columns c "
        "JOIN pg_attribute a ON a.attname = column_name AND a.attrelid = format('%%I.%%I', table_schema, table_name)"
        "::regclass WHERE table_schema = %s AND table_name = %s ORDER BY ordinal_position",
        entity.table.schema,
        entity.table.name,
    )
    return {name: kind for name, kind in found if not name.startswith("_bridge_")}


def in_use(world: World, slug: str) -> tuple[dict[Any, Any], dict[Any, Any]]:
    """The table's live rows and the source's, by business key, with the columns that the source names."""
    columns = {column.identifier: column.alias for column in world.entity(slug).spec.columns}
    live = {key: {name: found[name] for name in columns} for key, found in world.live(slug).items()}
    held = {key: {n: found.get(a) for n, a in columns.items()} for key, found in world.expected(slug).items()}
    return live, held


def do(world: World, statements: LiteralString) -> None:
    """Carries statements out by hand, on the metadata's search path."""
    with world.database.connection() as connection:
        connection.execute(statements)


def recorded(world: World, *kinds: str) -> list[tuple[Any, ...]]:
    return world.query(
        "SELECT slug, kind, column_name, before_type, after_type, applied FROM schema_changes WHERE kind = ANY (%s) "
        "ORDER BY happened_at",
        list(kinds),
    )


def everything(world: World) -> dict[str, Any]:
    """All that SyncFlow keeps: rows of its tables, the tables there are, and the state file."""
    tables = world.query("SELECT schemaname, tablename FROM pg_tables WHERE schemaname !~ '^(pg_|information)'")
    kept: dict[str, Any] = {"columns": sorted(world.query("SELECT attrelid, attname, atttypid FROM pg_attribute"))}
    with world.database.connection() as connection:
        for schema, name in sorted(tables):
            statement = sql.SQL("SELECT * FROM {}").format(sql.Identifier(schema, name))
            kept[f"{schema}.{name}"] = sorted(map(repr, connection.execute(statement).fetchall()))
    kept["state"] = read_catalogue_state(world.settings.home)
    return kept
