"""The rendered catalog as a data set: its attributes and identities are exactly true, and it needs no download."""

from __future__ import annotations

import json
import os
from pathlib import Path

from embeddings.datasets.category_choice import Part, choose_category
from embeddings.datasets.dataset_options import DatasetOptions
from embeddings.datasets.held_out import is_held_out
from embeddings.datasets.records import Dataset, DatasetImage, UnusableDataset
from embeddings.datasets.rendered.catalog import DEFAULT_HEIGHT, MANIFEST_NAME, image_path, write_catalog
from embeddings.datasets.rendered.folder_exchange import settle_exchange
from embeddings.datasets.rendered.items import RenderedItem, items

_DEFAULTS = {"num_items": 600, "views_per_item": 3, "seed": 0, "height": DEFAULT_HEIGHT}


def read_rendered(folder: Path, options: DatasetOptions | None = None) -> Dataset:
    """The rendered catalog in a folder, drawn there first where it is missing.

    Items are held out by the hash of their id; photos of the others train. All photos of held-out items search each
    other; what is relevant is the same item. Drawing takes a tenth of a second per item and is done once: a folder that
    already has the catalog asked for is left as it is, one with another rendered catalog is drawn anew.

    Args:
        folder: Made if it does not exist; a link is followed.
        options: The ``rendered_…`` fields, ``category`` and ``gallery`` count. What is None is as in the folder.

    Raises:
        UnusableDataset: the folder holds something else, cannot be written, or its catalog was changed; or the catalog
            has no such category.
    """
    options = options or DatasetOptions()
    # Drawing anew replaces the folder, by which a path from inside of it would lead nowhere.
    folder = Path(os.path.realpath(folder))
    try:
        settle_exchange(folder)
        request = _request(folder, options)
        write_catalog(
            folder, request["num_items"], request["views_per_item"], request["seed"], height=request["height"]
        )
    except (OSError, ValueError) as error:
        raise UnusableDataset(
            f"The rendered catalog cannot be drawn into {folder}",
            received=str(error),
            expected="a folder that can be written, and is new, empty or holds a rendered catalog",
        ) from error
    drawn = list(items(request["num_items"], request["seed"]))
    choice = choose_category("the rendered catalog", {_category(item) for item in drawn}, options)
    parts: dict[Part, list[DatasetImage]] = {"training": [], "queries": [], "gallery": []}
    for item in drawn:
        wanted: tuple[Part, ...] = ("training",)
        if is_held_out(item.item_id, options.rendered_held_out):
            wanted = ("queries", "gallery")
        images = _images(folder, item, request["views_per_item"])
        for part in wanted:
            if choice.takes(_category(item), part):
                parts[part].extend(images)
    description = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in request.items())
    return Dataset(
        name=choice.describe("rendered catalog"),
        training=tuple(parts["training"]),
        queries=tuple(parts["queries"]),
        gallery=tuple(parts["gallery"]),
        notes=(f"drawn with {description}; {options.rendered_held_out:.0%} of the items are held out",),
    )


def _request(folder: Path, options: DatasetOptions) -> dict[str, int]:
    """What to draw: what the options ask for, else what the folder has, else the defaults."""
    path = folder / MANIFEST_NAME
    present: dict[str, int] = {}
    if path.exists():
        try:
            stored = json.loads(path.read_text(encoding="utf-8"))
            present = {name: stored[name] for name in _DEFAULTS}
            if not all(type(value) is int for value in present.values()):
                raise ValueError(f"not all whole numbers: {present}")
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UnusableDataset(
                f"{path} does not say which catalog was drawn",
                received=f"{type(error).__name__}: {error}",
                expected=f"a JSON object with {', '.join(_DEFAULTS)}",
                remedy="remove the folder, and it is drawn anew",
            ) from error
    asked = {
        "num_items": options.rendered_items,
        "views_per_item": options.rendered_views,
        "seed": options.rendered_seed,
        "height": options.rendered_height,
    }
    return _DEFAULTS | present | {name: value for name, value in asked.items() if value is not None}


def _images(folder: Path, item: RenderedItem, num_views: int) -> list[DatasetImage]:
    images = []
    for view in range(num_views):
        path = folder / image_path(item, view)
        if not path.is_file():
            raise UnusableDataset(
                "A photo of the rendered catalog is missing",
                received=f"{path}: no such file",
                expected=f"{num_views} photos of each item",
                remedy=f"remove {folder}, and it is drawn anew",
            )
        images.append(
            DatasetImage(
                path=path,
                labels={"item": item.item_id},
                attributes=item.attributes,
                item=item.item_id,
                category=_category(item),
                text=f"{item.title}. {item.description}",
            )
        )
    return images


def _category(item: RenderedItem) -> str:
    return item.category[-1]
