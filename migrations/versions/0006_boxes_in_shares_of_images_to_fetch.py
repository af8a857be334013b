"""Images that are yet to be fetched keep boxes that are given in shares of them, as their sizes are not known."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("image_fetch", sa.Column("relative_crop", postgresql.ARRAY(sa.Double()), nullable=True))


def downgrade() -> None:
    op.drop_column("image_fetch", "relative_crop")
