"""Products can be filtered by the merchant's own columns.

What they say is taken from the next ingest on.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "product", sa.Column("fields", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False)
    )
    op.create_index(op.f("ix_product_fields"), "product", ["fields"], postgresql_using="gin")


def downgrade() -> None:
    op.drop_index(op.f("ix_product_fields"), table_name="product")
    op.drop_column("product", "fields")
