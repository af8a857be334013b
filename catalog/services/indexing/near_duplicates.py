"""Photos of a product that look the same are shown once: the first of them, in the feed's order."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from catalog.repositories.photo_hashes import HashedImage
from catalog.unit_of_work import UnitOfWork, UnitOfWorkFactory
from embeddings.photo_hash import PhotoHash, are_near_duplicates


@dataclass(frozen=True, slots=True)
class Photo:
    """One image of a product, for comparison.

    Args:
        content_key: Names its bytes and crop.
        hash: None where it cannot be compared.
    """

    id: int
    content_key: str
    hash: PhotoHash | None


def shown_instead(photos: Iterable[Photo]) -> dict[int, int]:
    """By id of each photo that duplicates an earlier one, the id of that one, which is shown.

    A photo duplicates the first shown one that is the same file and crop, or looks like it. Looking alike is not
    transitive: what resembles a duplicate only is shown.

    Args:
        photos: Of one product, in the order of preference.
    """
    shown: list[tuple[Photo, PhotoHash]] = []
    instead: dict[int, int] = {}
    for photo in photos:
        if photo.hash is None:
            continue
        for earlier, earlier_hash in shown:
            if photo.content_key == earlier.content_key or are_near_duplicates(photo.hash, earlier_hash):
                instead[photo.id] = earlier.id
                break
        else:
            shown.append((photo, photo.hash))
    return instead


@dataclass(frozen=True, slots=True)
class Decision:
    """What is shown.

    Args:
        hidden: Ids of images that another is shown in the stead of.
        new: Those of them that were shown before. They are marked anew, and come again.
    """

    hidden: frozenset[int] = frozenset()
    new: frozenset[int] = frozenset()


class NearDuplicates:
    """Decides which images of a product are shown, whenever one of them was touched.

    Everybody decides for a product with the merchant's catalog locked, after the hashes of what was decoded are
    written: of two indexers that each hold one of two photos, the second sees both.

    Args:
        hide: Whether duplicates are hidden; otherwise those that are get shown again.
    """

    def __init__(self, unit_of_work: UnitOfWorkFactory, *, hide: bool) -> None:
        self._unit_of_work = unit_of_work
        self._hide = hide

    @property
    def hides(self) -> bool:
        """Whether duplicates are hidden, so that hashes are of use."""
        return self._hide

    def decide(
        self, image_ids: Sequence[int], hashes: Mapping[int, tuple[str, PhotoHash]], unusable: Collection[int]
    ) -> Decision:
        """Decide for the products of these images, and mark dirty what is to be shown again, or no longer.

        Args:
            image_ids: Dirty images. Of those that are gone, the duplicates are decided for.
            hashes: By image id, the hashes of what was decoded, each with the content key it is of.
            unusable: Images that are about to be set aside, so that nothing else is hidden for them.
        """
        if not self._hide or not image_ids:
            return Decision()
        with self._unit_of_work() as work:
            products = work.photo_hashes.products_of(image_ids)
            before = work.photo_hashes.images_of(products)
        spoilt = any(image.id in unusable and image.photo_hash is not None for image in before)
        if not hashes and not spoilt and not _changes(before):
            return Decision(frozenset(image.id for image in before if image.duplicate_of is not None))
        with self._unit_of_work() as work:
            for merchant_id in sorted(set(products.values())):
                work.merchants.lock(merchant_id)
            images = work.photo_hashes.images_of(products, lock=True)
            fresh = {
                image.id: (image.content_key, hashes[image.id][1].to_bytes())
                for image in images
                if image.id in hashes and hashes[image.id][0] == image.content_key
            }
            work.photo_hashes.note_hashes(fresh)
            work.photo_hashes.forget_hashes([image.id for image in images if image.id in unusable])
            known = [_with_hash(image, fresh, unusable) for image in images]
            changes = _changes(known)
            _settle(work, changes)
            work.commit()
        now = {image.id: changes.get(image.id, image.duplicate_of) for image in known}
        hidden = frozenset(image_id for image_id, original in now.items() if original is not None)
        return Decision(hidden, hidden & {image.id for image in known if image.duplicate_of is None})

    def show_all(self, merchant_id: int | None) -> None:
        """Where duplicates are not hidden: show those again that were."""
        if self._hide:
            return
        with self._unit_of_work() as work:
            merchants = set(work.photo_hashes.duplicates(merchant_id).values())
        for merchant in sorted(merchants):
            with self._unit_of_work() as work:
                work.merchants.lock(merchant)
                _settle(work, dict.fromkeys(work.photo_hashes.duplicates(merchant)))
                work.commit()


def _with_hash(image: HashedImage, fresh: Mapping[int, tuple[str, bytes]], unusable: Collection[int]) -> HashedImage:
    if image.id in unusable:
        return replace(image, photo_hash=None)
    return replace(image, photo_hash=fresh[image.id][1]) if image.id in fresh else image


def _changes(images: Iterable[HashedImage]) -> dict[int, int | None]:
    """By image id, what is shown in its stead, or None for itself, for those of which that is noted otherwise."""
    by_product: dict[int, list[HashedImage]] = {}
    for image in images:
        by_product.setdefault(image.product_id, []).append(image)
    changes: dict[int, int | None] = {}
    for siblings in by_product.values():
        instead = shown_instead(
            Photo(
                image.id,
                image.content_key,
                None if image.photo_hash is None else PhotoHash.from_bytes(image.photo_hash),
            )
            for image in siblings
        )
        changes.update(
            {image.id: instead.get(image.id) for image in siblings if image.duplicate_of != instead.get(image.id)}
        )
    return changes


def _settle(work: UnitOfWork, changes: Mapping[int, int | None]) -> None:
    work.photo_hashes.note_duplicates(changes)
    work.outbox.mark(sorted(changes))
