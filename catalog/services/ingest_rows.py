"""The rows of one transaction of an ingest: what is new, changed or gone is written, its images marked dirty."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from catalog.repositories.products import KnownImage, KnownProduct
from catalog.rows import ImageState
from catalog.services.ingest_run import IngestRun
from catalog.services.source_images import ReadImage, Reading, RemoteImage, UnreadImage
from catalog.types import FeedImage, Outcome, ProductRecord, RowError
from catalog.unit_of_work import UnitOfWork


class RowWriter:
    """Writes the records of one transaction and marks what changed."""

    def __init__(self, work: UnitOfWork, run: IngestRun, readings: Mapping[tuple[int, str], Reading]) -> None:
        self._work = work
        self._run = run
        self._readings = readings
        self._dirty: set[int] = set()

    def write(self, records: Sequence[ProductRecord]) -> None:
        """Insert and update products and images, mark what changed, and remove images that are no longer named."""
        known = self._work.products.known_products(self._run.merchant_id, [record.external_id for record in records])
        stored_images = self._work.products.known_images([product.id for product in known.values()])
        inserted = self._work.products.insert_products(
            [
                {"merchant_id": self._run.merchant_id, **_product_columns(record, self._run.attributes_of(record))}
                for record in records
                if record.external_id not in known
            ]
        )
        updates: list[dict[str, Any]] = []
        new_images: list[dict[str, Any]] = []
        for record in records:
            product = known.get(record.external_id)
            if product is None:
                self._run.counts["products_new"] += 1
                new_images.extend(
                    self._new_image(record, image, inserted[record.external_id]) for image in record.images
                )
                continue
            stored = stored_images.get(product.id, {})
            touched = self._update_images(record, product, stored, new_images)
            columns = _product_columns(record, self._run.attributes_of(record))
            if columns["fingerprint"] != product.fingerprint:
                updates.append({"id": product.id, **columns})
                self._dirty.update(image.id for image in stored.values())
                touched = True
            self._run.counts["products_changed" if touched else "products_unchanged"] += 1
        self._work.products.update_products(updates)
        # What is yet to be fetched has nothing to be indexed.
        pending = [image for image in new_images if image["state"] == ImageState.PENDING]
        ready = [image for image in new_images if image["state"] != ImageState.PENDING]
        self._dirty.update(self._work.products.insert_images(ready))
        self._work.products.insert_images(pending)
        self._work.outbox.mark(sorted(self._dirty))
        gone = [
            image.id
            for record in records
            if record.external_id in known
            for image in self._absent(record, stored_images.get(known[record.external_id].id, {}))
        ]
        # Their marks are written above, while they still exist.
        self._work.products.remove_images(gone)
        by_address = [record.external_id for record in records if any(image.is_address for image in record.images)]
        self._work.fetches.wish([inserted[id] if id in inserted else known[id].id for id in by_address])

    def _update_images(
        self,
        record: ProductRecord,
        product: KnownProduct,
        stored: Mapping[str, KnownImage],
        new_images: list[dict[str, Any]],
    ) -> bool:
        touched = False
        for image in record.images:
            known = stored.get(image.source)
            if known is None:
                new_images.append(self._new_image(record, image, product.id))
                touched = True
            else:
                touched |= self._update_image(record, image, known)
        absent = self._absent(record, stored)
        self._dirty.update(image.id for image in absent)
        if absent:
            self._run.counts["images_removed"] += len(absent)
        return touched or bool(absent)

    @staticmethod
    def _absent(record: ProductRecord, stored: Mapping[str, KnownImage]) -> list[KnownImage]:
        named = {image.source for image in record.images}
        return [image for source, image in stored.items() if source not in named]

    def _update_image(self, record: ProductRecord, image: FeedImage, known: KnownImage) -> bool:
        """Bring one stored image up to date; whether anything about it changed."""
        reading = self._readings[record.line, image.source]
        crop = _crop_columns(image)
        values: dict[str, Any] = {}
        if known.position != image.position:
            values["position"] = image.position
        if isinstance(reading, RemoteImage):
            self._run.counts["images_to_fetch"] += 1
            if _as_tuple(crop) != known.crop:
                values["crop"] = crop
                self._dirty.add(known.id)
        elif isinstance(reading, UnreadImage):
            # What is stored of the image is better than nothing, so it stays as it is until it can be read again.
            self._fail_image(record, reading)
            reason = f"{reading.found}; expected {reading.expected}"
            if known.last_error != reason:
                values["last_error"] = reason
        elif reading.sha256 != known.sha256 or _as_tuple(crop) != known.crop:
            self._run.counts["images_changed"] += 1
            values.update(_content_columns(reading), crop=crop, state=ImageState.READY, last_error=None)
            self._dirty.add(known.id)
        elif known.state == ImageState.QUARANTINED:
            self._fail_image(record, UnreadImage(f"{image.source}: {known.last_error}", "an image that can be decoded"))
        else:
            self._run.counts["images_unchanged"] += 1
            if known.last_error is not None:
                values["last_error"] = None
        if values:
            self._work.products.update_image(known.id, values)
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
            reason = f"{reading.found}; expected {reading.expected}"
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


def _product_columns(record: ProductRecord, attributes: list[str]) -> dict[str, Any]:
    columns: dict[str, Any] = {
        "external_id": record.external_id,
        "title": record.title,
        "description": record.description,
        "category": list(record.category),
        "attributes": attributes,
        "given_attributes": list(record.attributes),
        "price": None if record.price is None else record.price.amount,
        "currency": None if record.price is None else record.price.currency,
        "availability": str(record.availability),
        "link": record.link,
        "item_group": record.item_group,
        "raw": dict(record.raw),
    }
    return {**columns, "fingerprint": _fingerprint(columns)}


def _fingerprint(columns: Mapping[str, Any]) -> str:
    canonical = json.dumps(columns, sort_keys=True, ensure_ascii=True, default=str)
    return hashlib.sha256(canonical.encode("ascii")).hexdigest()
