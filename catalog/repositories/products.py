"""Products and their images as the feed last described them."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, cast

from sqlalchemy import BigInteger, Select, any_, bindparam, delete, func, literal, select, type_coerce, update
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.orm import Session
from sqlalchemy.types import NullType, TypeEngine

from catalog.repositories.prepared_statement import PreparedStatement
from catalog.repositories.row_counts import num_rows
from catalog.rows import FeedSightingRow, ImageRow, ImageState, JobRow, ProductRow


@dataclass(frozen=True, slots=True)
class KnownProduct:
    """What an ingest must know of a stored product to tell what changed."""

    id: int
    fingerprint: str
    title: str


@dataclass(frozen=True, slots=True)
class KnownImage:
    """What an ingest must know of a stored image to tell what changed."""

    id: int
    product_id: int
    source: str
    position: int
    crop: tuple[int, ...] | None
    sha256: str | None
    state: str
    last_error: str | None


@dataclass(frozen=True, slots=True)
class ShownProduct:
    """What a hit shows of the product behind an image."""

    image_id: int
    sha256: str
    product_id: int
    external_id: str
    title: str
    category: tuple[str, ...]
    attributes: tuple[str, ...]
    given_attributes: tuple[str, ...]
    price: Decimal | None
    currency: str | None
    availability: str
    link: str | None
    item_group: str | None
    first_seen: datetime.datetime


@dataclass(frozen=True, slots=True)
class DescribedProduct:
    """What the feed says of a product in words."""

    id: int
    title: str
    description: str
    category: tuple[str, ...]
    attributes: tuple[str, ...]
    given_attributes: tuple[str, ...]
    raw: Mapping[str, Any]


_OWN_COLUMNS = tuple(
    column
    for column in ProductRow.__table__.columns
    if column.name not in {"id", "merchant_id", "created_at", "updated_at"}
)
"""What feeds decide of a product."""

# What every search asks is put together once: SQLAlchemy takes as long for a statement as PostgreSQL for its answer.
_AS_THE_DRIVER_HAS_IT = cast(TypeEngine[list[str]], NullType())
"""Of lists, which SQLAlchemy would walk through once more."""

_READY = literal(ImageState.READY, literal_execute=True)
_SHOWN = PreparedStatement(
    "drape_shown",
    select(
        ImageRow.id,
        ImageRow.sha256,
        ProductRow.id,
        ProductRow.external_id,
        ProductRow.title,
        type_coerce(ProductRow.category, _AS_THE_DRIVER_HAS_IT),
        type_coerce(ProductRow.attributes, _AS_THE_DRIVER_HAS_IT),
        type_coerce(ProductRow.given_attributes, _AS_THE_DRIVER_HAS_IT),
        ProductRow.price,
        ProductRow.currency,
        ProductRow.availability,
        ProductRow.link,
        ProductRow.item_group,
        ProductRow.created_at,
    )
    .join(ProductRow, ProductRow.id == ImageRow.product_id)
    .where(
        ImageRow.id == any_(bindparam("image_ids", type_=ARRAY(BigInteger()))),
        ImageRow.merchant_id == bindparam("merchant_id"),
        ImageRow.state == _READY,
        ImageRow.sha256.is_not(None),
    ),
)
_PRODUCTS_OF = select(ImageRow.id, ImageRow.product_id).where(
    ImageRow.id == any_(bindparam("image_ids", type_=ARRAY(BigInteger()))),
    ImageRow.merchant_id == bindparam("merchant_id"),
    ImageRow.state == ImageState.READY,
    ImageRow.sha256.is_not(None),
)


class ProductRepository:
    """Questions about products and images."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def known_products(self, merchant_id: int, external_ids: Sequence[str]) -> dict[str, KnownProduct]:
        """Stored products by external id, locked against a second ingest of the same rows until the end."""
        rows = self._session.execute(
            select(ProductRow.external_id, ProductRow.id, ProductRow.fingerprint, ProductRow.title)
            .where(ProductRow.merchant_id == merchant_id, ProductRow.external_id.in_(external_ids))
            .order_by(ProductRow.id)
            # Not against those who change images of the products, of whom PostgreSQL may ask whether these are there.
            .with_for_update(key_share=True)
        )
        return {external_id: KnownProduct(id, print_, title) for external_id, id, print_, title in rows}

    def stored(self, product_ids: Sequence[int]) -> dict[int, dict[str, Any]]:
        """All columns that feeds decide, by product id, locked until the end."""
        if not product_ids:
            return {}
        rows = self._session.execute(
            select(ProductRow.id, *_OWN_COLUMNS)
            .where(ProductRow.id.in_(product_ids))
            .order_by(ProductRow.id)
            .with_for_update(key_share=True)
        )
        return {id: dict(zip([column.name for column in _OWN_COLUMNS], values, strict=True)) for id, *values in rows}

    def note_fingerprints(self, fingerprints: Mapping[int, str]) -> None:
        """Write what the feed said of products, by id, where that changed nothing of them."""
        if fingerprints:
            self._session.connection().execute(
                update(ProductRow.__table__)  # type: ignore[arg-type]  # The core table: one executemany.
                .where(ProductRow.__table__.c.id == bindparam("row_id"))
                .values(fingerprint=bindparam("said")),
                [{"row_id": id, "said": said} for id, said in fingerprints.items()],
            )

    def known_images(self, product_ids: Sequence[int]) -> dict[int, dict[str, KnownImage]]:
        """Stored images by product id and source."""
        rows = self._session.execute(
            select(
                ImageRow.id,
                ImageRow.product_id,
                ImageRow.source,
                ImageRow.position,
                ImageRow.crop,
                ImageRow.sha256,
                ImageRow.state,
                ImageRow.last_error,
            )
            .where(ImageRow.product_id.in_(product_ids))
            .order_by(ImageRow.id)
        )
        known: dict[int, dict[str, KnownImage]] = {}
        for id, product_id, source, position, crop, sha256, state, last_error in rows:
            image = KnownImage(
                id, product_id, source, position, None if crop is None else tuple(crop), sha256, state, last_error
            )
            known.setdefault(product_id, {})[source] = image
        return known

    def insert_products(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, int]:
        """Insert products; their ids by external id."""
        if not rows:
            return {}
        inserted = self._session.execute(
            insert(ProductRow).returning(ProductRow.external_id, ProductRow.id), [dict(row) for row in rows]
        )
        return {row[0]: row[1] for row in inserted}

    def update_products(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Overwrite products; each row carries the product's ``id`` and the same columns as the others."""
        if not rows:
            return
        columns = [name for name in rows[0] if name != "id"]
        statement = (
            update(ProductRow.__table__)  # type: ignore[arg-type]  # The core table: one executemany, no ORM state.
            .where(ProductRow.__table__.c.id == bindparam("row_id"))
            .values({**{name: bindparam(f"new_{name}") for name in columns}, "updated_at": func.now()})
        )
        self._session.connection().execute(
            statement, [{"row_id": row["id"], **{f"new_{name}": row[name] for name in columns}} for row in rows]
        )

    def insert_images(self, rows: Sequence[Mapping[str, Any]]) -> list[int]:
        """Insert images; their ids."""
        if not rows:
            return []
        inserted = self._session.execute(insert(ImageRow).returning(ImageRow.id), [dict(row) for row in rows])
        return list(inserted.scalars())

    def update_image(self, image_id: int, values: Mapping[str, Any]) -> None:
        """Overwrite columns of one image."""
        self._session.execute(update(ImageRow).where(ImageRow.id == image_id).values(**values))

    def remove_images(self, image_ids: Sequence[int]) -> None:
        """Remove images. Mark them dirty first: the mark is what deletes their points."""
        self._session.execute(delete(ImageRow).where(ImageRow.id.in_(image_ids)))

    def quarantine(self, image_id: int, revision: int, reason: str, *, forget_content: bool) -> None:
        """Set the image aside with its reason, unless it was marked again since it was tried at this revision.

        Args:
            forget_content: The bytes are not in the image store, so that the same bytes are news when a feed has them.
        """
        values: dict[str, Any] = {"state": ImageState.QUARANTINED, "last_error": reason}
        if forget_content:
            values["sha256"] = None
        self._session.execute(
            update(ImageRow).where(ImageRow.id == image_id, ImageRow.revision == revision).values(**values)
        )

    def sight(self, job_id: int, lines: Mapping[str, int]) -> dict[str, int]:
        """Note the ids that the job's feed has on these lines; returns those noted before, with their first line."""
        fresh = set(
            self._session.execute(
                insert(FeedSightingRow).on_conflict_do_nothing().returning(FeedSightingRow.external_id),
                [{"job_id": job_id, "external_id": external_id, "line": line} for external_id, line in lines.items()],
            ).scalars()
        )
        repeated = [external_id for external_id in lines if external_id not in fresh]
        if not repeated:
            return {}
        rows = self._session.execute(
            select(FeedSightingRow.external_id, FeedSightingRow.line).where(
                FeedSightingRow.job_id == job_id, FeedSightingRow.external_id.in_(repeated)
            )
        )
        return {row[0]: row[1] for row in rows}

    def forget_sightings(self, merchant_id: int) -> None:
        """Drop the notes of the merchant's earlier jobs."""
        jobs = select(JobRow.id).where(JobRow.merchant_id == merchant_id)
        self._session.execute(delete(FeedSightingRow).where(FeedSightingRow.job_id.in_(jobs)))

    def set_aside(self, job_id: int, image_ids: Sequence[int]) -> list[tuple[int, str, str, str]]:
        """Line of the job's feed, product id, source and reason of those of the images that are in quarantine."""
        rows = self._session.execute(
            select(FeedSightingRow.line, ProductRow.external_id, ImageRow.source, ImageRow.last_error)
            .join(ProductRow, ProductRow.id == ImageRow.product_id)
            .join(FeedSightingRow, FeedSightingRow.external_id == ProductRow.external_id)
            .where(
                FeedSightingRow.job_id == job_id,
                ImageRow.id.in_(image_ids),
                ImageRow.state == ImageState.QUARANTINED,
            )
            .order_by(FeedSightingRow.line, ImageRow.position)
        )
        return [(line, external_id, source, reason or "") for line, external_id, source, reason in rows]

    def count(self, merchant_id: int) -> int:
        """Number of the merchant's products."""
        return self._session.execute(
            select(func.count()).select_from(ProductRow).where(ProductRow.merchant_id == merchant_id)
        ).scalar_one()

    def _unsighted(self, merchant_id: int, job_id: int) -> Any:  # noqa: ANN401 - a list of SQL expressions.
        sighted = select(literal(1)).where(
            FeedSightingRow.job_id == job_id, FeedSightingRow.external_id == ProductRow.external_id
        )
        return (ProductRow.merchant_id == merchant_id, ~sighted.exists())

    def count_unsighted(self, merchant_id: int, job_id: int) -> int:
        """Number of the merchant's products that the job's feed did not have."""
        return self._session.execute(
            select(func.count()).select_from(ProductRow).where(*self._unsighted(merchant_id, job_id))
        ).scalar_one()

    def unsighted(self, merchant_id: int, job_id: int) -> Select[int]:
        """The query for the ids of products that the job's feed did not have."""
        return select(ProductRow.id).where(*self._unsighted(merchant_id, job_id))

    def remove_unsighted(self, merchant_id: int, job_id: int) -> int:
        """Remove the products that the job's feed did not have, and their images; returns how many products."""
        removal = delete(ProductRow).where(*self._unsighted(merchant_id, job_id))
        return num_rows(self._session.execute(removal.execution_options(synchronize_session=False)))

    def products_of(self, image_ids: Sequence[int], merchant_id: int) -> dict[int, int]:
        """The products that these images show, by image id; what the merchant no longer has is left out."""
        arguments = {"image_ids": list(image_ids), "merchant_id": merchant_id}
        rows = self._session.connection().execute(_PRODUCTS_OF, arguments)
        return {row[0]: row[1] for row in rows}

    def shown(self, image_ids: Sequence[int], merchant_id: int) -> dict[int, ShownProduct]:
        """What to show for these images, by image id; what the merchant no longer has is left out."""
        arguments = {"image_ids": list(image_ids), "merchant_id": merchant_id}
        rows = _SHOWN.run(self._session.connection(), arguments).all()
        return {
            row[0]: ShownProduct(
                image_id=row[0],
                sha256=str(row[1]),
                product_id=row[2],
                external_id=row[3],
                title=row[4],
                category=tuple(row[5]),
                attributes=tuple(row[6]),
                given_attributes=tuple(row[7]),
                price=row[8],
                currency=row[9],
                availability=row[10],
                link=row[11],
                item_group=row[12],
                first_seen=row[13],
            )
            for row in rows
        }

    def described(self, merchant_id: int, after: int, limit: int) -> list[DescribedProduct]:
        """Up to ``limit`` of the merchant's products with ids above ``after``, ascending."""
        rows = self._session.execute(
            select(
                ProductRow.id,
                ProductRow.title,
                ProductRow.description,
                ProductRow.category,
                ProductRow.attributes,
                ProductRow.given_attributes,
                ProductRow.raw,
            )
            .where(ProductRow.merchant_id == merchant_id, ProductRow.id > after)
            .order_by(ProductRow.id)
            .limit(limit)
        )
        return [
            DescribedProduct(id, title, description, tuple(category), tuple(attributes), tuple(given), raw)
            for id, title, description, category, attributes, given, raw in rows
        ]
