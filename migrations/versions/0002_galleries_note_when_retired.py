"""Galleries note when they were retired: the one retired last is what a rollback goes back to."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("gallery", sa.Column("retired_at", sa.DateTime(timezone=True), nullable=True))
    # Where several galleries were retired before this was noted, nothing tells which was the last: it stays unknown.
    op.execute(
        """
        UPDATE gallery SET retired_at = now()
        WHERE state = 'retired'
          AND (SELECT count(*) FROM gallery AS other
               WHERE other.merchant_id = gallery.merchant_id AND other.state = 'retired') = 1
        """
    )


def downgrade() -> None:
    op.drop_column("gallery", "retired_at")
