"""OpenAPI specs: how each service's stands, and every version that it has had."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def _uid() -> sa.Column[object]:
    return sa.Column("uid", sa.Uuid(), server_default=sa.func.gen_random_uuid(), primary_key=True)


def upgrade() -> None:
    op.create_table(
        "specs",
        _uid(),
        sa.Column("service", sa.String(100), nullable=False),
        sa.Column("checksum", sa.Text()),
        sa.Column("contract", sa.Text()),
        sa.Column("fetched_at", sa.DateTime(timezone=True)),
        sa.Column("changed_at", sa.DateTime(timezone=True)),
        sa.Column("spec_file", sa.Text()),
        sa.Column("url", sa.Text()),
        sa.Column("written_as", sa.Text()),
        sa.Column("operations", sa.Integer()),
        sa.Column("findings", postgresql.JSONB(), server_default=sa.text("'[]'"), nullable=False),
        sa.Column("error", sa.Text()),
        sa.Column("error_type", sa.Text()),
        sa.Column("failed_at", sa.DateTime(timezone=True)),
        sa.UniqueConstraint("service", name=op.f("specs_service_key")),
    )
    op.create_table(
        "spec_versions",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), primary_key=True),
        sa.Column("service", sa.String(100), nullable=False),
        sa.Column("checksum", sa.Text(), nullable=False),
        sa.Column("contract", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.Column("form", sa.LargeBinary(), nullable=False),
        sa.Column("document", sa.LargeBinary(), nullable=False),
    )
    op.create_index("spec_versions_service_id_idx", "spec_versions", ["service", "id"])
    # zstd has made of them what can be made: no second try
    op.execute("ALTER TABLE spec_versions ALTER COLUMN form SET STORAGE EXTERNAL")
    op.execute("ALTER TABLE spec_versions ALTER COLUMN document SET STORAGE EXTERNAL")


def downgrade() -> None:
    op.drop_table("spec_versions")
    op.drop_table("specs")
