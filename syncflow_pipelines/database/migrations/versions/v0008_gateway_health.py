"""The gateway's endpoints: how each of them stands, and its breaker in every process."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

HEALTHS = "health IN ('unknown', 'healthy', 'unhealthy', 'disabled')"
STATES = "state IN ('closed', 'open', 'half_open')"


def upgrade() -> None:
    op.create_table(
        "gateway_health",
        sa.Column("name", sa.String(100), primary_key=True),
        sa.Column("version", sa.String(100), primary_key=True),
        sa.Column("is_current", sa.Boolean(), nullable=False),
        sa.Column("health", sa.String(20), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("is_good", sa.Boolean()),
        sa.Column("consecutive", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("last_error", sa.Text()),
        sa.Column("last_checked_at", sa.DateTime(timezone=True)),
        sa.Column("latency_ms", sa.Double()),
        sa.Column("revision", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.CheckConstraint(HEALTHS, name=op.f("gateway_health_health_check")),
    )
    op.create_table(
        "gateway_breakers",
        sa.Column("process", sa.Text(), primary_key=True),
        sa.Column("name", sa.String(100), primary_key=True),
        sa.Column("version", sa.String(100), primary_key=True),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("consecutive_failures", sa.Integer(), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True)),
        sa.Column("times_opened", sa.BigInteger(), nullable=False),
        sa.Column("refused", sa.BigInteger(), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.CheckConstraint(STATES, name=op.f("gateway_breakers_state_check")),
    )


def downgrade() -> None:
    op.drop_table("gateway_breakers")
    op.drop_table("gateway_health")
