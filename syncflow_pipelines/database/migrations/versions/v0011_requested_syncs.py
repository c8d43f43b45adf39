"""Syncs that somebody asks for: who is to run them, how far they are, and who wants their end."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_COLUMNS = ("requested_strategy", "claim", "claimed_at", "claims", "cancel_requested_at", "progress")


def upgrade() -> None:
    op.add_column("sync_runs", sa.Column("requested_strategy", sa.String(20)))
    op.add_column("sync_runs", sa.Column("claim", sa.Uuid()))
    op.add_column("sync_runs", sa.Column("claimed_at", sa.DateTime(timezone=True)))
    op.add_column("sync_runs", sa.Column("claims", sa.Integer(), server_default=sa.text("0"), nullable=False))
    op.add_column("sync_runs", sa.Column("cancel_requested_at", sa.DateTime(timezone=True)))
    op.add_column("sync_runs", sa.Column("progress", postgresql.JSONB()))
    op.create_index(
        "sync_runs_queued_idx",
        "sync_runs",
        ["entity_uid", "is_full_refresh", "requested_strategy"],
        unique=True,
        postgresql_where=sa.text("status = 'queued'"),
        postgresql_nulls_not_distinct=True,
    )
    op.create_table(
        "sync_requests",
        sa.Column("idempotency_key", sa.String(255), primary_key=True),
        sa.Column(
            "run_uid",
            sa.Uuid(),
            sa.ForeignKey("sync_runs.uid", ondelete="CASCADE", name=op.f("sync_requests_run_uid_fkey")),
            nullable=False,
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
    )
    op.create_index(op.f("sync_requests_run_uid_idx"), "sync_requests", ["run_uid"])


def downgrade() -> None:
    op.drop_table("sync_requests")
    op.drop_index("sync_runs_queued_idx", "sync_runs")
    for column in reversed(_COLUMNS):
        op.drop_column("sync_runs", column)
