"""Connectors that are managed over the API, beside those of the configuration."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("connectors", sa.Column("managed_by", sa.String(10), server_default="yaml", nullable=False))
    op.add_column("connectors", sa.Column("settings", postgresql.JSONB()))
    op.add_column("connectors", sa.Column("revision", sa.Integer(), server_default=sa.text("1"), nullable=False))
    op.create_check_constraint(op.f("connectors_managed_by_check"), "connectors", "managed_by IN ('yaml', 'api')")


def downgrade() -> None:
    op.drop_constraint(op.f("connectors_managed_by_check"), "connectors", type_="check")
    op.drop_column("connectors", "revision")
    op.drop_column("connectors", "settings")
    op.drop_column("connectors", "managed_by")
