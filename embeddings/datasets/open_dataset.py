"""A data set from the text that names it on a command line."""

from __future__ import annotations

from pathlib import Path

from embeddings.datasets.cub import read_cub
from embeddings.datasets.dataset_options import DatasetOptions
from embeddings.datasets.inshop import read_inshop
from embeddings.datasets.records import Dataset, UnusableDataset
from embeddings.datasets.rendered_dataset import read_rendered
from embeddings.datasets.table import read_table

_READERS = {"inshop": read_inshop, "cub": read_cub, "table": read_table, "rendered": read_rendered}
_FORMS = "inshop:FOLDER, cub:FOLDER, table:FILE, rendered:FOLDER"


def open_dataset(text: str, options: DatasetOptions | None = None) -> Dataset:
    """The data set that a text names.

    Args:
        text: ``inshop:FOLDER`` (DeepFashion In-shop), ``cub:FOLDER`` (CUB-200-2011), ``table:FILE`` (any labelled
            photos; see ``embeddings.datasets.table``) or ``rendered:FOLDER`` (the rendered catalog, drawn there where
            it is missing).
        options: What to choose of it; None is all defaults.

    Raises:
        UnusableDataset: the text names no kind of data set, or the data set cannot be read as asked.
    """
    kind, colon, place = text.partition(":")
    reader = _READERS.get(kind)
    if reader is None or not colon or not place:
        raise UnusableDataset(
            f"{text!r} names no data set", received=text, expected=f"one of {_FORMS}", remedy="put its kind before it"
        )
    path = Path(place)
    if place.startswith("~/"):
        # A shell leaves a tilde alone that does not begin a word.
        path = path.expanduser()
    return reader(path, options or DatasetOptions())
