"""Totals that outlive the history, and alerts: what is wrong, since when, and who was told."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_COUNTED = ("fetched", "inserted", "updated", "unchanged", "deleted", "rejected", "missing")

# The bounds are those of sync/totals.py when this was written.
_COUNT_HISTORY = """
WITH ended AS (
  SELECT r.*, extract(epoch FROM completed_at - started_at)::float8 AS took FROM sync_runs r
  WHERE status IN ('success', 'failed') AND completed_at IS NOT NULL),
cells AS (
  SELECT entity_uid, strategy, status,
    width_bucket(took, '{0.5,1,2.5,5,10,30,60,120,300,600,1800,3600,14400}'::float8[]) AS nth, count(*) AS runs
  FROM ended GROUP BY entity_uid, strategy, status, nth)
INSERT INTO sync_totals (entity_uid, strategy, status, runs, seconds, duration_counts,
  fetched, inserted, updated, unchanged, deleted, rejected, missing)
SELECT e.entity_uid, e.strategy, e.status, count(*), sum(took), ARRAY(
    SELECT coalesce((SELECT c.runs FROM cells c WHERE (c.entity_uid, c.strategy, c.status, c.nth)
      = (e.entity_uid, e.strategy, e.status, place)), 0)
    FROM generate_series(0, 13) AS place ORDER BY place),
  sum(records_fetched), sum(records_inserted), sum(records_updated), sum(records_unchanged), sum(records_deleted),
  sum(records_rejected), sum(records_missing)
FROM ended e GROUP BY e.entity_uid, e.strategy, e.status
"""
_COUNT_ERRORS = """
INSERT INTO sync_error_totals (entity_uid, error_type, runs)
SELECT entity_uid, error_details ->> 'type', count(*) FROM sync_runs
WHERE status = 'failed' AND error_details ? 'type' GROUP BY 1, 2
"""


def upgrade() -> None:
    _totals()
    op.execute(_COUNT_HISTORY)
    op.execute(_COUNT_ERRORS)
    _alerts()


def _totals() -> None:
    op.create_table(
        "sync_totals",
        _entity("sync_totals"),
        sa.Column("strategy", sa.String(20), primary_key=True),
        sa.Column("status", sa.String(20), primary_key=True),
        sa.Column("runs", sa.BigInteger(), nullable=False),
        sa.Column("seconds", sa.Double(), nullable=False),
        sa.Column("duration_counts", postgresql.ARRAY(sa.BigInteger()), nullable=False),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in _COUNTED),
    )
    op.create_table(
        "sync_error_totals",
        _entity("sync_error_totals"),
        sa.Column("error_type", sa.String(100), primary_key=True),
        sa.Column("runs", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "source_totals",
        _entity("source_totals"),
        sa.Column("latency_counts", postgresql.ARRAY(sa.BigInteger()), nullable=False),
        sa.Column("seconds", sa.Double(), nullable=False),
        sa.Column("failed", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "pool_totals",
        sa.Column("is_only", sa.Boolean(), server_default=sa.true(), primary_key=True),
        sa.Column("exhausted", sa.BigInteger(), nullable=False),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_limit", sa.Integer(), nullable=False),
        sa.CheckConstraint("is_only", name=op.f("pool_totals_is_only_check")),
    )


def _alerts() -> None:
    op.create_table(
        "alerts",
        sa.Column("uid", sa.Uuid(), server_default=sa.func.gen_random_uuid(), primary_key=True),
        sa.Column("rule", sa.String(40), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("severity", sa.String(20), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.Column("recovered_at", sa.DateTime(timezone=True)),
    )
    op.create_index(
        "alerts_open_idx", "alerts", ["rule", "subject"], unique=True, postgresql_where=sa.text("recovered_at IS NULL")
    )
    op.create_index(
        "alerts_recovered_at_idx", "alerts", ["recovered_at"], postgresql_where=sa.text("recovered_at IS NOT NULL")
    )
    op.create_table(
        "alert_messages",
        sa.Column(
            "alert_uid",
            sa.Uuid(),
            sa.ForeignKey("alerts.uid", ondelete="CASCADE", name=op.f("alert_messages_alert_uid_fkey")),
            primary_key=True,
        ),
        sa.Column("channel", sa.String(100), primary_key=True),
        sa.Column("sent_at", sa.DateTime(timezone=True)),
        sa.Column("recovery_sent_at", sa.DateTime(timezone=True)),
        sa.Column("failures", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("error", sa.Text()),
    )


def _entity(table: str) -> sa.Column[object]:
    reference = sa.ForeignKey("entities.uid", ondelete="CASCADE", name=op.f(f"{table}_entity_uid_fkey"))
    return sa.Column("entity_uid", sa.Uuid(), reference, primary_key=True)


def downgrade() -> None:
    for table in ("alert_messages", "alerts", "pool_totals", "source_totals", "sync_error_totals", "sync_totals"):
        op.drop_table(table)
