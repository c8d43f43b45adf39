"""Events: what happened, who is to be told of it, and which deliveries are in trouble."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "events",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), primary_key=True),
        sa.Column("seq", sa.BigInteger()),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("data", postgresql.JSONB(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
    )
    op.create_index("events_seq_idx", "events", ["seq"], unique=True)
    op.create_index("events_without_seq_idx", "events", ["id"], postgresql_where=sa.text("seq IS NULL"))
    op.create_table(
        "event_sequence",
        sa.Column("is_only", sa.Boolean(), server_default=sa.true(), primary_key=True),
        sa.Column("last", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.CheckConstraint("is_only", name=op.f("event_sequence_is_only_check")),
    )
    op.execute("INSERT INTO event_sequence DEFAULT VALUES")
    op.create_table(
        "event_subscribers",
        sa.Column("name", sa.String(100), primary_key=True),
        sa.Column("types", postgresql.JSONB(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.Column("missed", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
    )
    op.create_table(
        "event_troubles",
        sa.Column(
            "subscriber",
            sa.String(100),
            sa.ForeignKey("event_subscribers.name", ondelete="CASCADE", name=op.f("event_troubles_subscriber_fkey")),
            primary_key=True,
        ),
        sa.Column(
            "seq",
            sa.BigInteger(),
            sa.ForeignKey("events.seq", ondelete="CASCADE", name=op.f("event_troubles_seq_fkey")),
            primary_key=True,
            autoincrement=False,
        ),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True)),
        sa.Column("failed_at", sa.DateTime(timezone=True)),
        sa.Column("parked_at", sa.DateTime(timezone=True)),
        sa.Column("error", sa.Text()),
    )
    op.create_index(
        "event_troubles_open_idx",
        "event_troubles",
        ["subscriber", "subject", "seq"],
        postgresql_where=sa.text("parked_at IS NULL"),
    )
    op.create_index("event_troubles_seq_idx", "event_troubles", ["seq"])
    op.create_table(
        "code_generations",
        sa.Column("folder", sa.Text(), primary_key=True),
        sa.Column("service", sa.Text(), primary_key=True),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("told_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
    )


def downgrade() -> None:
    for table in ("code_generations", "event_troubles", "event_subscribers", "event_sequence", "events"):
        op.drop_table(table)
