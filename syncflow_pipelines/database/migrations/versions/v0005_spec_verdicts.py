"""Whether callers can live with the versions of OpenAPI specs, by themselves or because somebody said so."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "spec_verdicts",
        # No foreign key: old versions are removed, and who accepted what stays on record.
        sa.Column("version", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("service", sa.String(100), nullable=False),
        sa.Column("contract", sa.Text(), nullable=False),
        sa.Column("is_accepted", sa.Boolean(), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.Column("decided_by", sa.Text()),
        sa.Column("note", sa.Text()),
    )
    op.create_index("spec_verdicts_service_version_idx", "spec_verdicts", ["service", "version"])


def downgrade() -> None:
    op.drop_table("spec_verdicts")
