"""A catalog of any size, made in seconds: rows and vectors written where an ingest would have left them.

The vectors imitate a network's: a few hundred clusters, seen through random non-negative features with noise. No photo
is behind them, so a shop can be searched by product, and shows no pictures.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

import numpy as np
from numpy.typing import NDArray

from catalog.bootstrap import Application
from catalog.ports.models import ModelDescription
from catalog.ports.vector_index import Point
from catalog.repositories.galleries import IndexedImage
from catalog.repositories.images import IndexableImage
from catalog.rows import ImageState
from catalog.services.galleries.gallery_layout import PROB, payload, point_vectors
from embeddings.similarity import l2_normalize

VERSION: Final = "compact-rendered"
MERCHANT: Final = "atelier"
_CATEGORIES: Final = (("Women", "Dresses"), ("Women", "Skirts"), ("Women", "Tops"), ("Men", "Jackets"))
_HIDDEN: Final = 32
_AT_ONCE: Final = 1000


def product_id(number: int) -> str:
    """The feed's id of a product, by its number from 0."""
    return f"D-{number:06}"


def fill(application: Application, num_products: int, seed: int = 0) -> None:
    """Give the application a merchant with so many products of one image each, all of them indexed."""
    model = application.models.describe(VERSION)
    features, has_attribute = clustered(model, num_products, seed)
    with application.unit_of_work() as work:
        merchant_id = work.merchants.ensure(MERCHANT)
        work.commit()
    gallery = application.galleries.ensure_live(merchant_id, VERSION)
    vectors = point_vectors(model, features)
    rng = np.random.default_rng(seed + 1)
    for first in range(0, num_products, _AT_ONCE):
        numbers = range(first, min(first + _AT_ONCE, num_products))
        rows = [_row(merchant_id, number, model, has_attribute[number], rng) for number in numbers]
        with application.unit_of_work() as work:
            ids = work.products.insert_products(rows)
            image_ids = work.products.insert_images(
                [
                    {
                        "merchant_id": merchant_id,
                        "product_id": ids[row["external_id"]],
                        "source": f"{row['external_id']}.jpg",
                        "position": 0,
                        "sha256": row["fingerprint"],
                        "size_bytes": 50_000,
                        "width": 600,
                        "height": 800,
                        "state": ImageState.READY,
                    }
                    for row in rows
                ]
            )
            images = [
                IndexableImage(
                    id=image_id,
                    merchant_id=merchant_id,
                    product_id=ids[row["external_id"]],
                    position=0,
                    sha256=row["fingerprint"],
                    crop=None,
                    revision=1,
                    category=tuple(row["category"]),
                    attributes=tuple(row["attributes"]),
                    price=row["price"],
                    currency=row["currency"],
                    availability=row["availability"],
                    item_group=None,
                )
                for image_id, row in zip(sorted(image_ids), rows, strict=True)
            ]
            work.galleries.note_indexed(
                [IndexedImage(gallery.id, image.id, image.content_key, image.revision) for image in images]
            )
            work.commit()
        application.index.upsert(
            gallery.collection,
            [
                Point(image.id, vectors[number], payload(image, gallery.model_version, image.revision))
                for number, image in zip(numbers, images, strict=True)
            ],
        )
    application.index.optimize(gallery.collection)


def clustered(
    model: ModelDescription, count: int, seed: int
) -> tuple[dict[str, NDArray[np.float32]], NDArray[np.bool_]]:
    """Features of so many images as the model's network would give them, and which attributes each image has."""
    rng = np.random.default_rng(seed)
    centers = rng.normal(size=(200, _HIDDEN))
    hidden = centers[rng.integers(200, size=count)] + 0.5 * rng.normal(size=(count, _HIDDEN))
    size, num_attributes = model.feature_sizes[model.visual_feature], model.feature_sizes[PROB]
    visual = np.maximum(hidden @ rng.normal(size=(_HIDDEN, size)) + 1.5 * rng.normal(size=(count, size)), 0)
    prob = 1 / (1 + np.exp(4 - 0.6 * hidden @ rng.normal(size=(_HIDDEN, num_attributes))))
    features = {model.visual_feature: l2_normalize(visual), PROB: l2_normalize(prob)}
    return features, prob > 0.5


def _row(
    merchant_id: int, number: int, model: ModelDescription, has_attribute: NDArray[np.bool_], rng: np.random.Generator
) -> dict[str, object]:
    attributes = [model.taxonomy.names[at] for at in np.flatnonzero(has_attribute)][:8]
    return {
        "merchant_id": merchant_id,
        "external_id": product_id(number),
        "title": f"Garment number {number} with a title of the usual length",
        "description": "What a shop says of a garment, in a sentence or two of the usual length. " * 3,
        "category": list(_CATEGORIES[number % len(_CATEGORIES)]),
        "attributes": attributes,
        "given_attributes": attributes,
        "price": Decimal(int(rng.integers(1000, 20000))) / 100,
        "currency": "EUR",
        "availability": "in_stock" if number % 10 else "out_of_stock",
        "link": f"https://shop.example/{product_id(number)}",
        "item_group": None,
        "raw": {"id": product_id(number), "noted": datetime(2026, 1, 1, tzinfo=UTC).isoformat()},
        "fingerprint": f"{number:064x}",
    }
