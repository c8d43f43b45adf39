"""The metadata tables: connectors, entities, sync runs, rejected rows, schema changes."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

PARENTS = {"connectors": "connector", "entities": "entity"}


def upgrade() -> None:
    _create_connectors()
    _create_entities()
    _create_sync_runs()
    _create_rejected_rows()
    _create_schema_changes()


def downgrade() -> None:
    for table in ("schema_changes", "rejected_rows", "sync_runs", "entities", "connectors"):
        op.drop_table(table)


def _create_connectors() -> None:
    op.create_table(
        "connectors",
        _uid(),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("base_url", sa.String(500), nullable=False),
        sa.Column("auth_token", sa.Text()),
        _flag("is_active", sa.true()),
        sa.Column("catalogue_digest", sa.Text()),
        _time("catalogue_at"),
        _now("created_at"),
        _now("updated_at"),
        sa.UniqueConstraint("name", name="connectors_name_key"),
    )


def _create_entities() -> None:
    op.create_table(
        "entities",
        _uid(),
        _parent("connectors"),
        sa.Column("slug", sa.String(100), nullable=False),
        sa.Column("api_name", sa.String(200), nullable=False),
        sa.Column("description", sa.Text()),
        sa.Column("delta_strategy", sa.String(20), server_default="full", nullable=False),
        sa.Column("strategy", sa.String(20), server_default="full", nullable=False),
        sa.Column("business_keys", postgresql.JSONB(), nullable=False),
        sa.Column("rowversion_column", sa.Text()),
        sa.Column("target_schema", sa.String(100), nullable=False),
        sa.Column("target_table", sa.String(100), nullable=False),
        sa.Column("columns", postgresql.JSONB(), nullable=False),
        _flag("sync_enabled", sa.true()),
        sa.Column("sync_interval_seconds", sa.Integer(), server_default=sa.text("300"), nullable=False),
        _flag("is_present", sa.true()),
        _time("gone_at"),
        sa.Column("schema_error", sa.Text()),
        _time("last_sync_at"),
        sa.Column("last_sync_status", sa.String(20)),
        sa.Column("last_rowversion", sa.Text()),
        sa.Column("last_run_uid", sa.Uuid()),
        sa.Column("consecutive_failures", sa.Integer(), server_default=sa.text("0"), nullable=False),
        _time("next_attempt_at"),
        sa.Column("live_rows", sa.BigInteger()),
        _now("created_at"),
        _now("updated_at"),
        sa.UniqueConstraint("connector_uid", "slug", name="entities_connector_uid_slug_key"),
        sa.UniqueConstraint("target_schema", "target_table", name="entities_target_schema_target_table_key"),
    )


def _create_sync_runs() -> None:
    op.create_table(
        "sync_runs",
        _uid(),
        _parent("entities"),
        _time("started_at", nullable=False),
        _time("completed_at"),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("strategy", sa.String(20), nullable=False),
        _flag("is_full_refresh", sa.false()),
        sa.Column("trigger", sa.String(40), server_default="manual", nullable=False),
        sa.Column("dagster_run_id", sa.Text()),
        *(
            sa.Column(f"records_{what}", sa.BigInteger(), server_default=sa.text("0"), nullable=False)
            for what in ("fetched", "inserted", "updated", "unchanged", "deleted", "rejected", "missing")
        ),
        sa.Column("rowversion_start", sa.Text()),
        sa.Column("rowversion_end", sa.Text()),
        sa.Column("error_message", sa.Text()),
        sa.Column("error_details", postgresql.JSONB()),
        sa.Column("details", postgresql.JSONB()),
        _now("created_at"),
        sa.CheckConstraint("status IN ('queued', 'running', 'success', 'failed')", name=op.f("sync_runs_status_check")),
    )
    op.create_index("sync_runs_entity_uid_started_at_idx", "sync_runs", ["entity_uid", sa.text("started_at DESC")])
    op.create_index(
        "sync_runs_running_idx", "sync_runs", ["entity_uid"], postgresql_where=sa.text("status = 'running'")
    )


def _create_rejected_rows() -> None:
    op.create_table(
        "rejected_rows",
        _uid(),
        _parent("entities"),
        sa.Column("run_uid", sa.Uuid(), nullable=False),
        _now("first_seen_at"),
        _now("last_seen_at"),
        sa.Column("row_digest", sa.Uuid(), nullable=False),
        sa.Column("key_digest", sa.Uuid()),
        sa.Column("column_name", sa.Text()),
        sa.Column("value", sa.Text()),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("raw", sa.Text(), nullable=False),
        sa.Column("page", sa.Integer()),
        sa.UniqueConstraint("entity_uid", "row_digest", name="rejected_rows_entity_uid_row_digest_key"),
    )
    op.create_index("rejected_rows_entity_uid_key_digest_idx", "rejected_rows", ["entity_uid", "key_digest"])


def _create_schema_changes() -> None:
    op.create_table(
        "schema_changes",
        _uid(),
        _parent("connectors"),
        sa.Column("slug", sa.String(100), nullable=False),
        _now("happened_at"),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("column_name", sa.Text()),
        sa.Column("before_type", sa.Text()),
        sa.Column("after_type", sa.Text()),
        _flag("applied", sa.true()),
        sa.Column("message", sa.Text()),
    )
    op.create_index(
        "schema_changes_connector_uid_happened_at_idx",
        "schema_changes",
        ["connector_uid", sa.text("happened_at DESC")],
    )


def _uid() -> sa.Column[Any]:
    return sa.Column("uid", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), primary_key=True)


def _parent(table: str) -> sa.Column[Any]:
    key = sa.ForeignKey(f"{table}.uid", ondelete="CASCADE")
    return sa.Column(f"{PARENTS[table]}_uid", sa.Uuid(), key, nullable=False)


def _flag(name: str, default: sa.ColumnElement[bool]) -> sa.Column[bool]:
    return sa.Column(name, sa.Boolean(), server_default=default, nullable=False)


def _time(name: str, *, nullable: bool = True) -> sa.Column[Any]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _now(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False)
