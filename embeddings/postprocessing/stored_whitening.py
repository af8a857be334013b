"""A version's whitening as a file of its own."""

from __future__ import annotations

import io
from typing import Final

import numpy as np

from embeddings.errors import UnusableModel
from embeddings.manifest import WhiteningFile
from embeddings.model_store import ModelVersion
from embeddings.postprocessing.whitening import Whitening
from embeddings.weights.digest import checked_bytes

WHITENING_FILE: Final = "whitening.npz"


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
    expected = {"mean": (described.size_before,), "projection": (described.size_before, size)}
    try:
        # Never with pickles, which run what is in them.
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            arrays = {name: np.asarray(file[name], dtype=np.float32) for name in file.files}
    except (OSError, ValueError, EOFError) as error:
        raise _unusable(model, str(error)) from error
    shapes = {name: array.shape for name, array in arrays.items()}
    if shapes != expected or not all(np.isfinite(array).all() for array in arrays.values()):
        raise _unusable(model, f"arrays {shapes}, all finite expected of {expected}")
    return Whitening(**arrays)


def _unusable(model: ModelVersion, received: str) -> UnusableModel:
    return UnusableModel(
        f"the whitening of model version {model.manifest.version} does not fit it",
        received=received,
        expected="mean and projection from the network's feature to the version's",
        remedy="restore the model version's folder, or whiten it again",
    )
