"""Whether a photo is a merchant's is looked up for every picture that a page shows."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        op.f("ix_image_merchant_id_sha256"),
        "image",
        ["merchant_id", "sha256"],
        postgresql_where=sa.text("sha256 IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_index(op.f("ix_image_merchant_id_sha256"), table_name="image")
