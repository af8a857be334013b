"""The rows of one transaction of an ingest: what is new, changed or gone is written, its images marked dirty."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from catalog.repositories.changes import ProductChange
from catalog.repositories.products import KnownImage, KnownProduct
from catalog.rows import ChangeKind, ImageState
from catalog.services.ingesting.ingest_columns import difference, fingerprint, merged_columns, new_columns, normal_name
from catalog.services.ingesting.ingest_images import images_of_known, told_image
from catalog.services.ingesting.ingest_run import IngestRun
from catalog.services.ingesting.source_images import ReadImage, Reading, RemoteImage, UnreadImage
from catalog.types import NEEDED_BY_NEW, FeedImage, Outcome, ProductField, ProductRecord, RowError
from catalog.unit_of_work import UnitOfWork

_WITH_ARTICLE: Final = {ProductField.TITLE: "a title", ProductField.IMAGE: "an image"}


@dataclass(slots=True)
class _Update:
    """What a record changes of a known product.

    Args:
        stored: Its images by source, as they are.
        columns: All its columns as they are to be, or None where none changes.
        before, after: The columns that change, as they are and as they are to be.
        images: Its images as they are to be, as far as a history tells of them.
        image_values: Columns of images to overwrite, by image id.
        new_images: Rows of images to insert.
    """

    record: ProductRecord
    product: KnownProduct
    stored: Mapping[str, KnownImage]
    columns: dict[str, Any] | None = None
    before: dict[str, Any] = field(default_factory=dict)
    after: dict[str, Any] = field(default_factory=dict)
    images: list[dict[str, Any]] = field(default_factory=list)
    image_values: dict[int, dict[str, Any]] = field(default_factory=dict)
    new_images: list[dict[str, Any]] = field(default_factory=list)
    touched: bool = False

    @property
    def gone(self) -> list[int]:
        """Images that the product no longer has."""
        named = {image["source"] for image in self.images}
        return [image.id for source, image in self.stored.items() if source not in named]

    @property
    def changes_images(self) -> bool:
        """Whether images come, go, or change in what a history tells of them."""
        held = sorted(self.stored.values(), key=lambda image: image.position)
        return self.images != [told_image(image.source, image.position, image.crop, image.sha256) for image in held]


class RowWriter:
    """Writes the records of one transaction, marks what changed, and notes what that was."""

    def __init__(self, work: UnitOfWork, run: IngestRun, readings: Mapping[tuple[int, str], Reading]) -> None:
        self._work = work
        self._run = run
        self._readings = readings
        self._dirty: set[int] = set()

    def write(self, records: Sequence[ProductRecord]) -> None:
        """Insert and update products and images, mark what changed, and remove images that are no longer named."""
        known = self._work.products.known_products(self._run.merchant_id, [record.external_id for record in records])
        new = [record for record in records if record.external_id not in known and self._can_be_new(record)]
        stored_images = self._work.products.known_images([product.id for product in known.values()])
        updates = [
            _Update(record, product, stored_images.get(product.id, {}))
            for record in records
            if (product := known.get(record.external_id)) is not None
        ]
        self._plan_columns(updates)
        for update in updates:
            self._plan_images(update)
            update.touched |= update.columns is not None
            self._run.counts["products_changed" if update.touched else "products_unchanged"] += 1
        self._note_changes(updates)
        self._write_updates(updates)
        new_images = [row for update in updates for row in update.new_images] + self._insert(new)
        # What is yet to be fetched has nothing to be indexed.
        pending = [image for image in new_images if image["state"] == ImageState.PENDING]
        ready = [image for image in new_images if image["state"] != ImageState.PENDING]
        self._dirty.update(self._work.products.insert_images(ready))
        self._work.products.insert_images(pending)
        self._work.outbox.mark(sorted(self._dirty))
        # Their marks are written above, while they still exist.
        self._work.products.remove_images([image_id for update in updates for image_id in update.gone])
        named = {update.product.id for update in updates if any(image.is_address for image in update.record.images)}
        self._work.fetches.wish(sorted(named | {image["product_id"] for image in pending}))

    def _can_be_new(self, record: ProductRecord) -> bool:
        lacking = [needed for needed in NEEDED_BY_NEW if needed not in record.given]
        for needed in lacking:
            self._run.fail(
                RowError(
                    record.line,
                    needed,
                    f"no {needed}",
                    f"{_WITH_ARTICLE[needed]}: the product is new",
                    record.external_id,
                )
            )
        return not lacking

    def _insert(self, records: Sequence[ProductRecord]) -> list[dict[str, Any]]:
        """Insert new products; rows of their images, which are yet to be inserted."""
        if not records:
            return []
        inserted = self._work.products.insert_products(
            [
                {"merchant_id": self._run.merchant_id, **new_columns(record, self._run.attributes_of(record))}
                for record in records
            ]
        )
        self._run.counts["products_new"] += len(records)
        self._work.changes.note(
            self._run.job_id,
            [
                ProductChange(record.external_id, inserted[record.external_id], ChangeKind.NEW, record.title, ())
                for record in records
            ],
        )
        return [
            self._new_image(record, image, inserted[record.external_id])
            for record in records
            for image in record.images
        ]

    def _plan_columns(self, updates: Sequence[_Update]) -> None:
        """Find out which columns change. Whole rows are read only of products of which the feed says something new."""
        attributes = {update.product.id: self._run.attributes_of(update.record) for update in updates}
        said = {update.product.id: fingerprint(update.record, attributes[update.product.id]) for update in updates}
        news = [update for update in updates if said[update.product.id] != update.product.fingerprint]
        stored = self._work.products.stored([update.product.id for update in news])
        for update in news:
            held = stored[update.product.id]
            columns = merged_columns(held, update.record, attributes[update.product.id])
            update.before, update.after = difference(held, columns)
            if update.after:
                update.columns = {**columns, "fingerprint": said[update.product.id]}
                update.before["fingerprint"] = held["fingerprint"]
                self._dirty.update(image.id for image in update.stored.values())
        self._work.products.note_fingerprints(
            {update.product.id: said[update.product.id] for update in news if update.columns is None}
        )

    def _note_changes(self, updates: Sequence[_Update]) -> None:
        """Write down what the updates change, while it is still as it was."""
        repictured = {update.product.id for update in updates if update.changes_images}
        whole = self._work.changes.whole_images(sorted(repictured))
        changes: list[ProductChange] = []
        for update in updates:
            # What own columns say is told by their names.
            untold = {"raw", "fields"} if "raw" in update.after else {"raw"}
            fields = [
                name for name in update.after if name not in untold and update.after[name] != update.before[name]
            ] + _raw_fields(update)
            before: dict[str, Any] = {"columns": update.before}
            after: dict[str, Any] = {"columns": update.after}
            if update.product.id in repictured:
                fields.append("images")
                before["images"] = whole.get(update.product.id, [])
                after["images"] = update.images
            elif update.columns is None:
                continue
            title = update.record.title if ProductField.TITLE in update.record.given else update.product.title
            changes.append(
                ProductChange(
                    update.record.external_id,
                    update.product.id,
                    ChangeKind.CHANGED,
                    title,
                    tuple(fields),
                    before,
                    after,
                )
            )
        self._work.changes.note(self._run.job_id, changes)

    def _write_updates(self, updates: Sequence[_Update]) -> None:
        self._work.products.update_products(
            [{"id": update.product.id, **update.columns} for update in updates if update.columns is not None]
        )
        for update in updates:
            for image_id, values in update.image_values.items():
                self._work.products.update_image(image_id, values)

    def _plan_images(self, update: _Update) -> None:
        """Find out which images come, change and go."""
        for image in images_of_known(update.record, update.stored):
            known = update.stored.get(image.source)
            reading = self._readings.get((update.record.line, image.source))
            if known is None:
                row = self._new_image(update.record, image, update.product.id)
                update.new_images.append(row)
                update.touched = True
                sha256 = row["sha256"]
            else:
                update.touched |= self._update_image(update, image, known, reading)
                sha256 = update.image_values.get(known.id, {}).get("sha256", known.sha256)
            update.images.append(told_image(image.source, image.position, _crop_columns(image), sha256))
        gone = update.gone
        self._dirty.update(gone)
        if gone:
            self._run.counts["images_removed"] += len(gone)
            update.touched = True

    def _update_image(self, update: _Update, image: FeedImage, known: KnownImage, reading: Reading | None) -> bool:
        """Bring one stored image up to date; whether anything about it changed.

        Args:
            reading: None where the feed does not name the image, which stays all the same.
        """
        crop = _crop_columns(image)
        values: dict[str, Any] = {}
        if known.position != image.position:
            values["position"] = image.position
            self._dirty.add(known.id)
        if reading is None or isinstance(reading, RemoteImage):
            if reading is not None:
                self._run.counts["images_to_fetch"] += 1
            if _as_tuple(crop) != known.crop:
                values["crop"] = crop
                self._dirty.add(known.id)
        elif isinstance(reading, UnreadImage):
            # What is stored of the image is better than nothing, so it stays as it is until it can be read again.
            self._fail_image(update.record, reading)
            reason = self._run.told(f"{reading.found}; expected {reading.expected}")
            if known.last_error != reason:
                values["last_error"] = reason
        elif reading.sha256 != known.sha256 or _as_tuple(crop) != known.crop:
            self._run.counts["images_changed"] += 1
            values.update(_content_columns(reading), crop=crop, state=ImageState.READY, last_error=None)
            self._dirty.add(known.id)
        elif known.state == ImageState.QUARANTINED:
            self._fail_image(
                update.record, UnreadImage(f"{image.source}: {known.last_error}", "an image that can be decoded")
            )
        else:
            self._run.counts["images_unchanged"] += 1
            if known.last_error is not None:
                values["last_error"] = None
        if values:
            update.image_values[known.id] = values
        return not isinstance(reading, UnreadImage) and bool(values)

    def _new_image(self, record: ProductRecord, image: FeedImage, product_id: int) -> dict[str, Any]:
        reading = self._readings[record.line, image.source]
        columns: dict[str, Any] = {
            "merchant_id": self._run.merchant_id,
            "product_id": product_id,
            "source": image.source,
            "position": image.position,
            "crop": _crop_columns(image),
        }
        empty = {"sha256": None, "size_bytes": None, "width": None, "height": None}
        if isinstance(reading, RemoteImage):
            self._run.counts["images_to_fetch"] += 1
            return {**columns, **empty, "state": ImageState.PENDING, "last_error": None}
        if isinstance(reading, UnreadImage):
            self._fail_image(record, reading)
            reason = self._run.told(f"{reading.found}; expected {reading.expected}")
            return {**columns, **empty, "state": ImageState.QUARANTINED, "last_error": reason}
        self._run.counts["images_new"] += 1
        return {**columns, **_content_columns(reading), "state": ImageState.READY, "last_error": None}

    def _fail_image(self, record: ProductRecord, reading: UnreadImage) -> None:
        self._run.fail_image(
            RowError(record.line, "image", reading.found, reading.expected, record.external_id, Outcome.IMAGE_LEFT_OUT)
        )


def _content_columns(reading: ReadImage) -> dict[str, Any]:
    return {
        "sha256": reading.sha256,
        "size_bytes": reading.size_bytes,
        "width": reading.width,
        "height": reading.height,
    }


def _crop_columns(image: FeedImage) -> list[int] | None:
    crop = image.crop
    return None if crop is None else [crop.left, crop.top, crop.right, crop.bottom]


def _as_tuple(crop: list[int] | None) -> tuple[int, ...] | None:
    return None if crop is None else tuple(crop)


def _raw_fields(update: _Update) -> list[str]:
    """Columns of the feed that no column of the product tells of, and that changed."""
    told = {"id", *ProductField, *update.after}
    names = {**update.before.get("raw", {}), **update.after.get("raw", {})}
    return sorted(name for name in names if normal_name(name) not in told)
