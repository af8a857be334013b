"""A version's whitening as a file of its own."""

from __future__ import annotations

import io
import struct
import tokenize
import zipfile
from typing import Final

import numpy as np
from numpy.typing import NDArray

from embeddings.errors import UnusableModel
from embeddings.manifest import WhiteningFile
from embeddings.model_store import ModelVersion
from embeddings.postprocessing.whitening import Whitening
from embeddings.weights.digest import checked_bytes

WHITENING_FILE: Final = "whitening.npz"

# What zipfile and NumPy's parser of headers raise, by the place of the damage.
_DAMAGE = (
    *(zipfile.BadZipFile, OSError, EOFError, struct.error, RuntimeError),
    *(ValueError, TypeError, KeyError, IndexError, AttributeError, SyntaxError, tokenize.TokenError, MemoryError),
)


def whitening_bytes(whitening: Whitening) -> bytes:
    """The content of the file: NumPy's ``mean`` and ``projection``, float32. Equal whitenings give equal bytes."""
    file = io.BytesIO()
    np.savez(file, mean=whitening.mean, projection=whitening.projection)
    return file.getvalue()


def load_whitening(model: ModelVersion) -> Whitening | None:
    """The whitening of a version's visual feature; None where it is not whitened.

    Raises:
        UnusableWeights: the file is missing or was altered.
        UnusableModel: it holds something else than the manifest says.
    """
    described = model.manifest.whitening
    if described is None:
        return None
    content = checked_bytes(
        model.folder / described.file,
        described.sha256,
        what=f"the whitening of model version {model.manifest.version}",
        remedy="restore the model version's folder, or whiten it again",
    )
    return _parsed(content, described, model)


def _parsed(content: bytes, described: WhiteningFile, model: ModelVersion) -> Whitening:
    size = model.manifest.features[model.manifest.visual_feature].size
    shapes = {"mean": (described.size_before,), "projection": (described.size_before, size)}
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as file:
            entries = {entry.filename: entry for entry in file.infolist()}
            if set(entries) != {f"{name}.npy" for name in shapes}:
                raise ValueError(f"the arrays {', '.join(sorted(entries)) or 'none'}")
            arrays = {name: _array(file, entries[f"{name}.npy"], shape) for name, shape in shapes.items()}
    except _DAMAGE as error:
        raise _unusable(model, str(error) or type(error).__name__) from error
    return Whitening(**arrays)


def _array(file: zipfile.ZipFile, entry: zipfile.ZipInfo, expected: tuple[int, ...]) -> NDArray[np.float32]:
    """One array, whose numbers are read only where they are as many as expected.

    NumPy's own reader makes room for as many as a header promises, and runs what is in pickles if it is let.
    """
    # NumPy compresses none unless it is asked to; so nothing grows while it is read.
    if entry.compress_type != zipfile.ZIP_STORED:
        raise ValueError(f"{entry.filename}, compressed")
    with file.open(entry) as stream:
        if np.lib.format.read_magic(stream) != (1, 0):
            raise ValueError(f"{entry.filename} of another format than 1.0")
        shape, by_columns, dtype = np.lib.format.read_array_header_1_0(stream)
        if shape != expected or dtype != np.float32:
            raise ValueError(f"{entry.filename} of shape {shape} in {dtype}, not {expected} in float32")
        array = np.frombuffer(stream.read(), np.float32).reshape(shape, order="F" if by_columns else "C")
    if not np.isfinite(array).all():
        raise ValueError(f"{entry.filename} with NaN or infinity")
    return array


def _unusable(model: ModelVersion, received: str) -> UnusableModel:
    return UnusableModel(
        f"the whitening of model version {model.manifest.version} does not fit it",
        received=received,
        expected="mean and projection from the network's feature to the version's",
        remedy="restore the model version's folder, or whiten it again",
    )
