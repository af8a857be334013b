"""Galleries, their model versions, and what their collections are known to hold."""

from __future__ import annotations

import datetime
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    Text,
    and_,
    any_,
    bindparam,
    case,
    cast,
    column,
    delete,
    func,
    literal,
    select,
    tuple_,
    union,
    update,
    values,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session, aliased

from catalog.repositories.prepared_statement import PreparedStatement
from catalog.rows import (
    GalleryRow,
    GalleryState,
    ImageRow,
    ImageState,
    IndexedImageRow,
    MerchantRow,
    ModelVersionRow,
    ProductRow,
)

_COLLECTION_LOCK = 7245
"""First key of the advisory locks on collections; the second is a hash of the name."""


@dataclass(frozen=True, slots=True)
class Gallery:
    """A merchant's images in the collection of one model version.

    Args:
        indexed_at: When it was last noted that its points changed; of an empty one, when it was made.
    """

    id: int
    merchant_id: int
    model_version: str
    collection: str
    state: GalleryState
    indexed_at: datetime.datetime


@dataclass(frozen=True, slots=True)
class IndexedImage:
    """What a gallery's collection holds of an image."""

    gallery_id: int
    image_id: int
    content_key: str
    revision: int


# What every search asks, put together once.
_SEARCHED = (
    select(GalleryRow.id, GalleryRow.merchant_id, ModelVersionRow.name, GalleryRow.collection, GalleryRow.indexed_at)
    .join(MerchantRow, MerchantRow.id == GalleryRow.merchant_id)
    .join(ModelVersionRow, ModelVersionRow.id == GalleryRow.model_version_id)
    .where(
        MerchantRow.name == bindparam("merchant"), GalleryRow.state == literal(GalleryState.LIVE, literal_execute=True)
    )
)
_SEARCHED_BY_NAME = PreparedStatement("drape_searched", _SEARCHED)
_SEARCHED_WITH = PreparedStatement(
    "drape_searched_with",
    _SEARCHED.add_columns(ProductRow.external_id, ImageRow.id, ImageRow.product_id)
    # A gallery has its row even where none of the products has such an image.
    .outerjoin(
        ProductRow,
        and_(
            ProductRow.merchant_id == MerchantRow.id,
            ProductRow.external_id == any_(bindparam("external_ids", type_=ARRAY(Text()))),
        ),
    )
    .outerjoin(
        ImageRow,
        and_(
            ImageRow.product_id == ProductRow.id,
            ImageRow.state == literal(ImageState.READY, literal_execute=True),
        ),
    )
    .order_by(ImageRow.position, ImageRow.id),
)


class GalleryRepository:
    """Questions about galleries."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def ensure_model_version(self, name: str, manifest: Mapping[str, Any]) -> int:
        """The version's id; its manifest is noted on first sight."""
        self._session.execute(
            insert(ModelVersionRow).values(name=name, manifest=dict(manifest)).on_conflict_do_nothing()
        )
        return self._session.execute(select(ModelVersionRow.id).where(ModelVersionRow.name == name)).scalar_one()

    def noted_manifest(self, name: str) -> Mapping[str, Any] | None:
        """The manifest of a version as it was when its first gallery was made; None where there is none yet."""
        return self._session.execute(
            select(ModelVersionRow.manifest).where(ModelVersionRow.name == name)
        ).scalar_one_or_none()

    def noted_versions(self) -> list[str]:
        """Names of all model versions that some gallery was ever made of."""
        return list(self._session.execute(select(ModelVersionRow.name)).scalars())

    def of_merchant(self, merchant_id: int) -> list[Gallery]:
        """All galleries of the merchant, in the order they were made."""
        rows = self._session.execute(
            select(
                GalleryRow.id,
                GalleryRow.merchant_id,
                ModelVersionRow.name,
                GalleryRow.collection,
                GalleryRow.state,
                GalleryRow.indexed_at,
            )
            .join(ModelVersionRow, ModelVersionRow.id == GalleryRow.model_version_id)
            .where(GalleryRow.merchant_id == merchant_id)
            .order_by(GalleryRow.id)
        )
        return [
            Gallery(id, merchant, version, name, GalleryState(state), indexed_at)
            for id, merchant, version, name, state, indexed_at in rows
        ]

    def fed(self, merchant_id: int) -> list[Gallery]:
        """The galleries that the indexer keeps up to date: the live one, and the one being built."""
        return [gallery for gallery in self.of_merchant(merchant_id) if gallery.state != GalleryState.RETIRED]

    def live(self, merchant_id: int) -> Gallery | None:
        """The gallery that searches go to."""
        return next((one for one in self.of_merchant(merchant_id) if one.state == GalleryState.LIVE), None)

    def searched(self, merchant: str) -> Gallery | None:
        """The live gallery of the merchant of this name; None where there is none, or no such merchant."""
        row = _SEARCHED_BY_NAME.run(self._session.connection(), {"merchant": merchant}).one_or_none()
        return None if row is None else _live(*row)

    def searched_with(
        self, merchant: str, external_ids: Sequence[str]
    ) -> tuple[Gallery, dict[str, list[tuple[int, int]]]] | None:
        """``searched`` and, in the same round trip, images of products of the merchant, by the merchant's id.

        Returns:
            (image id, product id) of those that can be indexed, main image first. Products without such an image are
                left out.
        """
        arguments = {"merchant": merchant, "external_ids": list(external_ids)}
        rows = _SEARCHED_WITH.run(self._session.connection(), arguments).all()
        if not rows:
            return None
        images: dict[str, list[tuple[int, int]]] = {}
        for *_, external_id, image_id, product_id in rows:
            if image_id is not None:
                images.setdefault(external_id, []).append((image_id, product_id))
        return _live(*rows[0][:5]), images

    def retired_last(self, merchant_id: int) -> Gallery | None:
        """The gallery that searches left last, also while it is being brought up to date; None where none is known."""
        last = self._session.execute(
            select(GalleryRow.id)
            .where(GalleryRow.merchant_id == merchant_id, GalleryRow.retired_at.is_not(None))
            .order_by(GalleryRow.retired_at.desc(), GalleryRow.id.desc())
            .limit(1)
        ).scalar_one_or_none()
        return next((one for one in self.of_merchant(merchant_id) if one.id == last), None)

    def since_last_change(self, merchant_id: int) -> datetime.timedelta | None:
        """How long ago the merchant's searches last left a gallery; None where they never did."""
        since: datetime.timedelta | None = self._session.execute(
            select(func.clock_timestamp() - func.max(GalleryRow.retired_at)).where(
                GalleryRow.merchant_id == merchant_id
            )
        ).scalar_one()
        return since

    def lock_collection(self, collection: str) -> None:
        """Wait until nobody makes or drops this collection, and keep others from it until the transaction ends."""
        self._session.execute(select(func.pg_advisory_xact_lock(_COLLECTION_LOCK, func.hashtext(collection))))

    def merchants_in(self, collection: str) -> set[int]:
        """Ids of the merchants that have a gallery in this collection."""
        return set(
            self._session.execute(select(GalleryRow.merchant_id).where(GalleryRow.collection == collection)).scalars()
        )

    def set_state(self, gallery_ids: Sequence[int], state: GalleryState) -> None:
        """Give galleries that are not live this state."""
        self._session.execute(
            update(GalleryRow)
            .where(GalleryRow.id.in_(gallery_ids), GalleryRow.state != GalleryState.LIVE)
            .values(state=state)
        )

    def drop(self, gallery_ids: Sequence[int]) -> None:
        """Remove galleries with all that was noted of what they hold."""
        self._session.execute(delete(GalleryRow).where(GalleryRow.id.in_(gallery_ids)))

    def feed(self, gallery_id: int) -> None:
        """Have the indexer keep a retired gallery up to date again, as one that is being built."""
        self._session.execute(
            update(GalleryRow)
            .where(GalleryRow.id == gallery_id, GalleryRow.state == GalleryState.RETIRED)
            .values(state=GalleryState.BUILDING)
        )

    def ensure(self, merchant_id: int, model_version_id: int, collection: str, state: GalleryState) -> None:
        """Make the gallery, or give the existing one of that model version this state (a live one stays live)."""
        self._session.execute(
            insert(GalleryRow)
            .values(merchant_id=merchant_id, model_version_id=model_version_id, collection=collection, state=state)
            .on_conflict_do_update(
                index_elements=[GalleryRow.merchant_id, GalleryRow.model_version_id],
                set_={"state": state},
                where=GalleryRow.state != GalleryState.LIVE,
            )
        )

    def switch(self, merchant_id: int, gallery_id: int) -> None:
        """Make this gallery the live one and retire the one that was. Searches see the one or the other."""
        self._lock_in_order(GalleryRow.merchant_id == merchant_id)
        self._session.execute(
            update(GalleryRow)
            .where(GalleryRow.merchant_id == merchant_id, GalleryRow.state == GalleryState.LIVE)
            .where(GalleryRow.id != gallery_id)
            .values(state=GalleryState.RETIRED, retired_at=func.clock_timestamp())
        )
        self._session.execute(
            update(GalleryRow).where(GalleryRow.id == gallery_id).values(state=GalleryState.LIVE, retired_at=None)
        )

    def indexed(self, gallery_ids: Sequence[int], image_ids: Sequence[int]) -> dict[tuple[int, int], IndexedImage]:
        """What these galleries hold of these images, by gallery id and image id."""
        rows = self._session.execute(
            select(
                IndexedImageRow.gallery_id,
                IndexedImageRow.image_id,
                IndexedImageRow.content_key,
                IndexedImageRow.revision,
            ).where(IndexedImageRow.gallery_id.in_(gallery_ids), IndexedImageRow.image_id.in_(image_ids))
        )
        return {(row[0], row[1]): IndexedImage(*row) for row in rows}

    def note_indexed(self, images: Sequence[IndexedImage]) -> None:
        """Note what the collections now hold; a note of a later revision is never overwritten by an earlier one."""
        if not images:
            return
        statement = insert(IndexedImageRow)
        self._session.execute(
            statement.on_conflict_do_update(
                index_elements=[IndexedImageRow.gallery_id, IndexedImageRow.image_id],
                set_={"content_key": statement.excluded.content_key, "revision": statement.excluded.revision},
                where=IndexedImageRow.revision <= statement.excluded.revision,
            ),
            [
                {
                    "gallery_id": image.gallery_id,
                    "image_id": image.image_id,
                    "content_key": image.content_key,
                    "revision": image.revision,
                }
                for image in sorted(images, key=lambda image: (image.gallery_id, image.image_id))
            ],
        )

    def forget_indexed(self, pairs: Sequence[tuple[int, int]]) -> None:
        """Note that these (gallery id, image id) are no longer held."""
        if not pairs:
            return
        gone = values(column("gallery_id", BigInteger), column("image_id", BigInteger), name="gone").data(list(pairs))
        self._session.execute(
            delete(IndexedImageRow)
            .where(
                tuple_(IndexedImageRow.gallery_id, IndexedImageRow.image_id).in_(
                    select(gone.c.gallery_id, gone.c.image_id)
                )
            )
            .execution_options(synchronize_session=False)
        )

    def note_change(self, gallery_ids: Collection[int]) -> None:
        """Note that the points of these galleries have changed now."""
        if not gallery_ids:
            return
        self._lock_in_order(GalleryRow.id.in_(gallery_ids))
        self._session.execute(
            update(GalleryRow).where(GalleryRow.id.in_(gallery_ids)).values(indexed_at=func.clock_timestamp())
        )

    def _lock_in_order(self, which: ColumnElement[bool]) -> None:
        """Keep others from changing these galleries until the transaction ends; nobody waits for each other so."""
        self._session.execute(
            select(GalleryRow.id).where(which).order_by(GalleryRow.id).with_for_update(key_share=True)
        )

    def count_indexed(self, gallery_id: int) -> int:
        """How many images the gallery holds."""
        return self._session.execute(
            select(func.count()).select_from(IndexedImageRow).where(IndexedImageRow.gallery_id == gallery_id)
        ).scalar_one()

    def sample_of_held(self, gallery_id: int, limit: int, *, with_siblings: bool = False) -> list[int]:
        """Ids of some images that the gallery holds and that can be indexed, the same ones at every call.

        Args:
            with_siblings: Only images of products of which the gallery holds several.
        """
        statement = (
            select(IndexedImageRow.image_id)
            .join(ImageRow, ImageRow.id == IndexedImageRow.image_id)
            .where(IndexedImageRow.gallery_id == gallery_id, ImageRow.state == ImageState.READY)
            # By a hash, so that neither early nor neighbouring images are preferred.
            .order_by(func.md5(cast(IndexedImageRow.image_id, Text)))
            .limit(limit)
        )
        if with_siblings:
            other, held = aliased(ImageRow), aliased(IndexedImageRow)
            sibling = (
                select(literal(1))
                .select_from(other)
                .join(held, (held.image_id == other.id) & (held.gallery_id == gallery_id))
                .where(other.product_id == ImageRow.product_id, other.id != ImageRow.id)
            )
            statement = statement.where(sibling.exists())
        return list(self._session.execute(statement).scalars())

    def count_missing(self, gallery: Gallery) -> int:
        """How many images that can be indexed the gallery does not hold, or holds with other content than they have."""
        # The same as IndexableImage.content_key.
        content_key = case(
            (ImageRow.crop.is_(None), ImageRow.sha256),
            else_=func.concat(ImageRow.sha256, "@", func.array_to_string(ImageRow.crop, ",")),
        )
        held = select(literal(1)).where(
            IndexedImageRow.gallery_id == gallery.id,
            IndexedImageRow.image_id == ImageRow.id,
            IndexedImageRow.content_key == content_key,
        )
        return self._session.execute(
            select(func.count())
            .select_from(ImageRow)
            .where(ImageRow.merchant_id == gallery.merchant_id, ImageRow.state == ImageState.READY, ~held.exists())
        ).scalar_one()

    def count_differences(self, one: Gallery, other: Gallery) -> int:
        """How many images one of the two galleries holds, and the other does not, or not at the same revision."""
        first, second = aliased(IndexedImageRow), aliased(IndexedImageRow)
        held_by_one = select(first.image_id, first.content_key, first.revision).where(first.gallery_id == one.id)
        held_by_other = select(second.image_id, second.content_key, second.revision).where(
            second.gallery_id == other.id
        )
        differing = union(held_by_one.except_(held_by_other), held_by_other.except_(held_by_one)).subquery()
        return self._session.execute(select(func.count(differing.c.image_id.distinct()))).scalar_one()

    def live_versions(self) -> dict[str, list[str]]:
        """The merchants that search with a model version, by its name, both in alphabetical order."""
        rows = self._session.execute(
            select(ModelVersionRow.name, MerchantRow.name)
            .join(GalleryRow, GalleryRow.model_version_id == ModelVersionRow.id)
            .join(MerchantRow, MerchantRow.id == GalleryRow.merchant_id)
            .where(GalleryRow.state == GalleryState.LIVE)
        )
        found: dict[str, list[str]] = {}
        for version, merchant in sorted((version, merchant) for version, merchant in rows):
            found.setdefault(version, []).append(merchant)
        return found


def _live(
    gallery_id: int, merchant_id: int, model_version: str, collection: str, indexed_at: datetime.datetime
) -> Gallery:
    return Gallery(gallery_id, merchant_id, model_version, collection, GalleryState.LIVE, indexed_at)
