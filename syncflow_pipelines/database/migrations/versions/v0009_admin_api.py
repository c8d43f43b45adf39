"""The admin API: what was chosen for an entity over it, and indexes for lists that begin with the newest."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_NEWEST_FIRST = (("sync_runs", "started_at"), ("rejected_rows", "last_seen_at"))


def upgrade() -> None:
    choices = sa.Column("choices", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False)
    op.add_column("entities", choices)
    for table, time in _NEWEST_FIRST:
        op.create_index(f"{table}_{time}_uid_idx", table, [sa.text(f"{time} DESC"), sa.text("uid DESC")])


def downgrade() -> None:
    for table, time in _NEWEST_FIRST:
        op.drop_index(f"{table}_{time}_uid_idx")
    op.drop_column("entities", "choices")
