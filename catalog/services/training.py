"""Training on a merchant's catalog: nothing but its photos and its attributes."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from catalog.errors import InvalidRequest
from catalog.ports.image_store import ImageStore
from catalog.repositories.images import IndexableImage
from catalog.services.gallery_layout import category_keyword, category_keywords
from catalog.services.progress import Advance, unheard
from catalog.unit_of_work import UnitOfWorkFactory
from embeddings.crop_box import CropBox
from embeddings.errors import UnusableImage
from embeddings.images import decode_image, prepare
from embeddings.manifest import Precision
from embeddings.model_store import ModelStore, ModelVersion
from embeddings.taxonomy import Taxonomy
from embeddings.training.config import HeadTrainingConfig, TrainingConfig
from embeddings.training.head_training import train_head
from embeddings.training.labelled_images import LabelledImages
from embeddings.training.network_training import train_network
from embeddings.training.progress import EpochCallback, ignore_epoch
from embeddings.training.publication import Publication
from embeddings.weights import download_published

PAGE = 1000


@dataclass(frozen=True, slots=True)
class TrainingRequest:
    """What to train, on what.

    Args:
        merchant: Whose catalog.
        version: Name of the model version to make.
        trunk: ``vgg16``, ``resnet50`` or ``compact``.
        weights: The trunk's weights file. None: a frozen trunk takes its published ones, ``end_to_end`` random ones.
        preprocessing: The convention those weights were trained with; None is the trunk's own.
        category: Train on this category alone, a level's name or a path of levels; None takes all.
        end_to_end: Train every layer; otherwise the trunk stays as it is and only the attribute scores are trained.
        min_count: Attributes that fewer images have are left out.
        held_out_share: Share of the products, in (0, 1), that is measured on and not trained on.
        epochs: None is the recipe's own.
        input_size: Edge of the square network input in pixels.
        precision: What the version computes in.
        seed: Decides the split, the initial weights and the order.
    """

    merchant: str
    version: str
    trunk: str = "resnet50"
    weights: Path | None = None
    preprocessing: str | None = None
    category: str | None = None
    end_to_end: bool = False
    min_count: int = 20
    held_out_share: float = 0.1
    epochs: int | None = None
    input_size: int = 224
    precision: Precision = Precision.BFLOAT16
    seed: int = 0


class StoredImages:
    """A catalog's images, decoded when they are asked for, so that memory does not grow with the catalog."""

    def __init__(
        self, store: ImageStore, images: Sequence[IndexableImage], *, input_size: int, max_pixels: int
    ) -> None:
        self._store = store
        self._images = images
        self._input_size = input_size
        self._max_pixels = max_pixels

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int, /) -> NDArray[np.uint8]:
        image = self._images[index]
        try:
            decoded = decode_image(
                self._store.get(image.sha256),
                max_pixels=self._max_pixels,
                crop=None if image.crop is None else CropBox(*image.crop),
                min_edge=self._input_size,
            )
        except UnusableImage as error:
            raise InvalidRequest(
                "An image of the training set cannot be decoded",
                received=f"image {image.id}: {error}",
                expected="indexed images, which have been decoded before",
                remedy="run `drape ingest` with the feed first, so that such images are quarantined",
            ) from error
        return prepare(decoded, self._input_size)


class TrainingService:
    """Makes model versions from catalogs."""

    def __init__(
        self, unit_of_work: UnitOfWorkFactory, images: ImageStore, models: ModelStore, *, max_pixels: int
    ) -> None:
        self._unit_of_work = unit_of_work
        self._images = images
        self._models = models
        self._max_pixels = max_pixels

    def train(
        self, request: TrainingRequest, on_images: Advance = unheard, on_epoch: EpochCallback = ignore_epoch
    ) -> ModelVersion:
        """Train on the merchant's attributes with the LSEP loss and add the result to the model store.

        Args:
            on_images: Told how many images have been through a frozen trunk, and of how many.
            on_epoch: Told after every epoch.

        Raises:
            MerchantNotFound: no such merchant.
            InvalidRequest: the catalog has too few images or attributes to train on.
            embeddings.model_store.ModelVersionExists: the version's name is taken.
            embeddings.errors.UnusableWeights: the weights file does not fit the trunk.
        """
        images = self._all_images(request)
        counts: dict[str, int] = {}
        for image in images:
            for name in image.attributes:
                counts[name] = counts.get(name, 0) + 1
        frequent = sorted(name for name, count in counts.items() if count >= request.min_count)
        if len(frequent) < 2 or len({image.product_id for image in images}) < 2:
            raise InvalidRequest(
                "There is too little to train on",
                received=f"{len(images)} images, {len(frequent)} attributes on at least {request.min_count} of them",
                expected="at least two products and two attributes",
                remedy="lower --min-count, or ingest a feed with attributes",
            )
        taxonomy = Taxonomy(tuple(frequent))
        labelled = LabelledImages(
            images=StoredImages(self._images, images, input_size=request.input_size, max_pixels=self._max_pixels),
            attributes=[image.attributes for image in images],
            item_ids=[str(image.product_id) for image in images],
        )
        training, held_out = labelled.split(request.held_out_share, request.seed)
        of = "" if request.category is None else f", category {request.category}"
        publication = Publication(
            store=self._models,
            version=request.version,
            data=f"catalog of {request.merchant}{of}: {len(training)} of {len(images)} images (seed {request.seed})",
            command=shlex.join(["drape", *sys.argv[1:]]),
            precision=request.precision,
        )
        if request.end_to_end:
            return self._train_network(request, training, held_out, taxonomy, publication, on_epoch)
        return self._train_head(request, training, held_out, taxonomy, publication, on_images, on_epoch)

    def _all_images(self, request: TrainingRequest) -> list[IndexableImage]:
        """Every image with at least one attribute; what is kept of each is a few hundred bytes."""
        # Compared as searches compare it, and not by PostgreSQL, whose lower case depends on the server's locale.
        keyword = None if request.category is None else category_keyword(request.category)
        found: list[IndexableImage] = []
        after = 0
        with self._unit_of_work() as work:
            merchant_id = work.merchants.id_of(request.merchant)
            while page := work.images.page(merchant_id, after, PAGE):
                found.extend(
                    image
                    for image in page
                    if image.attributes and (keyword is None or keyword in category_keywords(image.category))
                )
                after = page[-1].id
        return found

    @staticmethod
    def _train_network(
        request: TrainingRequest,
        training: LabelledImages,
        held_out: LabelledImages,
        taxonomy: Taxonomy,
        publication: Publication,
        on_epoch: EpochCallback,
    ) -> ModelVersion:
        recipe = TrainingConfig(trunk=request.trunk, preprocessing=request.preprocessing, seed=request.seed)
        if request.epochs is not None:
            recipe = replace(recipe, epochs=request.epochs)
        if request.weights is not None:
            # A trunk that knows something already is only to be adjusted: the paper's rate.
            recipe = replace(recipe, learning_rate=1e-5, batch_size=16)
        return train_network(
            recipe,
            training,
            taxonomy,
            publication,
            held_out=held_out,
            pretrained=request.weights,
            on_epoch=on_epoch,
        )

    @staticmethod
    def _train_head(
        request: TrainingRequest,
        training: LabelledImages,
        held_out: LabelledImages,
        taxonomy: Taxonomy,
        publication: Publication,
        on_images: Advance,
        on_epoch: EpochCallback,
    ) -> ModelVersion:
        recipe = HeadTrainingConfig(trunk=request.trunk, preprocessing=request.preprocessing, seed=request.seed)
        if request.epochs is not None:
            recipe = replace(recipe, epochs=request.epochs)
        return train_head(
            recipe,
            training,
            taxonomy,
            publication,
            trunk_weights=request.weights or download_published(request.trunk, with_top=True),
            held_out=held_out,
            on_images=on_images,
            on_epoch=on_epoch,
        )
