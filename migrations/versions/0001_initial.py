"""The first schema: merchants, products, images, galleries, the outbox and jobs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(sa.schema.CreateSequence(sa.Sequence("image_revision")))
    op.create_table(
        "merchant",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_merchant")),
        sa.UniqueConstraint("name", name=op.f("uq_merchant_name")),
    )
    op.create_table(
        "model_version",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("manifest", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_model_version")),
        sa.UniqueConstraint("name", name=op.f("uq_model_version_name")),
    )
    op.create_table(
        "gallery",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("merchant_id", sa.BigInteger(), nullable=False),
        sa.Column("model_version_id", sa.BigInteger(), nullable=False),
        sa.Column("collection", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("state IN ('building', 'live', 'retired')", name=op.f("ck_gallery_state")),
        sa.ForeignKeyConstraint(
            ["merchant_id"], ["merchant.id"], name=op.f("fk_gallery_merchant_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["model_version_id"], ["model_version.id"], name=op.f("fk_gallery_model_version_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_gallery")),
        sa.UniqueConstraint("merchant_id", "model_version_id", name=op.f("uq_gallery_merchant_id_model_version_id")),
    )
    op.create_index(
        "uq_gallery_live", "gallery", ["merchant_id"], unique=True, postgresql_where=sa.text("state = 'live'")
    )
    op.create_table(
        "job",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("merchant_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("counts", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("state IN ('running', 'done', 'failed', 'interrupted')", name=op.f("ck_job_state")),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchant.id"], name=op.f("fk_job_merchant_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_job")),
    )
    op.create_index(op.f("ix_job_merchant_id"), "job", ["merchant_id"], unique=False)
    op.create_table(
        "outbox",
        sa.Column("image_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("merchant_id", sa.BigInteger(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("available_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["merchant_id"], ["merchant.id"], name=op.f("fk_outbox_merchant_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("image_id", name=op.f("pk_outbox")),
    )
    op.create_index(op.f("ix_outbox_available_at_image_id"), "outbox", ["available_at", "image_id"], unique=False)
    op.create_index(
        op.f("ix_outbox_merchant_id_available_at_image_id"),
        "outbox",
        ["merchant_id", "available_at", "image_id"],
        unique=False,
    )
    op.create_table(
        "product",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("merchant_id", sa.BigInteger(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("category", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("attributes", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("price", sa.Numeric(precision=14, scale=4), nullable=True),
        sa.Column("currency", sa.Text(), nullable=True),
        sa.Column("availability", sa.Text(), nullable=False),
        sa.Column("link", sa.Text(), nullable=True),
        sa.Column("item_group", sa.Text(), nullable=True),
        sa.Column("raw", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("(price IS NULL) = (currency IS NULL)", name=op.f("ck_product_price_has_currency")),
        sa.ForeignKeyConstraint(
            ["merchant_id"], ["merchant.id"], name=op.f("fk_product_merchant_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_product")),
        sa.UniqueConstraint("merchant_id", "external_id", name=op.f("uq_product_merchant_id_external_id")),
    )
    op.create_table(
        "feed_sighting",
        sa.Column("job_id", sa.BigInteger(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=False),
        sa.Column("line", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], name=op.f("fk_feed_sighting_job_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job_id", "external_id", name=op.f("pk_feed_sighting")),
    )
    op.create_table(
        "image",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("merchant_id", sa.BigInteger(), nullable=False),
        sa.Column("product_id", sa.BigInteger(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("crop", postgresql.ARRAY(sa.Integer()), nullable=True),
        sa.Column("sha256", sa.Text(), nullable=True),
        sa.Column("size_bytes", sa.BigInteger(), nullable=True),
        sa.Column("width", sa.Integer(), nullable=True),
        sa.Column("height", sa.Integer(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("revision", sa.BigInteger(), server_default=sa.text("nextval('image_revision')"), nullable=False),
        sa.CheckConstraint("state = 'quarantined' OR sha256 IS NOT NULL", name=op.f("ck_image_ready_has_content")),
        sa.CheckConstraint("state IN ('ready', 'quarantined')", name=op.f("ck_image_state")),
        sa.ForeignKeyConstraint(
            ["merchant_id"], ["merchant.id"], name=op.f("fk_image_merchant_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["product_id"], ["product.id"], name=op.f("fk_image_product_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_image")),
        sa.UniqueConstraint("product_id", "source", name=op.f("uq_image_product_id_source")),
    )
    op.create_index(op.f("ix_image_merchant_id_id"), "image", ["merchant_id", "id"], unique=False)
    op.create_table(
        "indexed_image",
        sa.Column("gallery_id", sa.BigInteger(), nullable=False),
        sa.Column("image_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("content_key", sa.Text(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["gallery_id"], ["gallery.id"], name=op.f("fk_indexed_image_gallery_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("gallery_id", "image_id", name=op.f("pk_indexed_image")),
    )


def downgrade() -> None:
    op.drop_table("indexed_image")
    op.drop_table("image")
    op.drop_table("feed_sighting")
    op.drop_table("product")
    op.drop_table("outbox")
    op.drop_table("job")
    op.drop_table("gallery")
    op.drop_table("model_version")
    op.drop_table("merchant")
    op.execute(sa.schema.DropSequence(sa.Sequence("image_revision")))
