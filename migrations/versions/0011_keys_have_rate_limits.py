"""API keys have rate limits of their own."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("api_key", sa.Column("rate_limit", sa.Text(), nullable=True))
    op.create_check_constraint(op.f("ck_api_key_rate_limit"), "api_key", "rate_limit ~ '^[1-9][0-9]{0,6}/(s|min|h)$'")


def downgrade() -> None:
    op.drop_column("api_key", "rate_limit")
