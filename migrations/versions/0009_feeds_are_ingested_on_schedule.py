"""Feeds by address are ingested on a schedule."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "feed_schedule",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("merchant_id", sa.BigInteger(), nullable=False),
        sa.Column("feed", sa.Text(), nullable=False),
        sa.Column("request", postgresql.JSONB(), nullable=False),
        sa.Column("every_seconds", sa.BigInteger(), nullable=True),
        sa.Column("daily_at", sa.Time(), nullable=True),
        sa.Column("next_due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_run_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_job_id", sa.BigInteger(), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "(every_seconds IS NULL) <> (daily_at IS NULL)", name=op.f("ck_feed_schedule_every_or_daily")
        ),
        sa.ForeignKeyConstraint(
            ["merchant_id"], ["merchant.id"], name=op.f("fk_feed_schedule_merchant_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["last_job_id"], ["job.id"], name=op.f("fk_feed_schedule_last_job_id"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_feed_schedule")),
        sa.UniqueConstraint("merchant_id", "feed", name=op.f("uq_feed_schedule_merchant_id_feed")),
    )
    op.create_index(op.f("ix_feed_schedule_next_due_at"), "feed_schedule", ["next_due_at"])


def downgrade() -> None:
    op.drop_table("feed_schedule")
