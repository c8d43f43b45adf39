"""The history of rows: what each sync changed in the tables of entities with `history: true`."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

OPERATIONS = "operation IN ('insert', 'update', 'delete', 'revive')"


def upgrade() -> None:
    op.create_table(
        "record_changes",
        sa.Column("entity_uid", sa.Uuid(), primary_key=True),
        sa.Column("changed_at", sa.DateTime(timezone=True), server_default=sa.func.now(), primary_key=True),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), primary_key=True),
        sa.Column("run_uid", sa.Uuid(), nullable=False),
        sa.Column("operation", sa.String(10), nullable=False),
        sa.Column("business_key", postgresql.JSONB(), nullable=False),
        sa.Column("old_values", postgresql.JSONB()),
        sa.Column("new_values", postgresql.JSONB()),
        sa.CheckConstraint(OPERATIONS, name=op.f("record_changes_operation_check")),
    )
    op.create_index(
        "record_changes_entity_uid_key_idx",
        "record_changes",
        ["entity_uid", sa.text("jsonb_hash_extended(business_key, 0)")],
    )
    op.create_index("record_changes_run_uid_changed_at_idx", "record_changes", ["run_uid", "changed_at"])
    op.create_index("record_changes_changed_at_idx", "record_changes", ["changed_at"])


def downgrade() -> None:
    op.drop_table("record_changes")
