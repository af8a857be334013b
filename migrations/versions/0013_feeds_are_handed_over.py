"""Feeds are handed over to a process that takes them, as jobs that wait, and jobs keep their first errors."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_BEFORE = "state IN ('running', 'done', 'failed', 'interrupted', 'cancelled')"
_AFTER = "state IN ('waiting', 'running', 'done', 'failed', 'interrupted', 'cancelled')"


def upgrade() -> None:
    op.drop_constraint(op.f("ck_job_state"), "job")
    op.create_check_constraint(op.f("ck_job_state"), "job", _AFTER)
    op.add_column("job", sa.Column("error_kind", sa.Text(), nullable=True))
    op.add_column("job", sa.Column("errors", postgresql.JSONB(), nullable=True))
    op.add_column("job", sa.Column("idempotency_key", sa.Text(), nullable=True))
    op.create_unique_constraint(op.f("uq_job_merchant_id_idempotency_key"), "job", ["merchant_id", "idempotency_key"])
    op.create_table(
        "submitted_feed",
        sa.Column("job_id", sa.BigInteger(), nullable=False),
        sa.Column("merchant_id", sa.BigInteger(), nullable=False),
        sa.Column("upload", sa.Text(), nullable=True),
        sa.Column("due_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], name=op.f("fk_submitted_feed_job_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["merchant_id"], ["merchant.id"], name=op.f("fk_submitted_feed_merchant_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("job_id", name=op.f("pk_submitted_feed")),
        sa.UniqueConstraint("merchant_id", name=op.f("uq_submitted_feed_merchant_id")),
    )


def downgrade() -> None:
    op.drop_table("submitted_feed")
    op.drop_constraint(op.f("uq_job_merchant_id_idempotency_key"), "job")
    op.drop_column("job", "idempotency_key")
    op.drop_column("job", "errors")
    op.drop_column("job", "error_kind")
    op.execute("UPDATE job SET state = 'cancelled', finished_at = now() WHERE state = 'waiting'")
    op.drop_constraint(op.f("ck_job_state"), "job")
    op.create_check_constraint(op.f("ck_job_state"), "job", _BEFORE)
