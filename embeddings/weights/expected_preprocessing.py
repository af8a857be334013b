"""How a weights file expects its pixels: known, or guessed from what its first layer does to them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from embeddings.errors import UnusableModel, UnusableWeights
from embeddings.manifest import MANIFEST_FILE, read_manifest
from embeddings.weights.batch_norm import folded_into_convolution
from embeddings.weights.published import PUBLISHED
from embeddings.weights.stored import open_stored

# ResNet-50's first normalised convolution puts out numbers of a spread of about 0.4 where pixels are as they were in
# training (measured on ImageNet weights: torch .41, caffe 23). Its own normalisation makes that so for every training.
_USUAL_SPREAD: Final = 0.4
_LARGEST_FACTOR: Final = 10.0
_MEAN_BGR: Final = (103.939, 116.779, 123.68)
_MEAN_RGB: Final = (0.485, 0.456, 0.406)
_STD_RGB: Final = (0.229, 0.224, 0.225)


@dataclass(frozen=True, slots=True)
class TakenPreprocessing:
    """What a network's pixels are scaled by.

    Args:
        mode: ``caffe``, ``torch`` or ``unit``.
        note: Which was taken and why, in a sentence, with a warning where something speaks against it.
    """

    mode: str
    note: str


def preprocessing_for(trunk: str, weights: Path, asked_for: str | None, default: str) -> TakenPreprocessing:
    """The preprocessing to use with a weights file.

    What was asked for, else what the model version beside the file says, else the trunk's default. A note warns where
    that contradicts what is known of the file: of a version's weights by its manifest, of Keras's published files by
    their hash, of other ResNet-50 files by the spread of what their first layer puts out.

    Args:
        trunk: ``vgg16``, ``resnet50`` or ``compact``.
        weights: Its weights file.
        asked_for: What the user named, if anything.
        default: The trunk's own.

    Raises:
        UnusableWeights: the file cannot be read.
    """
    known = _of_version(weights) or _of_published(trunk, weights)
    if asked_for is not None:
        mode, reason = asked_for, "as asked for"
    elif known is not None:
        mode, reason = known
    else:
        mode, reason = default, f"as Keras's published {trunk} expects them; --preprocessing says otherwise"
    note = f"{weights.name} gets its pixels in the way of {mode}, {reason}."
    if known is not None:
        if known[0] != mode:
            note += f" WARNING: it expects {known[0]}, {known[1]}: results will be poor."
    elif trunk == "resnet50" and (better := _better_for_resnet50(weights, mode)) is not None:
        note += f" WARNING: {better}"
    return TakenPreprocessing(mode, note)


def _of_version(weights: Path) -> tuple[str, str] | None:
    """What the manifest beside the file says of it."""
    try:
        manifest = read_manifest(weights.parent / MANIFEST_FILE)
    except UnusableModel:
        return None
    found = next((network for network in manifest.networks if network.weights == weights.name), None)
    return None if found is None else (found.preprocessing, f"as model version {manifest.version} was trained")


def _of_published(trunk: str, weights: Path) -> tuple[str, str] | None:
    try:
        with weights.open("rb") as file:
            digest = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    except OSError:
        # Whoever loads the weights tells it better.
        return None
    found = next((one for one in PUBLISHED.values() if one.md5 == digest), None)
    return None if found is None else (found.preprocessing, f"as Keras publishes this file of {trunk}")


def _better_for_resnet50(weights: Path, mode: str) -> str | None:
    """Why another mode suits the file better; None where none clearly does."""
    try:
        with open_stored(weights) as stored:
            if not {"conv1_conv", "conv1_bn"} <= set(stored.shapes):
                return None
            convolution, norm = stored.read("conv1_conv"), stored.read("conv1_bn")
    except UnusableWeights:
        return None
    kernel, bias = folded_into_convolution(convolution, norm)
    if kernel.shape[:3] != (7, 7, 3):
        return None
    spreads = {name: _spread(kernel, bias, pixels) for name, pixels in _patches().items()}
    factors = {name: max(spread, 1e-9) / _USUAL_SPREAD for name, spread in spreads.items()}
    distances = {name: max(factor, 1 / factor) for name, factor in factors.items()}
    nearest = min(distances, key=distances.__getitem__)
    if distances[mode] < _LARGEST_FACTOR or distances[nearest] >= _LARGEST_FACTOR:
        return None
    return (
        f"it seems to expect {nearest}: its first layer puts out numbers of a spread of {spreads[mode]:.2g} "
        f"with {mode} and of {spreads[nearest]:.2g} with {nearest}, where {_USUAL_SPREAD} is usual. "
        f"Try --preprocessing {nearest}."
    )


def _spread(kernel: NDArray[np.float32], bias: NDArray[np.float32], patches: NDArray[np.float64]) -> float:
    """Median over channels of the standard deviation of what a convolution puts out."""
    outputs = patches.reshape(len(patches), -1) @ kernel.reshape(-1, kernel.shape[-1]) + bias
    return float(np.median(outputs.std(axis=0)))


@cache
def _patches() -> dict[str, NDArray[np.float64]]:
    """Patches (512, 7, 7, 3) of noise with the statistics of photos, by preprocessing.

    Amplitudes fall with the frequency, channels go together, and values lie around 120 with a spread of 60 grey levels.
    """
    random = np.random.default_rng(0)
    edge = 56
    frequency = np.hypot(np.fft.fftfreq(edge)[:, np.newaxis], np.fft.fftfreq(edge))
    frequency[0, 0] = 1 / edge

    def noise() -> NDArray[np.float64]:
        field = np.fft.ifft2(np.fft.fft2(random.normal(size=(edge, edge))) / frequency).real
        return np.asarray((field - field.mean()) / field.std())

    def picture() -> NDArray[np.float64]:
        light = noise()
        return np.stack([0.95 * light + 0.3 * noise() for _ in range(3)], axis=-1)

    pixels = np.clip(120 + 60 * np.stack([picture() for _ in range(8)]), 0, 255)
    patches = pixels.reshape(8, 8, 7, 8, 7, 3).transpose(0, 1, 3, 2, 4, 5).reshape(-1, 7, 7, 3)
    return {
        "caffe": patches[..., ::-1] - np.array(_MEAN_BGR),
        "torch": (patches / 255 - np.array(_MEAN_RGB)) / np.array(_STD_RGB),
        "unit": patches / 255,
    }
