"""Images that a feed names by address are pending until they have been fetched; what is to be fetched is a queue."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_OUTCOMES = "'new', 'changed', 'unchanged', 'refused', 'unreachable', 'unusable'"


def upgrade() -> None:
    op.drop_constraint("ck_image_state", "image")
    op.drop_constraint("ck_image_ready_has_content", "image")
    op.create_check_constraint(op.f("ck_image_state"), "image", "state IN ('ready', 'pending', 'quarantined')")
    op.create_check_constraint(op.f("ck_image_ready_has_content"), "image", "state <> 'ready' OR sha256 IS NOT NULL")
    op.create_check_constraint(op.f("ck_image_pending_has_no_content"), "image", "state <> 'pending' OR sha256 IS NULL")
    op.create_table(
        "image_fetch",
        sa.Column("image_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("merchant_id", sa.BigInteger(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("wish", sa.BigInteger(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("etag", sa.Text(), nullable=True),
        sa.Column("last_modified", sa.Text(), nullable=True),
        sa.Column("fetched_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("expected", sa.Text(), nullable=True),
        sa.CheckConstraint(f"outcome IN ({_OUTCOMES})", name=op.f("ck_image_fetch_outcome")),
        sa.ForeignKeyConstraint(["image_id"], ["image.id"], name=op.f("fk_image_fetch_image_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["merchant_id"], ["merchant.id"], name=op.f("fk_image_fetch_merchant_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("image_id", name=op.f("pk_image_fetch")),
    )
    op.create_index(
        "ix_image_fetch_due",
        "image_fetch",
        ["host", "due_at", "image_id"],
        postgresql_where=sa.text("due_at IS NOT NULL"),
    )
    op.create_index(op.f("ix_image_fetch_merchant_id_wish"), "image_fetch", ["merchant_id", "wish"])
    op.create_table(
        "fetch_host",
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("rest_until", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("host", name=op.f("pk_fetch_host")),
    )


def downgrade() -> None:
    op.drop_table("fetch_host")
    op.drop_table("image_fetch")
    op.execute(
        "UPDATE image SET state = 'quarantined', last_error = 'images by address are not fetched by this version'"
        " WHERE state = 'pending'"
    )
    for constraint in ("pending_has_no_content", "ready_has_content", "state"):
        op.drop_constraint(f"ck_image_{constraint}", "image")
    op.create_check_constraint(op.f("ck_image_state"), "image", "state IN ('ready', 'quarantined')")
    op.create_check_constraint(
        op.f("ck_image_ready_has_content"), "image", "state = 'quarantined' OR sha256 IS NOT NULL"
    )
