"""Galleries note when what they hold last changed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "gallery",
        sa.Column("indexed_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
    )
    # The merchant's jobs are what is known of changes before this was noted.
    op.execute(
        """
        UPDATE gallery SET indexed_at = greatest(
            created_at,
            (SELECT max(coalesce(finished_at, updated_at)) FROM job WHERE job.merchant_id = gallery.merchant_id)
        )
        """
    )


def downgrade() -> None:
    op.drop_column("gallery", "indexed_at")
