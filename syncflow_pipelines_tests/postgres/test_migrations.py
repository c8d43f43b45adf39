"""The migrations make exactly the tables of the models."""

from syncflow_pipelines.database import Database


def test_a_fresh_database_has_the_metadata_tables(database: Database) -> None:
    with database.connection() as connection:
        rows = connection.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r'"
        ).fetchall()
    assert {name for (name,) in rows} == {
        "connectors",
        "entities",
        "rejected_rows",
        "schema_changes",
        "sync_runs",
        "syncflow_version",
    }
