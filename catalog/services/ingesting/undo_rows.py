"""The rows of one transaction of an undoing: changes are taken back, the images of their products marked dirty."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from catalog.repositories.changes import ProductChange
from catalog.repositories.products import KnownImage
from catalog.rows import ChangeKind, ChangeUndoing, ImageState
from catalog.services.ingesting.ingest_columns import put_back
from catalog.services.ingesting.ingest_images import told_of
from catalog.types import is_address
from catalog.unit_of_work import UnitOfWork
from embeddings.crop_box import RelativeBox


@dataclass(slots=True)
class UndoneChanges:
    """What came of one transaction.

    Args:
        counts: ``products_removed``, ``products_put_back``, ``products_restored``, ``products_kept``.
        kept: Ids of products that are no longer as the run had left them.
    """

    counts: Counter[str] = field(default_factory=Counter)
    kept: list[str] = field(default_factory=list)


class ChangeUndoer:
    """Takes back the changes of one transaction.

    A product that is no longer as the run had left it stays as it is: whatever changed it since knew better.
    """

    def __init__(self, work: UnitOfWork, merchant_id: int, job_id: int) -> None:
        self._work = work
        self._merchant_id = merchant_id
        self._job_id = job_id
        self._dirty: set[int] = set()
        self._gone: list[int] = []
        self._products_gone: list[int] = []
        self._to_fetch: set[int] = set()
        self._boxes: dict[str, dict[tuple[str, str], RelativeBox]] = {}

    def undo(self, changes: Sequence[ProductChange]) -> UndoneChanges:
        """Take back what can be taken back, mark the images, and note what came of each change."""
        done = UndoneChanges()
        for kind, take_back, counted in (
            (ChangeKind.NEW, self._remove, "products_removed"),
            (ChangeKind.CHANGED, self._put_back, "products_put_back"),
            (ChangeKind.REMOVED, self._restore, "products_restored"),
        ):
            of_kind = [change for change in changes if change.kind is kind]
            taken_back = take_back(of_kind) if of_kind else set()
            done.counts[counted] += len(taken_back)
            done.kept.extend(change.external_id for change in of_kind if change.external_id not in taken_back)
            self._work.changes.note_undoing(self._job_id, sorted(taken_back), ChangeUndoing.UNDONE)
        done.counts["products_kept"] += len(done.kept)
        self._work.changes.note_undoing(self._job_id, done.kept, ChangeUndoing.KEPT)
        self._work.outbox.mark(sorted(self._dirty))
        # Their marks are written above, while they still exist.
        self._work.products.remove_images(self._gone)
        self._work.changes.remove_products(self._products_gone)
        # Images come first, then their fetches: whoever settles one of these holds its image, and waits for its fetch.
        self._work.fetches.wish(sorted(self._to_fetch))
        boxes = {key: box for of_product in self._boxes.values() for key, box in of_product.items()}
        self._work.fetches.note_relative_crops(self._merchant_id, self._boxes.keys(), boxes)
        done.kept.sort()
        return done

    def _remove(self, changes: Sequence[ProductChange]) -> set[str]:
        """Remove products that the run had brought."""
        known = self._known(changes)
        images = self._work.products.known_images(list(known.values()))
        untouched = self._work.changes.untouched(list(known.values()))
        removable = {
            change.external_id: change.product_id
            for change in changes
            if known.get(change.external_id) == change.product_id and change.product_id in untouched
        }
        self._products_gone = sorted(removable.values())
        self._dirty.update(
            image.id for product_id in self._products_gone for image in images.get(product_id, {}).values()
        )
        return set(removable)

    def _put_back(self, changes: Sequence[ProductChange]) -> set[str]:
        """Put products back to what they were before the run changed them."""
        known = self._known(changes)
        stored = self._work.products.stored(list(known.values()))
        images = self._work.products.known_images(list(known.values()))
        boxed = self._work.fetches.boxed(list(known.values()))
        rows: list[dict[str, Any]] = []
        done: set[str] = set()
        for change in changes:
            product_id = known.get(change.external_id)
            if product_id != change.product_id or change.before is None or change.after is None:
                continue
            held = images.get(product_id, {})
            columns = put_back(stored[product_id], change.before["columns"], change.after["columns"])
            if columns is None or not _are_as_left(held, change.after.get("images"), boxed):
                continue
            done.add(change.external_id)
            if change.before["columns"]:
                rows.append({"id": product_id, **columns})
            self._dirty.update(image.id for image in held.values())
            if "images" in change.before:
                self._note_boxes(change.external_id, product_id, change.before["images"])
                self._put_back_images(product_id, held, change.before["images"], change.after["images"])
        self._work.changes.overwrite_products(rows)
        return done

    def _put_back_images(
        self,
        product_id: int,
        held: Mapping[str, KnownImage],
        before: Sequence[Mapping[str, Any]],
        after: Sequence[Mapping[str, Any]],
    ) -> None:
        left = {image["source"]: image for image in after}
        new: list[dict[str, Any]] = []
        replaced: list[dict[str, Any]] = []
        placed: list[dict[str, Any]] = []
        for image in before:
            source = image["source"]
            if source not in held:
                new.append({**image, "product_id": product_id})
            elif image["sha256"] != left[source]["sha256"] and not is_address(source):
                replaced.append({**_on_its_own(image), "id": held[source].id})
            elif told_of(image) != left[source]:
                # Its bytes may have been fetched since, or found to be worth nothing, which is no doing of the run.
                placed.append({"id": held[source].id, "position": image["position"], "crop": image["crop"]})
        named = {image["source"] for image in before}
        self._gone.extend(image.id for source, image in held.items() if source not in named)
        self._work.changes.overwrite_images(replaced)
        self._work.changes.overwrite_images(placed)
        self._restore_images(new)

    def _restore_images(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Insert images again, and have those fetched whose bytes had not come yet."""
        self._dirty.update(self._work.changes.restore_images([_on_its_own(row) for row in rows]))
        self._to_fetch.update(row["product_id"] for row in rows if row["state"] == ImageState.PENDING)

    def _note_boxes(self, external_id: str, product_id: int, images: Sequence[Mapping[str, Any]]) -> None:
        """Have boxes in shares of images by address be what they were, and hold for whatever bytes have come since."""
        boxes = {
            (external_id, image["source"]): RelativeBox(*image["relative_crop"])
            for image in images
            if image["relative_crop"] is not None
        }
        self._boxes[external_id] = boxes
        if boxes:
            self._to_fetch.add(product_id)

    def _restore(self, changes: Sequence[ProductChange]) -> set[str]:
        """Insert products again that the run had removed, with their images."""
        known = self._known(changes)
        whole = {
            change.external_id: change.before
            for change in changes
            if change.before is not None and change.external_id not in known
        }
        ids = self._work.changes.restore_products([before["columns"] for before in whole.values()])
        for external_id, before in whole.items():
            self._note_boxes(external_id, ids[external_id], before["images"])
        images = [
            {**image, "product_id": ids[external_id]}
            for external_id, before in whole.items()
            for image in before["images"]
        ]
        self._restore_images(images)
        return set(whole)

    def _known(self, changes: Sequence[ProductChange]) -> dict[str, int]:
        """The ids of the products that there are, by external id, locked until the end."""
        known = self._work.products.known_products(self._merchant_id, [change.external_id for change in changes])
        return {external_id: product.id for external_id, product in known.items()}


def _are_as_left(
    held: Mapping[str, KnownImage], after: Sequence[Mapping[str, Any]] | None, boxed: Collection[int]
) -> bool:
    """Whether a product's images are as the run left them, as far as that is a feed's to say.

    Bytes that were not there then may have been fetched since, or have turned out to be worth nothing; and those of an
    image by address are its server's to change, and with them what a box in shares of the image is in pixels.

    Args:
        boxed: Images by address that have such a box.
    """
    if after is None:
        return True
    left = {image["source"]: image for image in after}
    return left.keys() == held.keys() and all(
        image.position == left[source]["position"]
        and (image.id in boxed or image.crop == _as_tuple(left[source]["crop"]))
        and (image.sha256 in (None, left[source]["sha256"]) or left[source]["sha256"] is None or is_address(source))
        for source, image in held.items()
    )


def _on_its_own(image: Mapping[str, Any]) -> dict[str, Any]:
    """The image shown, where another had been in its stead: the indexer finds out anew which of them are alike."""
    state = ImageState.READY if image["state"] == ImageState.DUPLICATE else image["state"]
    return {**image, "state": state, "duplicate_of": None}


def _as_tuple(crop: Sequence[int] | None) -> tuple[int, ...] | None:
    return None if crop is None else tuple(crop)
