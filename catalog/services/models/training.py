"""Training on a merchant's catalog, or on a data set: nothing but photos and their attributes."""

from __future__ import annotations

import json
import shlex
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from catalog.errors import InvalidRequest
from catalog.ports.image_store import ImageStore
from catalog.repositories.images import IndexableImage
from catalog.services.galleries.gallery_layout import category_keyword, category_keywords
from catalog.services.models.attribute_mining import FEED_ALONE, AttributeMiningService, MiningOptions
from catalog.services.models.dataset_mining import mine_dataset_images
from catalog.services.models.photo_attributes import seen_in_photos
from catalog.services.models.stored_photos import StoredPhotos
from catalog.services.models.trained_catalog import catalog_in_words
from catalog.types import AttributeSource
from catalog.unit_of_work import UnitOfWorkFactory
from embeddings.datasets.dataset_options import DatasetOptions
from embeddings.datasets.open_dataset import open_dataset
from embeddings.errors import UnusableModel
from embeddings.export.calibration import CalibrationImages, TooFewCalibrationImages, sample_images
from embeddings.export.litert_conversion import LiteRtPrecision, require_convertible
from embeddings.export.quantization import quantize
from embeddings.litert_embedder import LiteRtNetwork
from embeddings.manifest import Precision
from embeddings.model_store import ModelStore, ModelVersion
from embeddings.networks import default_preprocessing
from embeddings.training.checkpoints import remove_state
from embeddings.training.config import HeadTrainingConfig, TrainingConfig
from embeddings.training.dataset_images import dataset_images
from embeddings.training.head_training import train_head
from embeddings.training.label_preparation import PreparedData, Untrainable, prepare_labels
from embeddings.training.labelled_images import LabelledImages
from embeddings.training.measurement import RANKS, measure_features
from embeddings.training.network_training import train_network
from embeddings.training.progress import (
    EpochCallback,
    NoteCallback,
    PhaseCallback,
    ignore_epoch,
    ignore_note,
    ignore_phase,
)
from embeddings.training.publication import Publication
from embeddings.training.training_identity import training_identity
from embeddings.training.training_weights import default_weights
from embeddings.weights.expected_preprocessing import preprocessing_for
from embeddings.whole_file import written_whole

MAX_CACHED_BYTES = 2 * 2**30
"""How much of the prepared pixels is kept for the next epoch: 28,000 images at 160 pixels, 14,000 at 224."""

_IDENTITY_FILE = "identity.json"
"""In the folder of a network that is still to be quantized: what its training is known by."""


@dataclass(frozen=True, slots=True)
class CatalogSource:
    """An ingested catalog to train on.

    Args:
        merchant: Whose.
        category: This category alone, a level's name or a path of levels; None takes all.
        mining: Where its attributes come from.
    """

    merchant: str
    category: str | None = None
    mining: MiningOptions = FEED_ALONE


@dataclass(frozen=True, slots=True)
class DatasetSource:
    """A data set to train on; its queries and its gallery are neither trained on nor measured with.

    Args:
        dataset: As ``embeddings.datasets.open_dataset`` takes it: ``table:labels.csv``.
        options: What to choose of it.
        mining: Where its attributes come from; its annotations stand for the feed.
    """

    dataset: str
    options: DatasetOptions = field(default_factory=DatasetOptions)
    mining: MiningOptions = FEED_ALONE


@dataclass(frozen=True, slots=True)
class TrainingRequest:
    """What to train, on what.

    Args:
        version: Name of the model version to make.
        source: The images.
        recipe: How: the layer of scores on a frozen trunk, or all layers.
        input_size: Edge of the square network input in pixels.
        weights: The trunk's weights file; None is the trunk's usual one where ``pretrained``, else random weights.
        pretrained: Whether the trunk starts from weights that know something already. A frozen one always does.
        min_count: Attributes that fewer images have are left out.
        held_out_share: Share of the items, in [0, 1), that is measured on and not trained on.
        precision: What the version computes in. For int8 it is trained in float32 and quantized by training images.
        restart: Begin anew where an unfinished training of that name could be gone on with.
    """

    version: str
    source: CatalogSource | DatasetSource
    recipe: TrainingConfig | HeadTrainingConfig
    input_size: int = 224
    weights: Path | None = None
    pretrained: bool = True
    min_count: int = 20
    held_out_share: float = 0.1
    precision: Precision = Precision.BFLOAT16
    restart: bool = False


class TrainingService:
    """Makes model versions from catalogs and data sets.

    Args:
        states: Folder in which unfinished trainings keep their state, each in a folder of its version's name.
    """

    def __init__(
        self,
        unit_of_work: UnitOfWorkFactory,
        images: ImageStore,
        models: ModelStore,
        mining: AttributeMiningService,
        states: Path,
        *,
        max_pixels: int,
    ) -> None:
        self._unit_of_work = unit_of_work
        self._mining = mining
        self._images = images
        self._models = models
        self._states = states
        self._max_pixels = max_pixels

    def train(
        self,
        request: TrainingRequest,
        on_phase: PhaseCallback = ignore_phase,
        on_epoch: EpochCallback = ignore_epoch,
        on_note: NoteCallback = ignore_note,
    ) -> ModelVersion:
        """Train on the images' attributes with the LSEP loss and add the result to the model store.

        A training of all layers that was stopped goes on after its last finished epoch when it is asked for again.

        Args:
            on_phase: Told how far the images of a phase are.
            on_epoch: Told after every epoch.
            on_note: Told what was decided by the data.

        Raises:
            MerchantNotFound: no such merchant.
            InvalidRequest: there are too few images or attributes to train on.
            embeddings.datasets.records.UnusableDataset: the data set, or an image of it, cannot be read.
            embeddings.errors.TrainingFailed: the loss diverged, its state cannot be saved or is of something else.
            embeddings.errors.UnusableWeights: the weights file does not fit the trunk.
            embeddings.model_store.ModelVersionExists: the version's name is taken.
            embeddings.errors.UnusableModel: int8 is asked of a bilinear head, or on another backend than TensorFlow.
        """
        # Before reading a catalog, as training would say it only after.
        self._models.require_free(request.version)
        if request.precision is Precision.INT8:
            require_convertible(request.version, [_head(request.recipe)], LiteRtPrecision.INT8)
        labelled, described = self._images_of(request, on_note)
        try:
            prepared = prepare_labels(
                labelled,
                min_count=request.min_count,
                held_out_share=request.held_out_share,
                seed=request.recipe.seed,
            )
        except Untrainable as error:
            raise InvalidRequest(
                error.message, received=error.received, expected=error.expected, remedy=error.remedy
            ) from error
        for note in prepared.notes:
            on_note(note)
        publication = Publication(
            store=self._models,
            version=request.version,
            data=f"{described}: {len(prepared.training)} of {len(labelled)} images (seed {request.recipe.seed})",
            command=shlex.join(["drape", *sys.argv[1:]]),
            precision=request.precision,
            held_out=() if prepared.held_out is None else prepared.held_out.pictures or (),
        )

        # Drawn before training, so that too few images are found before the work.
        sample = _calibration_sample(prepared.training) if request.precision is Precision.INT8 else None
        if isinstance(request.recipe, HeadTrainingConfig):
            training = _head_training(request, request.recipe, prepared, on_phase, on_epoch, on_note)
        else:
            training = self._network_training(request, request.recipe, prepared, on_phase, on_epoch, on_note)
        if sample is None:
            return training.run(publication)
        return self._quantized(training, publication, prepared, sample, request, on_note)

    def _quantized(
        self,
        training: _Training,
        publication: Publication,
        prepared: PreparedData,
        sample: CalibrationImages,
        request: TrainingRequest,
        on_note: NoteCallback,
    ) -> ModelVersion:
        """Train in float32, then make the version in int8 of it; a training that ended is not repeated for that."""
        # Beside the unfinished trainings; no version's name begins with a dot.
        aside = ModelStore(self._states / ".unquantized")
        folder = self._states / ".unquantized" / request.version
        known_by = _identity(training, publication, prepared)
        network = None if request.restart else _trained_before(aside, request.version, known_by)
        if network is not None:
            on_note("The network was trained already, by the same command on the same images: it is quantized now.")
        else:
            if folder.exists():
                shutil.rmtree(folder)
            network = training.run(replace(publication, store=aside, precision=Precision.FLOAT32))
            with written_whole(network.folder / _IDENTITY_FILE) as file:
                file.write(known_by)
        on_note(f"Rounding weights to int8 by {len(sample.images)} training images.")

        def scores_of(int8: LiteRtNetwork) -> Mapping[str, float]:
            if prepared.held_out is None:
                return {}
            return measure_features(int8.features, prepared.held_out, prepared.taxonomy, RANKS)

        made = quantize(network, request.version, self._models, sample, scores_of)
        shutil.rmtree(folder)
        return made

    def _network_training(
        self,
        request: TrainingRequest,
        recipe: TrainingConfig,
        prepared: PreparedData,
        on_phase: PhaseCallback,
        on_epoch: EpochCallback,
        on_note: NoteCallback,
    ) -> _Training:
        weights = request.weights
        if weights is None and request.pretrained:
            weights = default_weights(recipe.trunk, recipe.head)
        if weights is not None:
            recipe = _with_preprocessing(recipe, weights, on_note)
        states = self._states / request.version

        def run(publication: Publication) -> ModelVersion:
            if request.restart:
                remove_state(states)
            return train_network(
                recipe,
                prepared.training,
                prepared.taxonomy,
                publication,
                held_out=prepared.held_out,
                pretrained=weights,
                checkpoints=states,
                on_epoch=on_epoch,
                on_phase=on_phase,
                on_note=on_note,
            )

        return _Training(recipe, weights, run)

    def _images_of(self, request: TrainingRequest, on_note: NoteCallback) -> tuple[LabelledImages, str]:
        """The images with at least one attribute, and where they come from in words."""
        source = request.source
        if isinstance(source, DatasetSource):
            dataset = open_dataset(source.dataset, source.options)
            for note in dataset.notes:
                on_note(note)
            mined = mine_dataset_images(dataset.training, source.mining)
            training = [image for image in mined if image.attributes]
            if not training:
                raise _nothing_labelled(dataset.name, len(dataset.training), source.mining)
            images = dataset_images(training, request.input_size, max_cached_bytes=MAX_CACHED_BYTES)
            return images, f"{dataset.name}, its training images{_mined_from(source.mining)}"
        found, num_looked_at = self._all_images(source)
        described = catalog_in_words(source.merchant, source.category) + _mined_from(source.mining)
        if not found:
            raise _nothing_labelled(described, num_looked_at, source.mining)
        stored = StoredPhotos(
            self._images,
            found,
            request.input_size,
            max_pixels=self._max_pixels,
            max_cached_bytes=MAX_CACHED_BYTES,
        )
        labelled = LabelledImages(
            images=stored,
            attributes=[image.attributes for image in found],
            item_ids=[str(image.product_id) for image in found],
            item_groups=[image.item_group for image in found],
            pictures=[image.content_key for image in found],
        )
        return labelled, described

    def _all_images(self, source: CatalogSource) -> tuple[list[IndexableImage], int]:
        """Every image with at least one attribute, and of how many; what is kept of each is a few hundred bytes."""
        mined = None
        if source.mining.source is not AttributeSource.FEED:
            mined = self._mining.mine(source.merchant, source.category, source.mining).by_product
        # Compared as searches compare it, and not by PostgreSQL, whose lower case depends on the server's locale.
        keyword = None if source.category is None else category_keyword(source.category)
        found: list[IndexableImage] = []
        num_looked_at = 0
        with self._unit_of_work() as work:
            for page in work.images.pages(work.merchants.id_of(source.merchant)):
                labelled = [
                    replace(
                        image,
                        attributes=seen_in_photos(
                            image.attributes if mined is None else mined.get(image.product_id, ())
                        ),
                    )
                    for image in page
                ]
                asked_for = [
                    image for image in labelled if keyword is None or keyword in category_keywords(image.category)
                ]
                num_looked_at += len(asked_for)
                found.extend(image for image in asked_for if image.attributes)
        return found, num_looked_at


@dataclass(frozen=True, slots=True)
class _Training:
    """A training that is ready to run, with what it starts from."""

    recipe: TrainingConfig | HeadTrainingConfig
    weights: Path | None
    run: Callable[[Publication], ModelVersion]


def _head_training(
    request: TrainingRequest,
    recipe: HeadTrainingConfig,
    prepared: PreparedData,
    on_phase: PhaseCallback,
    on_epoch: EpochCallback,
    on_note: NoteCallback,
) -> _Training:
    weights = request.weights or default_weights(recipe.trunk, "multiattrib")
    recipe = _with_preprocessing(recipe, weights, on_note)

    def run(publication: Publication) -> ModelVersion:
        return train_head(
            recipe,
            prepared.training,
            prepared.taxonomy,
            publication,
            trunk_weights=weights,
            held_out=prepared.held_out,
            on_images=lambda done, total: on_phase("computing features", done, total),
            on_epoch=on_epoch,
            on_note=on_note,
        )

    return _Training(recipe, weights, run)


_Recipe = TypeVar("_Recipe", TrainingConfig, HeadTrainingConfig)


def _with_preprocessing(recipe: _Recipe, weights: Path, on_note: NoteCallback) -> _Recipe:
    """The recipe with what the weights expect, where nothing was asked for and that is not what would be taken."""
    default = default_preprocessing(recipe.trunk)
    taken = preprocessing_for(recipe.trunk, weights, recipe.preprocessing, default)
    on_note(taken.note)
    if recipe.preprocessing is not None or taken.mode == default:
        return recipe
    return replace(recipe, preprocessing=taken.mode)


def _head(recipe: TrainingConfig | HeadTrainingConfig) -> str:
    return "multiattrib" if isinstance(recipe, HeadTrainingConfig) else recipe.head


def _identity(training: _Training, publication: Publication, prepared: PreparedData) -> bytes:
    """Equal for trainings of the same command on the same pictures and labels."""
    facts = training_identity(
        training.recipe,
        prepared.training,
        prepared.held_out,
        prepared.taxonomy,
        training.weights,
        # On no other backend are versions made in int8.
        "tensorflow",
    )
    # A version of another command would say that it was made by that one.
    return json.dumps({"command": publication.command, "data": publication.data, **facts}, sort_keys=True).encode()


def _trained_before(store: ModelStore, version: str, known_by: bytes) -> ModelVersion | None:
    """The version, if it is there whole and was trained by what is known by the same."""
    try:
        found = store.open(version)
        same = (found.folder / _IDENTITY_FILE).read_bytes() == known_by
    except (UnusableModel, OSError):
        return None
    return found if same else None


def _calibration_sample(training: LabelledImages) -> CalibrationImages:
    try:
        return sample_images(training.images, "training images")
    except TooFewCalibrationImages as error:
        raise InvalidRequest(
            error.message,
            received=f"{len(training)} training images",
            expected=error.expected,
            remedy="train in another precision; `drape model quantize` takes photos of a folder, too",
        ) from error


def _mined_from(mining: MiningOptions) -> str:
    if mining.source is AttributeSource.FEED:
        return ""
    return ", attributes from texts" if mining.source is AttributeSource.TEXT else ", attributes from feed and texts"


def _nothing_labelled(described: str, num_images: int, mining: MiningOptions) -> InvalidRequest:
    other = (
        "mine its texts with --attributes both"
        if mining.source is AttributeSource.FEED
        else "give --vocabulary words that its texts use (`drape attributes` lists those that were left out)"
    )
    return InvalidRequest(
        "There is too little to train on",
        received=f"{described}: no image with an attribute, of {num_images:,} looked at",
        expected="at least two products and two attributes",
        remedy=f"ingest a feed with attributes, {other}, or give another category",
    )
