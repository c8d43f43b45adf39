"""Rejected rows that a person has dealt with: retried or dropped, by whom, when and why."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

STATUSES = "status IN ('open', 'resolved', 'dropped')"


def upgrade() -> None:
    op.add_column("rejected_rows", sa.Column("status", sa.String(20), server_default="open", nullable=False))
    op.add_column("rejected_rows", sa.Column("closed_at", sa.DateTime(timezone=True)))
    op.add_column("rejected_rows", sa.Column("closed_by", sa.Text()))
    op.add_column("rejected_rows", sa.Column("note", sa.Text()))
    op.create_check_constraint(op.f("rejected_rows_status_check"), "rejected_rows", STATUSES)
    op.create_index(
        "rejected_rows_open_idx", "rejected_rows", ["entity_uid"], postgresql_where=sa.text("status = 'open'")
    )


def downgrade() -> None:
    op.execute("DELETE FROM rejected_rows WHERE status <> 'open'")
    op.drop_index("rejected_rows_open_idx", "rejected_rows")
    for column in ("status", "closed_at", "closed_by", "note"):
        op.drop_column("rejected_rows", column)
