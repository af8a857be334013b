"""A model version with its visual feature whitened, made from one that was trained."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from embeddings.errors import EmbeddingsError
from embeddings.evaluation.embedder_network import EmbedderNetwork
from embeddings.evaluation.picture_features import compute_features
from embeddings.export.derived_version import add_derived, scores_of_origin
from embeddings.manifest import (
    WHITENED_VISUAL_FEATURES,
    FeatureSpec,
    ModelManifest,
    WhiteningFile,
)
from embeddings.model_store import ModelStore, ModelVersion
from embeddings.open_embedder import open_embedder
from embeddings.postprocessing.stored_whitening import WHITENING_FILE, whitening_bytes
from embeddings.postprocessing.whitening import DEFAULT_SHRINKAGE, fit_whitening
from embeddings.training.labelled_images import ImageSequence

MOST_SAMPLE_ELEMENTS: Final = 2**25
"""Numbers of the sample that a whitening is fitted on: 128 MiB, 16,384 images of 2,048 components."""

LARGEST_MATRIX_ELEMENTS: Final = 2**23
"""Numbers of the matrix that every image is multiplied with: 32 MiB."""


class Unwhitenable(EmbeddingsError):
    """The version, or the images at hand, do not allow the whitening that was asked for."""


@dataclass(frozen=True, slots=True)
class WhiteningRequest:
    """What to make.

    Args:
        version: Name of the new version.
        size: Components of its visual feature.
        feature: What becomes its visual feature: ``fc6``, ``pool`` or ``bilinear``; None is what it is already.
        shrinkage: Of the covariance, in [0, 1); see ``fit_whitening``.
        seed: Decides which images are looked at where there are more than needed.
    """

    version: str
    size: int
    feature: str | None = None
    shrinkage: float = DEFAULT_SHRINKAGE
    seed: int = 0


def whiten(
    model: ModelVersion,
    request: WhiteningRequest,
    images: ImageSequence,
    described: str,
    store: ModelStore,
    *,
    command: str,
    batch_size: int = 32,
    decode_threads: int = 2,
    on_images: Callable[[int, int], None] = lambda _done, _total: None,
) -> ModelVersion:
    """Add a version of the same networks whose visual feature is whitened to fewer components.

    At most 2²⁵ numbers are sampled, drawn evenly by the seed. Fitting takes up to 1.1 GB, eight times those
    128 MiB, whatever the number of images. Scores are those of the version before and say so.

    Args:
        images: The photos that will be searched, or a part of them, prepared for the version's input.
        described: Where they come from, in words.
        command: What makes the version, for its provenance.
        on_images: Told how many images' features are computed, of how many.

    Raises:
        ModelVersionExists: the name is taken.
        Unwhitenable: the version is whitened already, has no such feature or one of fewer components; the matrix would
            be too large; or there are too few images, or too few that differ.
        UnusableModel, UnusableWeights: the version is damaged.
        UnwritableFile: the new version's folder cannot be written.
    """
    store.require_free(request.version)
    feature, size_before = whitenable_feature(model.manifest, request)
    if len(images) <= request.size:
        raise Unwhitenable(
            "There are too few images to whiten with",
            received=f"{len(images):,} images ({described})",
            expected=f"more than {request.size:,}, better ten times as many: n images tell n − 1 components",
            remedy="choose a smaller --size, or photos of more products",
        )
    most = MOST_SAMPLE_ELEMENTS // size_before
    drawn = np.random.default_rng(request.seed).permutation(len(images))[:most]
    features = _features(model, feature, _Chosen(images, drawn), batch_size, decode_threads, on_images)
    try:
        whitening = fit_whitening(features, request.size, shrinkage=request.shrinkage, seed=request.seed)
    except ValueError as error:
        raise Unwhitenable("The images cannot be whitened with", received=str(error)) from error
    if whitening.size < request.size:
        raise Unwhitenable(
            "The images do not differ enough",
            received=f"{len(drawn):,} images whose {feature} varies in {whitening.size:,} directions",
            expected=f"{request.size:,} directions or more",
            remedy="choose a smaller --size, or photos of more products",
        )
    content = whitening_bytes(whitening)
    manifest = replace(
        model.manifest,
        version=request.version,
        features={**model.manifest.features, feature: FeatureSpec(request.size)},
        visual_feature=feature,
        whitening=WhiteningFile(
            file=WHITENING_FILE,
            sha256=hashlib.sha256(content).hexdigest(),
            size_before=size_before,
            fitted_on=f"{described}: {len(drawn)} of {len(images)} images (seed {request.seed})",
            num_images=len(drawn),
            shrinkage=request.shrinkage,
        ),
        provenance=model.manifest.provenance.after(model.manifest.version, command),
        scores=scores_of_origin(model.manifest),
        created=datetime.now(UTC).date(),
    )
    add_derived(model, manifest, store, {WHITENING_FILE: content})
    return store.open(request.version)


def whitenable_feature(manifest: ModelManifest, request: WhiteningRequest) -> tuple[str, int]:
    """The feature to whiten and its size, before any image is read.

    Raises:
        Unwhitenable: the version is whitened already, has no such feature or one of fewer components, or the matrix
            would be too large.
    """
    if manifest.whitening is not None:
        raise Unwhitenable(
            f"model version {manifest.version} is whitened already",
            received=f"{manifest.visual_feature} of {manifest.whitening.size_before} components, whitened to "
            f"{manifest.features[manifest.visual_feature].size}",
            expected="a version that is not",
            remedy="whiten the version that it was made of",
        )
    feature = manifest.visual_feature if request.feature is None else request.feature
    known = [name for name in WHITENED_VISUAL_FEATURES if name in manifest.features]
    if feature not in known:
        raise Unwhitenable(
            f"model version {manifest.version} has no such feature to whiten",
            received=feature,
            expected=", ".join(known),
        )
    size_before = manifest.features[feature].size
    largest = min(size_before, LARGEST_MATRIX_ELEMENTS // size_before)
    if request.size > largest:
        reason = (
            "it has no more"
            if largest == size_before
            else f"a matrix of {size_before:,} × {largest:,} is {LARGEST_MATRIX_ELEMENTS * 4 >> 20} MiB"
        )
        raise Unwhitenable(
            f"{feature} cannot be whitened to so many components",
            received=f"{request.size:,} components of {size_before:,}",
            expected=f"at most {largest:,}: {reason}",
            remedy="choose a smaller --size",
        )
    return feature, size_before


@dataclass(frozen=True, slots=True)
class _Chosen:
    """Some of the images, in an order of their own."""

    images: ImageSequence
    positions: Sequence[int] | NDArray[np.intp]

    def __len__(self) -> int:
        return len(self.positions)

    def __getitem__(self, index: int, /) -> NDArray[np.uint8]:
        return self.images[int(self.positions[index])]


def _features(
    model: ModelVersion,
    feature: str,
    images: ImageSequence,
    batch_size: int,
    decode_threads: int,
    on_images: Callable[[int, int], None],
) -> NDArray[np.float32]:
    """(n, size) float32."""
    network = EmbedderNetwork(open_embedder(model, batch_size=batch_size), {}, batch_size=batch_size)
    with tempfile.TemporaryDirectory(prefix="drape-whitening-") as folder:
        files = compute_features(
            network,
            images,
            Path(folder),
            outputs={feature},
            decode_threads=decode_threads,
            on_images=lambda done: on_images(done, len(images)),
        )
        return files[feature][:]
