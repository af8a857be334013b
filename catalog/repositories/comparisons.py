"""What PostgreSQL says of images and galleries, in the form that a vector index is compared with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ARRAY, BigInteger, cast, column, delete, func, select, union
from sqlalchemy.orm import Session

from catalog.repositories.galleries import Gallery
from catalog.repositories.images import content_key
from catalog.rows import GalleryRow, ImageRow, ImageState, IndexedImageRow, OutboxRow

LARGEST_ID = 2**63 - 1
"""No row has a larger id. Points may: the index takes ids of up to 2^64 − 2."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """An image that can be indexed: what its point should be.

    Args:
        revision: The image's latest mark.
    """

    content_key: str
    revision: int


@dataclass(frozen=True, slots=True)
class Noted:
    """What a gallery's collection is noted to hold of an image."""

    content_key: str
    revision: int


@dataclass(frozen=True, slots=True)
class Known:
    """All that PostgreSQL knows of one id in one gallery, at one moment.

    Args:
        wanted: None where the merchant has no such image, or it cannot be indexed.
        noted: None where nothing is noted.
        marked: The image is dirty: its point is about to be written or deleted.
    """

    wanted: Wanted | None = None
    noted: Noted | None = None
    marked: bool = False


class ComparisonRepository:
    """Questions of whoever compares the vector index with PostgreSQL."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def expected_ids(self, gallery: Gallery, after: int, limit: int) -> list[int]:
        """Up to ``limit`` ids above ``after``, ascending, of images that the gallery should hold, or is noted to."""
        if after >= LARGEST_ID:
            return []
        wanted = (
            select(ImageRow.id.label("id"))
            .where(ImageRow.merchant_id == gallery.merchant_id, ImageRow.id > after, ImageRow.state == ImageState.READY)
            .order_by(ImageRow.id)
            .limit(limit)
        )
        noted = (
            select(IndexedImageRow.image_id.label("id"))
            .where(IndexedImageRow.gallery_id == gallery.id, IndexedImageRow.image_id > after)
            .order_by(IndexedImageRow.image_id)
            .limit(limit)
        )
        # Each side is limited by itself, so that its index is walked and no more of it is read than is asked for.
        both = union(select(wanted.subquery().c.id), select(noted.subquery().c.id)).subquery()
        return list(self._session.execute(select(both.c.id).order_by(both.c.id).limit(limit)).scalars())

    def known(self, gallery: Gallery, ids: Sequence[int]) -> dict[int, Known]:
        """What is known of each of these ids, all of it as it stood at one moment."""
        array = cast([id for id in ids if id <= LARGEST_ID], ARRAY(BigInteger))
        asked = func.unnest(array).table_valued(column("id", BigInteger), name="asked").render_derived()
        # One statement, because each statement of a transaction sees the rows at a moment of its own.
        rows = self._session.execute(
            select(
                asked.c.id,
                ImageRow.sha256,
                ImageRow.crop,
                ImageRow.revision,
                IndexedImageRow.content_key,
                IndexedImageRow.revision,
                OutboxRow.image_id.is_not(None),
            )
            .select_from(asked)
            .outerjoin(
                ImageRow,
                (ImageRow.id == asked.c.id)
                & (ImageRow.merchant_id == gallery.merchant_id)
                & (ImageRow.state == ImageState.READY),
            )
            .outerjoin(
                IndexedImageRow,
                (IndexedImageRow.image_id == asked.c.id) & (IndexedImageRow.gallery_id == gallery.id),
            )
            .outerjoin(OutboxRow, OutboxRow.image_id == asked.c.id)
        )
        found = dict.fromkeys(ids, Known())
        for id, sha256, crop, revision, noted_key, noted_revision, marked in rows:
            found[id] = Known(
                wanted=None if sha256 is None else Wanted(content_key(sha256, crop), revision),
                noted=None if noted_key is None else Noted(noted_key, noted_revision),
                marked=marked,
            )
        return found

    def settle(self, gallery: Gallery, ids: Sequence[int]) -> dict[int, Known]:
        """What is known of each of these ids, and stays so until the transaction ends, but for marks of images gone.

        Waits for whoever is changing or finishing one of them.
        """
        rows = [id for id in ids if id <= LARGEST_ID]
        # Notes before images, each in ascending order, as indexers write them: nobody waits in a circle.
        self._session.execute(
            select(IndexedImageRow.image_id)
            .where(IndexedImageRow.gallery_id == gallery.id, IndexedImageRow.image_id.in_(rows))
            .order_by(IndexedImageRow.image_id)
            .with_for_update()
        )
        self._session.execute(select(ImageRow.id).where(ImageRow.id.in_(rows)).order_by(ImageRow.id).with_for_update())
        return self.known(gallery, ids)

    def forget_notes(self, collection: str, image_ids: Sequence[int], gallery_id: int | None = None) -> None:
        """Note that the collection no longer holds these images.

        Args:
            gallery_id: Only in this gallery; None is for all galleries of the collection.
        """
        if not image_ids:
            return
        locked = (
            select(IndexedImageRow.gallery_id, IndexedImageRow.image_id)
            .join(GalleryRow, GalleryRow.id == IndexedImageRow.gallery_id)
            .where(
                GalleryRow.collection == collection,
                IndexedImageRow.image_id.in_([id for id in image_ids if id <= LARGEST_ID]),
            )
            # The order in which indexers write notes, so that neither waits for the other in a circle.
            .order_by(IndexedImageRow.gallery_id, IndexedImageRow.image_id)
            .with_for_update(of=IndexedImageRow)
        )
        if gallery_id is not None:
            locked = locked.where(IndexedImageRow.gallery_id == gallery_id)
        notes = locked.cte("notes")
        self._session.execute(
            delete(IndexedImageRow)
            .where(
                IndexedImageRow.gallery_id == notes.c.gallery_id,
                IndexedImageRow.image_id == notes.c.image_id,
            )
            .execution_options(synchronize_session=False)
        )
