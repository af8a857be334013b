"""Images keep a perceptual hash, and those that show the same photo as another of their product say so."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("image", sa.Column("photo_hash", sa.LargeBinary(), nullable=True))
    op.add_column("image", sa.Column("hashed_content", sa.Text(), nullable=True))
    op.add_column("image", sa.Column("duplicate_of", sa.BigInteger(), nullable=True))
    op.drop_constraint("ck_image_state", "image")
    op.create_check_constraint(
        op.f("ck_image_state"), "image", "state IN ('ready', 'pending', 'quarantined', 'duplicate')"
    )
    op.create_check_constraint(
        op.f("ck_image_duplicate_has_original"),
        "image",
        "state <> 'duplicate' OR (sha256 IS NOT NULL AND duplicate_of IS NOT NULL)",
    )
    op.create_check_constraint(
        op.f("ck_image_hash_has_content"), "image", "(photo_hash IS NULL) = (hashed_content IS NULL)"
    )
    op.create_index(
        op.f("ix_image_duplicate_of"), "image", ["duplicate_of"], postgresql_where=sa.text("duplicate_of IS NOT NULL")
    )


def downgrade() -> None:
    # Shown again once they are indexed: their marks make them dirty.
    op.execute(
        "WITH shown AS (UPDATE image SET state = 'ready', revision = nextval('image_revision')"
        " WHERE state = 'duplicate' RETURNING id, merchant_id, revision)"
        " INSERT INTO outbox (image_id, merchant_id, revision) SELECT id, merchant_id, revision FROM shown"
        " ON CONFLICT (image_id) DO UPDATE SET revision = excluded.revision"
    )
    op.drop_index(op.f("ix_image_duplicate_of"), "image")
    op.drop_constraint("ck_image_hash_has_content", "image")
    op.drop_constraint("ck_image_duplicate_has_original", "image")
    op.drop_constraint("ck_image_state", "image")
    op.create_check_constraint(op.f("ck_image_state"), "image", "state IN ('ready', 'pending', 'quarantined')")
    for column in ("duplicate_of", "hashed_content", "photo_hash"):
        op.drop_column("image", column)
