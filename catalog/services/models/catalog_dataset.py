"""A merchant's catalog as a data set to evaluate on: every image asks for the others of its product."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Literal

from catalog.errors import InvalidRequest
from catalog.ports.image_store import ImageStore
from catalog.services.galleries.gallery_layout import category_keyword, category_keywords
from catalog.services.models.attribute_mining import FEED_ALONE, AttributeMiningService, MiningOptions
from catalog.services.models.dataset_mining import judged_by
from catalog.services.models.photo_attributes import seen_in_photos
from catalog.types import AttributeSource
from catalog.unit_of_work import UnitOfWorkFactory
from embeddings.crop_box import CropBox
from embeddings.datasets.records import Dataset, DatasetImage

LEVEL = "product"


class CatalogDatasets:
    """Reads catalogs as data sets. Their images are in the image store: an image's path is its key there."""

    def __init__(self, unit_of_work: UnitOfWorkFactory, images: ImageStore, mining: AttributeMiningService) -> None:
        self._unit_of_work = unit_of_work
        self._images = images
        self._mining = mining

    def read(
        self,
        merchant: str,
        category: str | None = None,
        gallery: Literal["same", "all"] = "same",
        mining: MiningOptions = FEED_ALONE,
        only: Collection[str] | None = None,
    ) -> Dataset:
        """The merchant's images that can be indexed, with their attributes.

        Every image of the category is a query and, relevant to it are the other images of its product: products with
        one image tell nothing but attributes.

        Args:
            category: Ask with this category alone, a level's name or a path of levels; None is all.
            gallery: Search the images of the same category, or all.
            mining: Where attributes come from: the feed, texts, or both.
            only: Ask with these pictures and search these alone, by ``IndexableImage.content_key``; None is all.

        Raises:
            MerchantNotFound: no such merchant.
            InvalidRequest: it has no image in the category.
            VocabularyUnusable: the vocabulary file cannot be used.
        """
        mined = None
        if mining.source is not AttributeSource.FEED:
            # Of the whole catalog, because the gallery may be.
            mined = self._mining.mine(merchant, None, mining).by_product
        keyword = None if category is None else category_keyword(category)
        queries: list[DatasetImage] = []
        everything: list[DatasetImage] = []
        with self._unit_of_work() as work:
            merchant_id = work.merchants.id_of(merchant)
            for page in work.images.pages(merchant_id):
                shown = work.products.shown([image.id for image in page], merchant_id)
                for image in page:
                    product = shown.get(image.id)
                    if product is None or (only is not None and image.content_key not in only):
                        continue
                    found = DatasetImage(
                        path=Path(image.sha256),
                        labels={LEVEL: product.external_id},
                        attributes=seen_in_photos(
                            image.attributes if mined is None else mined.get(image.product_id, ())
                        ),
                        item=product.external_id,
                        category=image.category[-1] if image.category else "",
                        crop=None if image.crop is None else CropBox(*image.crop),
                    )
                    everything.append(found)
                    if keyword is None or keyword in category_keywords(image.category):
                        queries.append(found)
        if not queries:
            raise InvalidRequest(
                "There is nothing to evaluate on",
                received=("no image" if only is None else f"none of {len(only):,} held-out pictures")
                + f" of {merchant}"
                + ("" if category is None else f" in category {category}"),
                expected="a catalog with indexed images",
                remedy="ingest a feed, or choose another category",
            )
        of = "" if category is None else f", {category}" + (" among all" if gallery == "all" else "")
        notes = [] if mined is None else [judged_by(mining.source)]
        if only is not None:
            notes.append("Queries and gallery are pictures that were held out in training.")
        return Dataset(
            name=f"catalog of {merchant}{of}" + ("" if only is None else ", held out"),
            training=(),
            queries=tuple(queries),
            gallery=tuple(everything if gallery == "all" else queries),
            notes=tuple(notes),
        )

    def image_bytes(self, image: DatasetImage) -> bytes:
        """The bytes of an image of ``read``.

        Raises:
            ImageStoreUnavailable: the store does not give them.
        """
        return self._images.get(image.path.name)
