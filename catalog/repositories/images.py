"""Images as the indexer needs them: content to embed, and the facts that go into the payload."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from sqlalchemy import ColumnElement, func, literal, select
from sqlalchemy.orm import Session

from catalog.rows import FETCH_FAILURES, ImageFetchRow, ImageRow, ImageState, ProductRow

_PAGE = 1000


def content_key(sha256: str, crop: Sequence[int] | None) -> str:
    """Names the bytes and the crop of an image.

    >>> content_key("ab12", None), content_key("ab12", (0, 4, 30, 44))
    ('ab12', 'ab12@0,4,30,44')
    """
    return sha256 if crop is None else f"{sha256}@{','.join(map(str, crop))}"


@dataclass(frozen=True, slots=True)
class IndexableImage:
    """An image with its product's facts, read in one query so that they belong together.

    Args:
        revision: The image's latest mark when it was read.
    """

    id: int
    merchant_id: int
    product_id: int
    position: int
    sha256: str
    crop: tuple[int, int, int, int] | None
    revision: int
    category: tuple[str, ...]
    attributes: tuple[str, ...]
    price: Decimal | None
    currency: str | None
    availability: str
    item_group: str | None
    fields: tuple[str, ...] = ()

    @property
    def content_key(self) -> str:
        """Names what is embedded: the bytes and the crop. Equal keys mean equal vectors of one model version."""
        return content_key(self.sha256, self.crop)


def content_key_column() -> ColumnElement[str]:
    """``IndexableImage.content_key``, for PostgreSQL to compute."""
    return func.concat(ImageRow.sha256, "@" + func.array_to_string(ImageRow.crop, ","))


class ImageRepository:
    """Questions about images."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def indexable(self, image_ids: Sequence[int]) -> dict[int, IndexableImage]:
        """The images that exist and can be indexed, by id."""
        rows = self._session.execute(
            select(
                ImageRow.id,
                ImageRow.merchant_id,
                ImageRow.product_id,
                ImageRow.position,
                ImageRow.sha256,
                ImageRow.crop,
                ImageRow.revision,
                ProductRow.category,
                ProductRow.attributes,
                ProductRow.price,
                ProductRow.currency,
                ProductRow.availability,
                ProductRow.item_group,
                ProductRow.fields,
            )
            .join(ProductRow, ProductRow.id == ImageRow.product_id)
            .where(ImageRow.id.in_(image_ids), ImageRow.state == ImageState.READY, ImageRow.sha256.is_not(None))
        )
        return {
            row[0]: IndexableImage(
                id=row[0],
                merchant_id=row[1],
                product_id=row[2],
                position=row[3],
                sha256=str(row[4]),
                crop=None if row[5] is None else (row[5][0], row[5][1], row[5][2], row[5][3]),
                revision=row[6],
                category=tuple(row[7]),
                attributes=tuple(row[8]),
                price=row[9],
                currency=row[10],
                availability=row[11],
                item_group=row[12],
                fields=tuple(row[13]),
            )
            for row in rows
        }

    def pages(self, merchant_id: int) -> Iterator[list[IndexableImage]]:
        """All of the merchant's images that can be indexed, by ascending id, a page of them in memory at a time."""
        after = 0
        while page := self._page(merchant_id, after):
            yield page
            after = page[-1].id

    def _page(self, merchant_id: int, after: int) -> list[IndexableImage]:
        statement = (
            select(ImageRow.id)
            .where(ImageRow.merchant_id == merchant_id, ImageRow.id > after, ImageRow.state == ImageState.READY)
            .order_by(ImageRow.id)
            .limit(_PAGE)
        )
        found = self.indexable(list(self._session.execute(statement).scalars()))
        return [found[id] for id in sorted(found)]

    def counts(self, merchant_id: int) -> tuple[int, int]:
        """Number of the merchant's images that can be indexed, and of those in quarantine."""
        ready, quarantined = self._session.execute(
            select(
                func.count().filter(ImageRow.state == ImageState.READY),
                func.count().filter(ImageRow.state == ImageState.QUARANTINED),
            ).where(ImageRow.merchant_id == merchant_id)
        ).one()
        return ready, quarantined

    def has_content(self, merchant_id: int, sha256: str) -> bool:
        """Whether an image of the merchant has these bytes."""
        found = select(literal(1)).where(ImageRow.merchant_id == merchant_id, ImageRow.sha256 == sha256)
        return self._session.execute(select(found.exists())).scalar_one()

    def count_duplicates(self, merchant_id: int) -> int:
        """Number of the merchant's images that are not shown, because another of their product looks the same."""
        return self._session.execute(
            select(func.count())
            .select_from(ImageRow)
            .where(
                ImageRow.merchant_id == merchant_id,
                ImageRow.duplicate_of.is_not(None),
                ImageRow.state == ImageState.DUPLICATE,
            )
        ).scalar_one()

    def mean_bytes(self) -> int | None:
        """Of the photos that can be indexed, as the image store keeps them; None where there are none."""
        mean = self._session.execute(select(func.avg(ImageRow.size_bytes))).scalar_one()
        return None if mean is None else round(mean)

    def quarantined_since(self, merchant_id: int, revision: int) -> dict[int, str]:
        """Reasons by id of the merchant's images in quarantine that were marked after that revision.

        Without those that could not be fetched, of which ``ImageFetchRepository`` tells.
        """
        unfetched = select(literal(1)).where(
            ImageFetchRow.image_id == ImageRow.id, ImageFetchRow.outcome.in_(FETCH_FAILURES)
        )
        rows = self._session.execute(
            select(ImageRow.id, ImageRow.last_error)
            .where(
                ImageRow.merchant_id == merchant_id,
                ImageRow.state == ImageState.QUARANTINED,
                ImageRow.revision > revision,
                ~unfetched.exists(),
            )
            .order_by(ImageRow.id)
        )
        return {image_id: reason or "" for image_id, reason in rows}

    def quarantined(self, merchant_id: int, limit: int = 100) -> list[tuple[str, str, str]]:
        """Product id, source and reason of images in quarantine."""
        rows = self._session.execute(
            select(ProductRow.external_id, ImageRow.source, ImageRow.last_error)
            .join(ProductRow, ProductRow.id == ImageRow.product_id)
            .where(ImageRow.merchant_id == merchant_id, ImageRow.state == ImageState.QUARANTINED)
            .order_by(ImageRow.id)
            .limit(limit)
        )
        return [(external_id, source, reason or "") for external_id, source, reason in rows]
