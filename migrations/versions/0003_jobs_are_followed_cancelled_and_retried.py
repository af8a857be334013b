"""Jobs tell how far they are, can be cancelled, and keep what they were asked for, so that they can be run again."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("job", sa.Column("request", postgresql.JSONB(), nullable=True))
    op.add_column("job", sa.Column("progress_done", sa.BigInteger(), nullable=True))
    op.add_column("job", sa.Column("progress_total", sa.BigInteger(), nullable=True))
    op.add_column("job", sa.Column("progress_unit", sa.Text(), nullable=True))
    op.add_column("job", sa.Column("cancel_requested_at", sa.DateTime(timezone=True), nullable=True))
    op.drop_constraint("ck_job_state", "job")
    op.create_check_constraint(
        op.f("ck_job_state"), "job", "state IN ('running', 'done', 'failed', 'interrupted', 'cancelled')"
    )


def downgrade() -> None:
    op.execute("UPDATE job SET state = 'interrupted' WHERE state = 'cancelled'")
    op.drop_constraint("ck_job_state", "job")
    op.create_check_constraint(op.f("ck_job_state"), "job", "state IN ('running', 'done', 'failed', 'interrupted')")
    for column in ("cancel_requested_at", "progress_unit", "progress_total", "progress_done", "request"):
        op.drop_column("job", column)
