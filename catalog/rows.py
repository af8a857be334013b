"""The tables. PostgreSQL is the truth; the vector index is a projection that can be rebuilt from here.

Rows have no relationships: every query is written out in a repository, so that none happens by accident.
"""

from __future__ import annotations

import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    DateTime,
    Double,
    ForeignKey,
    Identity,
    Index,
    Integer,
    MetaData,
    Numeric,
    Sequence,
    Text,
    Time,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from catalog.types import JobState


class Base(DeclarativeBase):
    """All tables, with constraint names that migrations can rely on."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy reads this class attribute; it is never changed.
        str: Text(),
        int: BigInteger(),
        datetime.datetime: DateTime(timezone=True),
        list[str]: ARRAY(Text()),
        list[int]: ARRAY(Integer()),
        list[float]: ARRAY(Double()),
        dict[str, Any]: JSONB(),
    }


image_revision = Sequence("image_revision", metadata=Base.metadata)
"""Source of revisions: every mark on an image takes the next one, so that later marks have larger revisions."""


class ImageState(StrEnum):
    """Whether an image can be indexed.

    ``pending`` is one by address whose bytes have not come yet. A ``duplicate`` could be, but another image of its
    product shows the same photo.
    """

    READY = "ready"
    PENDING = "pending"
    QUARANTINED = "quarantined"
    DUPLICATE = "duplicate"


class FetchOutcome(StrEnum):
    """What became of the last wish to have an image fetched.

    Its bytes are ``new``, ``changed`` or ``unchanged``; or there is no use in trying again: ``refused`` (the address or
    the file cannot be had), ``unreachable`` (no good answer in so many attempts), ``unusable`` (what came is no image).
    """

    NEW = "new"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"
    UNUSABLE = "unusable"


FETCH_FAILURES: Final = (FetchOutcome.REFUSED, FetchOutcome.UNREACHABLE, FetchOutcome.UNUSABLE)


class GalleryState(StrEnum):
    """A gallery is filled while ``building``, searched while ``live``, and kept for a way back once ``retired``."""

    BUILDING = "building"
    LIVE = "live"
    RETIRED = "retired"


class ChangeKind(StrEnum):
    """What an ingest did to a product."""

    NEW = "new"
    CHANGED = "changed"
    REMOVED = "removed"


class ChangeUndoing(StrEnum):
    """What came of undoing a change: it is ``undone``, or ``kept``, because the product is no longer as it was left."""

    UNDONE = "undone"
    KEPT = "kept"


class ApiKeyKind(StrEnum):
    """A ``secret`` key stays on its owner's servers; a ``public`` one stands in a shop's pages, for all to read."""

    SECRET = "secret"
    PUBLIC = "public"


def _one_of(column: str, states: type[StrEnum]) -> str:
    return f"{column} IN ({', '.join(repr(state.value) for state in states)})"


class MerchantRow(Base):
    """Whose catalog it is."""

    __tablename__ = "merchant"

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    created_at: Mapped[datetime.datetime] = mapped_column(server_default=func.now())


class ApiKeyRow(Base):
    """A key to a merchant's data. ``hash`` is its secret's SHA-256, ``prefix`` the part of it that may be shown."""

    __tablename__ = "api_key"
    __table_args__ = (
        CheckConstraint(_one_of("kind", ApiKeyKind), name="kind"),
        CheckConstraint("scopes <> '{}' AND scopes <@ ARRAY['search', 'ingest', 'admin']", name="scopes"),
        CheckConstraint("kind <> 'public' OR scopes = ARRAY['search']", name="public_only_searches"),
        CheckConstraint("(kind = 'public') = (allowed_origins <> '{}')", name="public_has_origins"),
        CheckConstraint("rate_limit ~ '^[1-9][0-9]{0,6}/(s|min|h)$'", name="rate_limit"),
    )

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    merchant_id: Mapped[int] = mapped_column(ForeignKey("merchant.id", ondelete="CASCADE"), index=True)
    name: Mapped[str]
    hash: Mapped[str] = mapped_column(unique=True)
    prefix: Mapped[str]
    kind: Mapped[str]
    scopes: Mapped[list[str]]
    allowed_origins: Mapped[list[str]]
    created_at: Mapped[datetime.datetime] = mapped_column(server_default=func.now())
    last_used_at: Mapped[datetime.datetime | None]
    expires_at: Mapped[datetime.datetime | None]
    revoked_at: Mapped[datetime.datetime | None]
    rate_limit: Mapped[str | None]


class ProductRow(Base):
    """A sellable item as the feed last described it.

    ``fingerprint`` is the SHA-256 of everything the last feed said of the product, its image references included: a
    feed that says the same has nothing to write. ``attributes`` are the vocabulary's names, which searches filter by;
    ``given_attributes`` are the merchant's own. ``fields`` are ``name=value`` of the merchant's own columns.
    """

    __tablename__ = "product"
    __table_args__ = (
        UniqueConstraint("merchant_id", "external_id"),
        CheckConstraint("(price IS NULL) = (currency IS NULL)", name="price_has_currency"),
        Index(None, "fields", postgresql_using="gin"),
    )

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    merchant_id: Mapped[int] = mapped_column(ForeignKey("merchant.id", ondelete="CASCADE"))
    external_id: Mapped[str]
    title: Mapped[str]
    description: Mapped[str]
    category: Mapped[list[str]]
    attributes: Mapped[list[str]]
    given_attributes: Mapped[list[str]]
    price: Mapped[Decimal | None] = mapped_column(Numeric(14, 4))
    currency: Mapped[str | None]
    availability: Mapped[str]
    link: Mapped[str | None]
    item_group: Mapped[str | None]
    fields: Mapped[list[str]] = mapped_column(server_default=text("'{}'"))
    raw: Mapped[dict[str, Any]]
    fingerprint: Mapped[str]
    created_at: Mapped[datetime.datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime.datetime] = mapped_column(server_default=func.now())


class ImageRow(Base):
    """One picture of a product. Its id is the id of its point in every collection.

    ``revision`` is that of the latest mark: what a point's payload must carry to be up to date. ``sha256`` names the
    bytes in the image store; it is empty for an image that has not been fetched yet, or could never be read.

    ``photo_hash`` is the perceptual hash of the content that ``hashed_content`` names, and tells nothing of any other.
    ``duplicate_of`` is the id of the image that is shown in this one's stead, while the state says so. It is no foreign
    key: it outlives that image until the duplicates are decided anew.
    """

    __tablename__ = "image"
    __table_args__ = (
        UniqueConstraint("product_id", "source"),
        CheckConstraint(_one_of("state", ImageState), name="state"),
        CheckConstraint("state <> 'ready' OR sha256 IS NOT NULL", name="ready_has_content"),
        CheckConstraint("state <> 'pending' OR sha256 IS NULL", name="pending_has_no_content"),
        CheckConstraint(
            "state <> 'duplicate' OR (sha256 IS NOT NULL AND duplicate_of IS NOT NULL)", name="duplicate_has_original"
        ),
        CheckConstraint("(photo_hash IS NULL) = (hashed_content IS NULL)", name="hash_has_content"),
        Index(None, "merchant_id", "id"),
        # Whether a photo that is asked for is the merchant's own.
        Index(None, "merchant_id", "sha256", postgresql_where=text("sha256 IS NOT NULL")),
        Index(None, "duplicate_of", postgresql_where=text("duplicate_of IS NOT NULL")),
    )

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    merchant_id: Mapped[int] = mapped_column(ForeignKey("merchant.id", ondelete="CASCADE"))
    product_id: Mapped[int] = mapped_column(ForeignKey("product.id", ondelete="CASCADE"))
    source: Mapped[str]
    position: Mapped[int] = mapped_column(Integer)
    crop: Mapped[list[int] | None]
    sha256: Mapped[str | None]
    size_bytes: Mapped[int | None]
    width: Mapped[int | None] = mapped_column(Integer)
    height: Mapped[int | None] = mapped_column(Integer)
    state: Mapped[str]
    last_error: Mapped[str | None]
    revision: Mapped[int] = mapped_column(server_default=image_revision.next_value())
    photo_hash: Mapped[bytes | None]
    hashed_content: Mapped[str | None]
    duplicate_of: Mapped[int | None]


class ImageFetchRow(Base):
    """An image by address: whether it is to be fetched, and what is known of the bytes that are stored.

    The row lives as long as its image. ``due_at`` is empty while nobody wishes to have it fetched; every ingest that
    meets the image wishes anew, at a new ``wish`` from ``image_revision``. ``etag`` and ``last_modified`` are those of
    the stored bytes. ``relative_crop`` is the item's box in shares of the image, left, top, right and bottom, where the
    feed gives it so: what the image's own crop comes from whenever bytes come. ``last_error`` says what was found, and
    ``expected`` what was expected, where the last try failed.
    """

    __tablename__ = "image_fetch"
    __table_args__ = (
        CheckConstraint(_one_of("outcome", FetchOutcome), name="outcome"),
        Index("ix_image_fetch_due", "host", "due_at", "image_id", postgresql_where=text("due_at IS NOT NULL")),
        Index(None, "merchant_id", "wish"),
    )

    image_id: Mapped[int] = mapped_column(
        ForeignKey("image.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    merchant_id: Mapped[int] = mapped_column(ForeignKey("merchant.id", ondelete="CASCADE"))
    host: Mapped[str]
    wish: Mapped[int]
    due_at: Mapped[datetime.datetime | None]
    lease_until: Mapped[datetime.datetime | None]
    attempts: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    etag: Mapped[str | None]
    last_modified: Mapped[str | None]
    relative_crop: Mapped[list[float] | None]
    fetched_at: Mapped[datetime.datetime | None]
    outcome: Mapped[str | None]
    last_error: Mapped[str | None]
    expected: Mapped[str | None]


class FetchHostRow(Base):
    """A server of images that has not answered well lately: how often in a row, and until when it is left alone."""

    __tablename__ = "fetch_host"

    host: Mapped[str] = mapped_column(primary_key=True)
    failures: Mapped[int] = mapped_column(Integer)
    rest_until: Mapped[datetime.datetime | None]


class ModelVersionRow(Base):
    """A model version that some gallery was built with, with a copy of its manifest."""

    __tablename__ = "model_version"

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    manifest: Mapped[dict[str, Any]]
    created_at: Mapped[datetime.datetime] = mapped_column(server_default=func.now())


class GalleryRow(Base):
    """A merchant's images in the collection of one model version. Searches go to the one that is live.

    ``retired_at`` is when searches last left it; it is empty while it is live, and where they never went to it.
    ``indexed_at`` is when it was last noted that its points changed; before the first, when it was made, empty.
    """

    __tablename__ = "gallery"
    __table_args__ = (
        UniqueConstraint("merchant_id", "model_version_id"),
        CheckConstraint(_one_of("state", GalleryState), name="state"),
        Index("uq_gallery_live", "merchant_id", unique=True, postgresql_where=text("state = 'live'")),
    )

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    merchant_id: Mapped[int] = mapped_column(ForeignKey("merchant.id", ondelete="CASCADE"))
    model_version_id: Mapped[int] = mapped_column(ForeignKey("model_version.id"))
    collection: Mapped[str]
    state: Mapped[str]
    created_at: Mapped[datetime.datetime] = mapped_column(server_default=func.now())
    retired_at: Mapped[datetime.datetime | None]
    indexed_at: Mapped[datetime.datetime] = mapped_column(server_default=func.now())


class IndexedImageRow(Base):
    """What a gallery's collection holds of an image: which content it was embedded from, at which revision.

    ``image_id`` is no foreign key: the row outlives its image until the point is deleted.
    """

    __tablename__ = "indexed_image"

    gallery_id: Mapped[int] = mapped_column(ForeignKey("gallery.id", ondelete="CASCADE"), primary_key=True)
    image_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    content_key: Mapped[str]
    revision: Mapped[int]


class OutboxRow(Base):
    """A dirty image: its points are not known to be up to date. Marks coalesce, one row per image.

    ``image_id`` is no foreign key: the mark of a removed image is what deletes its points.
    """

    __tablename__ = "outbox"
    __table_args__ = (Index(None, "available_at", "image_id"), Index(None, "merchant_id", "available_at", "image_id"))

    image_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    merchant_id: Mapped[int] = mapped_column(ForeignKey("merchant.id", ondelete="CASCADE"))
    revision: Mapped[int]
    available_at: Mapped[datetime.datetime] = mapped_column(server_default=func.now())
    lease_until: Mapped[datetime.datetime | None]
    attempts: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    last_error: Mapped[str | None]


class JobRow(Base):
    """A run of something that takes long, with its counts, and how far it was, as they stood at ``updated_at``.

    ``error_kind`` is the name of the error's class, where it failed with one. ``errors`` are the first of the rows and
    images that were not taken. ``idempotency_key`` is what its client calls it, so as to ask for it once. Of a job that
    waits ``started_at`` is when it was handed over.
    """

    __tablename__ = "job"
    __table_args__ = (
        CheckConstraint(_one_of("state", JobState), name="state"),
        UniqueConstraint("merchant_id", "idempotency_key"),
    )

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    merchant_id: Mapped[int] = mapped_column(ForeignKey("merchant.id", ondelete="CASCADE"), index=True)
    kind: Mapped[str]
    subject: Mapped[str]
    state: Mapped[str]
    counts: Mapped[dict[str, Any]]
    error: Mapped[str | None]
    error_kind: Mapped[str | None]
    errors: Mapped[list[dict[str, Any]] | None] = mapped_column(JSONB(none_as_null=True))
    request: Mapped[dict[str, Any] | None]
    idempotency_key: Mapped[str | None]
    progress_done: Mapped[int | None]
    progress_total: Mapped[int | None]
    progress_unit: Mapped[str | None]
    cancel_requested_at: Mapped[datetime.datetime | None]
    started_at: Mapped[datetime.datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime.datetime] = mapped_column(server_default=func.now())
    finished_at: Mapped[datetime.datetime | None]


class SubmittedFeedRow(Base):
    """A feed that was handed over, for its waiting job: gone once the job has ended, so one at a time for a merchant.

    ``upload`` is the key of its file in the feed store, or empty of a feed by address.
    """

    __tablename__ = "submitted_feed"
    __table_args__ = (UniqueConstraint("merchant_id"),)

    job_id: Mapped[int] = mapped_column(ForeignKey("job.id", ondelete="CASCADE"), primary_key=True)
    merchant_id: Mapped[int] = mapped_column(ForeignKey("merchant.id", ondelete="CASCADE"))
    upload: Mapped[str | None]
    due_at: Mapped[datetime.datetime] = mapped_column(server_default=func.now())
    lease_until: Mapped[datetime.datetime | None]
    attempts: Mapped[int] = mapped_column(Integer, server_default=text("0"))


class WebhookRow(Base):
    """An address that a merchant's servers are told at when a job has ended.

    ``secret`` signs what is sent. It is kept as it is, because a hash cannot sign: who reads this table can pretend to
    be Drape, to this address alone.
    """

    __tablename__ = "webhook"
    __table_args__ = (UniqueConstraint("merchant_id", "url"),)

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    merchant_id: Mapped[int] = mapped_column(ForeignKey("merchant.id", ondelete="CASCADE"))
    url: Mapped[str]
    secret: Mapped[str]
    created_at: Mapped[datetime.datetime] = mapped_column(server_default=func.now())


class WebhookDeliveryRow(Base):
    """What is to be sent to a webhook, written in the transaction that ended the job: ``body`` is sent as it stands.

    ``message_id`` is the same whichever try it is, for receivers to know what they have had. Once it was delivered or
    given up it is kept for a while, to be looked at.
    """

    __tablename__ = "webhook_delivery"
    __table_args__ = (
        Index(None, "webhook_id", "id"),
        Index(
            "ix_webhook_delivery_due",
            "due_at",
            "id",
            postgresql_where=text("delivered_at IS NULL AND given_up_at IS NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    webhook_id: Mapped[int] = mapped_column(ForeignKey("webhook.id", ondelete="CASCADE"))
    message_id: Mapped[str]
    type: Mapped[str]
    job_id: Mapped[int]
    body: Mapped[str]
    created_at: Mapped[datetime.datetime] = mapped_column(server_default=func.now())
    due_at: Mapped[datetime.datetime] = mapped_column(server_default=func.now())
    lease_until: Mapped[datetime.datetime | None]
    attempts: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    last_error: Mapped[str | None]
    delivered_at: Mapped[datetime.datetime | None]
    given_up_at: Mapped[datetime.datetime | None]


class FeedSightingRow(Base):
    """A product id that a merchant's last ingest has met in its feed, with its line.

    Finds repeats, what the feed no longer has, and the line of an image that turns out to be damaged later.
    """

    __tablename__ = "feed_sighting"

    job_id: Mapped[int] = mapped_column(ForeignKey("job.id", ondelete="CASCADE"), primary_key=True)
    external_id: Mapped[str] = mapped_column(primary_key=True)
    line: Mapped[int]


class ProductChangeRow(Base):
    """What an ingest did to one product, and what it takes to undo that.

    ``before`` holds ``columns`` and, where they matter, ``images``: of a removed product all of them, of a changed one
    the columns that changed, and all its images where one of them changed, each with the ``relative_crop`` of its
    fetch. ``after`` holds the same of a changed product as the ingest left it. Of ``raw`` both hold only the keys that
    changed.

    ``product_id`` is no foreign key: the row outlives its product.
    """

    __tablename__ = "product_change"
    __table_args__ = (
        CheckConstraint(_one_of("kind", ChangeKind), name="kind"),
        CheckConstraint(_one_of("undoing", ChangeUndoing), name="undoing"),
    )

    job_id: Mapped[int] = mapped_column(ForeignKey("job.id", ondelete="CASCADE"), primary_key=True)
    # Paged through in the order of its bytes.
    external_id: Mapped[str] = mapped_column(Text(collation="C"), primary_key=True)
    product_id: Mapped[int]
    kind: Mapped[str]
    title: Mapped[str]
    fields: Mapped[list[str]]
    before: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    after: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    undoing: Mapped[str | None]


class FeedScheduleRow(Base):
    """A feed by address that workers ingest again and again.

    It is due every so many seconds, or daily at a time of the day in UTC. ``request`` is what is asked for each time.
    """

    __tablename__ = "feed_schedule"
    __table_args__ = (
        UniqueConstraint("merchant_id", "feed"),
        CheckConstraint("(every_seconds IS NULL) <> (daily_at IS NULL)", name="every_or_daily"),
        Index(None, "next_due_at"),
    )

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    merchant_id: Mapped[int] = mapped_column(ForeignKey("merchant.id", ondelete="CASCADE"))
    feed: Mapped[str]
    request: Mapped[dict[str, Any]]
    every_seconds: Mapped[int | None]
    daily_at: Mapped[datetime.time | None] = mapped_column(Time())
    next_due_at: Mapped[datetime.datetime]
    lease_until: Mapped[datetime.datetime | None]
    last_run_at: Mapped[datetime.datetime | None]
    last_job_id: Mapped[int | None] = mapped_column(ForeignKey("job.id", ondelete="SET NULL"))
    last_error: Mapped[str | None]
