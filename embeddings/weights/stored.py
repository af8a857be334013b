"""Reads the arrays of a weights file by layer name, whichever of three layouts it has, trusting nothing in it."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from embeddings.errors import UnusableWeights
from embeddings.weights.digest import unreadable

Shape = tuple[int, ...]

_HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_HEAD_BYTES = 512
_TRUNCATED = re.compile(r"eof = (\d+).*stored_eof = (\d+)")
# What h5py raises, by the place of the damage, when a file contradicts itself.
_DAMAGE = (OSError, KeyError, ValueError, RuntimeError, TypeError, IndexError, UnicodeDecodeError, OverflowError)
# The order of a batch normalisation's arrays in all three layouts; names, where a file gives them, overrule it.
_VARIABLE_ORDER = ("kernel", "bias", "gamma", "beta", "moving_mean", "moving_variance")
_REMEDY = "fetch or make the file again"


class StoredLayers:
    """The layers of an open weights file that hold arrays.

    Attributes:
        path: The file.
        shapes: For each layer, in the file's order, the shapes of its arrays: kernel, bias; or gamma, beta, moving
            mean, moving variance. Known before any array is read.
    """

    def __init__(self, path: Path, datasets: Mapping[str, tuple[h5py.Dataset, ...]]) -> None:
        self.path = path
        self._datasets = datasets
        self.shapes: Mapping[str, tuple[Shape, ...]] = {
            name: tuple(tuple(dataset.shape) for dataset in arrays) for name, arrays in datasets.items()
        }

    def read(self, layer: str) -> tuple[NDArray[np.float32], ...]:
        """The arrays of one layer as float32.

        Raises:
            UnusableWeights: the arrays are damaged, no numbers, or hold NaN or infinity.
        """
        arrays = []
        for dataset in self._datasets[layer]:
            try:
                array = np.asarray(dataset[()], dtype=np.float32)
            except _DAMAGE as error:
                raise _damaged(self.path, error) from error
            if not np.isfinite(array).all():
                raise UnusableWeights(
                    f"the weights file {self.path} is damaged",
                    received=f"NaN or infinity in layer {layer!r}",
                    expected="finite numbers",
                    remedy=_REMEDY,
                )
            arrays.append(array)
        return tuple(arrays)


@contextlib.contextmanager
def open_stored(path: Path) -> Iterator[StoredLayers]:
    """Open a weights file of Keras's legacy HDF5 layout, of Keras 3's ``.weights.h5``, or of ``save_weights``.

    Raises:
        UnusableWeights: the file is missing, is no HDF5, is truncated or damaged, or holds no layers.
    """
    _require_signature(path)
    try:
        file = h5py.File(path, "r")
    except _DAMAGE as error:
        raise _damaged(path, error) from error
    with file:
        try:
            layers = _find_layers(file)
        except _DAMAGE as error:
            raise _damaged(path, error) from error
        if not layers:
            raise UnusableWeights(
                f"the file {path} is HDF5, but holds no weights",
                received="groups: " + (", ".join(sorted(file)[:8]) or "none"),
                expected="Keras's legacy layout, Keras 3's .weights.h5 layout, or a file of save_weights",
                remedy="save the network's weights with Keras or with save_weights",
            )
        yield StoredLayers(path, layers)


def _require_signature(path: Path) -> None:
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
    except OSError as error:
        raise unreadable(path, error) from error
    if not head.startswith(_HDF5_SIGNATURE):
        raise UnusableWeights(
            f"the file {path} holds no weights",
            received=_describe_head(head),
            expected="an HDF5 file",
            remedy=_REMEDY,
        )


def _describe_head(head: bytes) -> str:
    text = head.lstrip().lower()
    if not head:
        return "an empty file"
    if text.startswith((b"<!doctype", b"<html", b"<?xml")):
        return "a web page, as a server sends instead of a file it does not have"
    if text.startswith(b"version https://git-lfs"):
        return "a Git LFS pointer instead of the file it stands for"
    if head.startswith(b"PK\x03\x04"):
        return "a ZIP archive, such as a whole .keras model"
    return f"bytes starting with {head[:8].hex(' ')}"


def _damaged(path: Path, error: BaseException) -> UnusableWeights:
    sizes = _TRUNCATED.search(str(error))
    if sizes:
        return UnusableWeights(
            f"the weights file {path} is truncated",
            received=f"{int(sizes[1]):,} bytes",
            expected=f"{int(sizes[2]):,} bytes",
            remedy=_REMEDY,
        )
    return UnusableWeights(
        f"the weights file {path} is damaged",
        received=str(error) or type(error).__name__,
        expected="a whole HDF5 file of weights",
        remedy=_REMEDY,
    )


def _find_layers(file: h5py.File) -> dict[str, tuple[h5py.Dataset, ...]]:
    # A whole model saved in the legacy format keeps its weights one level down.
    root = _group(file, "model_weights") if "model_weights" in file else file
    if "layer_names" in root.attrs or "layer_names0" in root.attrs:
        found = {name: _legacy_arrays(_group(root, name)) for name in _name_list(root, "layer_names")}
    elif "layers" in file:
        found = dict(_keras3_arrays(_group(file, "layers")))
    else:
        found = {}
    return {name: arrays for name, arrays in found.items() if arrays}


def _legacy_arrays(group: h5py.Group) -> tuple[h5py.Dataset, ...]:
    names = _name_list(group, "weight_names")
    arrays = [_dataset(group, name) for name in names]
    variables = [name.rsplit("/", 1)[-1].partition(":")[0] for name in names]
    if all(variable in _VARIABLE_ORDER for variable in variables):
        order = sorted(range(len(arrays)), key=lambda index: _VARIABLE_ORDER.index(variables[index]))
        arrays = [arrays[index] for index in order]
    return tuple(arrays)


def _keras3_arrays(layers: h5py.Group) -> Iterator[tuple[str, tuple[h5py.Dataset, ...]]]:
    for key in layers:
        layer = _group(layers, key)
        if "vars" not in layer:
            continue
        variables = _group(layer, "vars")
        # Keras 3 numbers the groups by class (conv2d_6) and keeps the layer's own name beside them.
        name = variables.attrs.get("name", key)
        count = len(variables)
        yield _text(name), tuple(_dataset(variables, str(index)) for index in range(count))


def _name_list(group: h5py.Group, attribute: str) -> list[str]:
    # Lists beyond HDF5's limit for one attribute are cut into attributes numbered from 0.
    if attribute in group.attrs:
        return [_text(name) for name in group.attrs[attribute]]
    names: list[str] = []
    while f"{attribute}{len(names)}" in group.attrs:
        names.append(f"{attribute}{len(names)}")
    return [_text(name) for piece in names for name in group.attrs[piece]]


def _text(name: bytes | str) -> str:
    return name.decode() if isinstance(name, bytes) else str(name)


def _group(parent: h5py.Group, name: str) -> h5py.Group:
    found = _own_member(parent, name)
    if not isinstance(found, h5py.Group):
        raise ValueError(f"{name!r} is no group")
    return found


def _dataset(parent: h5py.Group, name: str) -> h5py.Dataset:
    found = _own_member(parent, name)
    if not isinstance(found, h5py.Dataset):
        raise ValueError(f"{name!r} is no array")
    if found.external or found.is_virtual:
        raise ValueError(f"{name!r} keeps its numbers in another file")
    return found


def _own_member(parent: h5py.Group, name: str) -> h5py.Group | h5py.Dataset:
    # A link may lead out of the file, to anything this process can read; weights never need one.
    current = parent
    for part in name.split("/"):
        if not isinstance(current, h5py.Group) or part in ("", ".", ".."):
            raise ValueError(f"{name!r} is no path inside the file")
        if not isinstance(current.get(part, getlink=True), h5py.HardLink):
            raise ValueError(f"{name!r} is a link to elsewhere")
        current = current[part]
    return current
