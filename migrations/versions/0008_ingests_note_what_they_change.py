"""Ingests note what they change of each product, so that it can be looked at and undone."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "product_change",
        sa.Column("job_id", sa.BigInteger(), nullable=False),
        sa.Column("external_id", sa.Text(collation="C"), nullable=False),
        sa.Column("product_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("fields", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("before", postgresql.JSONB(), nullable=True),
        sa.Column("after", postgresql.JSONB(), nullable=True),
        sa.Column("undoing", sa.Text(), nullable=True),
        sa.CheckConstraint("kind IN ('new', 'changed', 'removed')", name=op.f("ck_product_change_kind")),
        sa.CheckConstraint("undoing IN ('undone', 'kept')", name=op.f("ck_product_change_undoing")),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], name=op.f("fk_product_change_job_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job_id", "external_id", name=op.f("pk_product_change")),
    )


def downgrade() -> None:
    op.drop_table("product_change")
