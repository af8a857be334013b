"""Products keep the merchant's own words for attributes beside the vocabulary's.

Until the next ingest of a product, both are the merchant's.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("product", sa.Column("given_attributes", postgresql.ARRAY(sa.Text()), nullable=True))
    op.execute("UPDATE product SET given_attributes = attributes")
    op.alter_column("product", "given_attributes", nullable=False)


def downgrade() -> None:
    op.execute("UPDATE product SET attributes = given_attributes")
    op.drop_column("product", "given_attributes")
