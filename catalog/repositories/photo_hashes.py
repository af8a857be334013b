"""Perceptual hashes of images, and which image of a product shows the same photo as which."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from catalog.repositories.images import content_key
from catalog.rows import ImageRow, ImageState


@dataclass(frozen=True, slots=True)
class HashedImage:
    """An image that is, or could be, shown.

    Args:
        content_key: Names its bytes and crop.
        photo_hash: Of that content, as it was stored; None where it is not known.
        duplicate_of: The image that is shown in its stead, as it is noted now; None where it is shown itself.
    """

    id: int
    merchant_id: int
    product_id: int
    content_key: str
    photo_hash: bytes | None
    duplicate_of: int | None


class PhotoHashRepository:
    """Questions about photos that look the same."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def products_of(self, image_ids: Sequence[int]) -> dict[int, int]:
        """The products, each with its merchant, of these images, and of duplicates of those of them that are gone."""
        rows = self._session.execute(
            select(ImageRow.product_id, ImageRow.merchant_id)
            .where(or_(ImageRow.id.in_(image_ids), ImageRow.duplicate_of.in_(image_ids)))
            .distinct()
        )
        return dict(rows.all())

    def images_of(self, product_ids: Collection[int], *, lock: bool = False) -> list[HashedImage]:
        """The products' images that can be shown, in the order of positions, then ids.

        Args:
            lock: Keep them as they are until the transaction ends. Take the merchants' locks first.
        """
        statement = (
            select(
                ImageRow.id,
                ImageRow.merchant_id,
                ImageRow.product_id,
                ImageRow.position,
                ImageRow.sha256,
                ImageRow.crop,
                ImageRow.state,
                ImageRow.photo_hash,
                ImageRow.hashed_content,
                ImageRow.duplicate_of,
            )
            .where(
                ImageRow.product_id.in_(product_ids),
                ImageRow.state.in_([ImageState.READY, ImageState.DUPLICATE]),
            )
            # The order in which everybody locks images, so that nobody waits in a circle.
            .order_by(ImageRow.id)
        )
        if lock:
            statement = statement.with_for_update()
        found: list[tuple[int, HashedImage]] = []
        for (
            id,
            merchant,
            product,
            position,
            sha256,
            crop,
            state,
            stored,
            hashed_content,
            original,
        ) in self._session.execute(statement):
            key = content_key(str(sha256), crop)
            image = HashedImage(
                id=id,
                merchant_id=merchant,
                product_id=product,
                content_key=key,
                photo_hash=stored if hashed_content == key else None,
                duplicate_of=original if state == ImageState.DUPLICATE else None,
            )
            found.append((position, image))
        return [image for _, image in sorted(found, key=lambda pair: (pair[0], pair[1].id))]

    def note_hashes(self, hashes: Mapping[int, tuple[str, bytes]]) -> None:
        """Keep these hashes, each with the content it is of, by image id."""
        if hashes:
            self._session.execute(
                update(ImageRow),
                [
                    {"id": image_id, "hashed_content": key, "photo_hash": stored}
                    for image_id, (key, stored) in sorted(hashes.items())
                ],
            )

    def forget_hashes(self, image_ids: Collection[int]) -> None:
        """Keep no hash of these images: they cannot be shown in another's stead."""
        if image_ids:
            self._session.execute(
                update(ImageRow)
                .where(ImageRow.id.in_(image_ids))
                .values(photo_hash=None, hashed_content=None)
                .execution_options(synchronize_session=False)
            )

    def note_duplicates(self, originals: Mapping[int, int | None]) -> None:
        """By image id, the image that is shown in its stead, or None for those that are to be shown themselves."""
        if originals:
            self._session.execute(
                update(ImageRow),
                [
                    {
                        "id": image_id,
                        "duplicate_of": original,
                        "state": ImageState.READY if original is None else ImageState.DUPLICATE,
                    }
                    for image_id, original in sorted(originals.items())
                ],
            )

    def duplicates(self, merchant_id: int | None) -> dict[int, int]:
        """Images that another is shown in the stead of, each with its merchant: of one merchant, or of all."""
        statement = select(ImageRow.id, ImageRow.merchant_id).where(
            ImageRow.duplicate_of.is_not(None), ImageRow.state == ImageState.DUPLICATE
        )
        if merchant_id is not None:
            statement = statement.where(ImageRow.merchant_id == merchant_id)
        return dict(self._session.execute(statement).all())
