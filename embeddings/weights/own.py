"""Drape's own weights files: every layer by name, checked against a hash, optionally in half the space."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import h5py
import numpy as np
from numpy.typing import NDArray

from embeddings.errors import UnusableWeights
from embeddings.weights.assignment import assign, layers_with_weights, norms_to_fold, read_checked, wrong_network
from embeddings.weights.digest import file_sha256, require_sha256
from embeddings.weights.stored import open_stored
from embeddings.whole_file import UnwritableFile

if TYPE_CHECKING:
    import keras

_LARGEST_FLOAT16 = float(np.finfo(np.float16).max)


def save_weights(model: keras.Model, path: Path, *, float16: bool = False) -> str:
    """Write a network's weights, whole or not at all, and return the file's SHA-256.

    The file is HDF5: ``layers/<layer name>/vars/<index>``. It holds no optimizer state and no times, so the same
    weights give the same bytes and the same hash.

    Args:
        model: A network of ``embeddings.networks.build``.
        path: Where to write; an existing file is replaced.
        float16: Store kernels in half the space, at 11 significant bits. Biases and batch normalisation, a hundredth
            of the numbers, stay in float32.

    Raises:
        UnwritableFile: the disk is full, or the folder cannot be written.
        UnusableWeights: the weights hold NaN or infinity, or numbers too large for float16.
    """
    layers = layers_with_weights(model)
    arrays = {name: [np.asarray(weight.numpy()) for weight in layer.weights] for name, layer in layers.items()}
    for name, values in arrays.items():
        _require_storable(name, values, float16=float16)
    path.parent.mkdir(parents=True, exist_ok=True)
    # Beside its destination, so that the last step is a rename, which leaves no half-written file whatever happens.
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with h5py.File(temporary, "w") as file:
            for name, values in arrays.items():
                variables = file.create_group(f"layers/{name}/vars")
                variables.attrs["name"] = name
                for index, value in enumerate(values):
                    dtype = np.float16 if float16 and value.ndim > 1 else np.float32
                    variables.create_dataset(str(index), data=value.astype(dtype))
        # Opened once more, because HDF5 keeps its own descriptor to itself.
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        digest = file_sha256(temporary)
        temporary.replace(path)
    except (OSError, RuntimeError) as error:
        # HDF5 tells a disk that is full when it closes the file by a RuntimeError.
        raise UnwritableFile(
            f"the weights {path.name} cannot be written",
            received=f"{path.parent}: {error}",
            expected=f"space for {sum(value.nbytes for values in arrays.values() for value in values):,} bytes",
            remedy="free space, and run the command again",
        ) from error
    finally:
        temporary.unlink(missing_ok=True)
    return digest


def load_weights(model: keras.Model, path: Path, sha256: str | None = None) -> None:
    """Fill every layer of a network from a file of ``save_weights``.

    A network built with ``folded=True`` takes a file of the trained network and folds its batch normalisation in.

    Args:
        model: A network of ``embeddings.networks.build``, built as the saved one; unchanged if this raises.
        path: The file.
        sha256: What the file must hash to; None leaves it unchecked.

    Raises:
        UnusableWeights: the file is missing, truncated, damaged, altered, made for another network or for another
            number of attributes.
    """
    if sha256 is not None:
        require_sha256(path, sha256)
    layers = layers_with_weights(model)
    with open_stored(path) as stored:
        folded_norms = set(norms_to_fold(stored, layers).values())
        missing = [name for name in layers if name not in stored.shapes]
        surplus = [name for name in stored.shapes if name not in layers and name not in folded_norms]
        if missing or surplus:
            reason = f"no layer {missing[0]!r}" if missing else f"a layer {surplus[0]!r} that the network has not"
            raise wrong_network(stored, reason, f"exactly the {len(layers)} layers of {model.name}", model.name)
        arrays = read_checked(stored, {name: name for name in layers}, layers, model.name)
    assign(arrays, layers)


def _require_storable(layer: str, values: list[NDArray[np.float32]], *, float16: bool) -> None:
    for value in values:
        largest = float(np.max(np.abs(value), initial=0.0))
        if not np.isfinite(largest):
            raise UnusableWeights(
                "weights that are no numbers are not saved",
                received=f"NaN or infinity in layer {layer!r}",
                expected="finite numbers",
                remedy="train anew with a lower learning rate",
            )
        if float16 and value.ndim > 1 and largest > _LARGEST_FLOAT16:
            raise UnusableWeights(
                "the weights do not fit into float16",
                received=f"{largest:.6g} in layer {layer!r}",
                expected=f"at most {_LARGEST_FLOAT16:.0f}",
                remedy="save in float32",
            )
