"""The registry of the gateway."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "gateway_endpoints",
        sa.Column("name", sa.String(100), primary_key=True),
        sa.Column("version", sa.String(40), primary_key=True),
        sa.Column("origin", sa.String(20), primary_key=True),
        sa.Column("said", postgresql.JSONB(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("activation", sa.BigInteger(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("registered_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.CheckConstraint("origin IN ('file', 'api', 'service')", name=op.f("gateway_endpoints_origin_check")),
        sa.CheckConstraint("status IN ('active', 'inactive')", name=op.f("gateway_endpoints_status_check")),
    )
    op.create_table(
        "gateway_registry",
        sa.Column("is_only", sa.Boolean(), server_default=sa.true(), primary_key=True),
        sa.Column("revision", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("file_digest", sa.Text()),
        sa.Column("synced_at", sa.DateTime(timezone=True)),
        sa.Column("has_services", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.CheckConstraint("is_only", name=op.f("gateway_registry_is_only_check")),
    )
    op.execute("INSERT INTO gateway_registry DEFAULT VALUES")


def downgrade() -> None:
    for table in ("gateway_registry", "gateway_endpoints"):
        op.drop_table(table)
