"""The rendered catalog on disk: JPEG files and a product feed, as a merchant would hand them over."""

from __future__ import annotations

import csv
import io
import json
import os
import re
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from embeddings.datasets.rendered.folder_exchange import exchanged_folder, settle_exchange
from embeddings.datasets.rendered.items import RenderedItem, items
from embeddings.datasets.rendered.views import render_view

FEED_NAME = "feed.csv"
FEED_COLUMNS = (
    "id",
    "title",
    "description",
    "category",
    "attributes",
    "price",
    "availability",
    "link",
    "image",
    "additional_images",
    "item_group_id",
)
DEFAULT_HEIGHT = 320

MANIFEST_NAME = "rendered.json"
IMAGES_NAME = "images"
# Raised whenever the same request would give other bytes, so that folders written before are written anew.
_DRAWING_VERSION = 3
_JPEG_QUALITY = 88
_PHOTO_NAME = re.compile(r"R-?\d+-\d+-\d+\.jpg")


def write_catalog(
    folder: Path,
    num_items: int,
    views_per_item: int,
    seed: int,
    *,
    height: int = DEFAULT_HEIGHT,
    on_item: Callable[[], None] | None = None,
) -> Path:
    """Writes a catalog: ``feed.csv`` and its photos under ``images/``.

    The same request gives the same bytes. A folder that already holds the requested catalog is left as it is; one
    that holds another rendered catalog, and nothing else, is replaced. Everything is written beside the folder first
    and then put in place, so that an interrupted run leaves no half catalog. What a killed run left there is cleared
    away.

    Args:
        folder: Made if it does not exist; a link is followed.
        num_items, views_per_item: How many, each at least 1.
        seed: Which catalog.
        height: Of the photos, in pixels.
        on_item: Called after each item's photos are written; for progress.

    Returns:
        The feed's path, absolute: who replaces the folder that they stand in could not reach it by another.

    Raises:
        ValueError: a number is too small, or ``folder`` is no folder or holds something else than a rendered catalog.
        OSError: the folder cannot be read or written.
    """
    if num_items < 1 or views_per_item < 1:
        raise ValueError(f"expected at least one item and one view, received {num_items} and {views_per_item}")
    request = {
        "num_items": num_items,
        "views_per_item": views_per_item,
        "seed": seed,
        "height": height,
        "drawing_version": _DRAWING_VERSION,
    }
    manifest = json.dumps(request, indent=2) + "\n"
    folder = Path(os.path.realpath(folder))
    settle_exchange(folder)
    if _read_manifest(folder) == manifest.encode():
        return folder / FEED_NAME
    _refuse_what_is_not_drawn(folder)
    with exchanged_folder(folder) as draft:
        (draft / IMAGES_NAME).mkdir()
        rows = []
        for item in items(num_items, seed):
            for view in range(views_per_item):
                (draft / image_path(item, view)).write_bytes(encode_view(item, view, height))
            rows.append(feed_row(item, views_per_item))
            if on_item is not None:
                on_item()
        (draft / FEED_NAME).write_text(_feed_text(rows), encoding="utf-8", newline="")
        (draft / MANIFEST_NAME).write_text(manifest, encoding="utf-8")
        # Drawing takes a while, in which somebody may have put a file of theirs there.
        _refuse_what_is_not_drawn(folder)
    return folder / FEED_NAME


def image_path(item: RenderedItem, view: int) -> str:
    """Where a photo lies, relative to the catalog's folder."""
    return f"{IMAGES_NAME}/{item.item_id}-{view}.jpg"


def encode_view(item: RenderedItem, view: int, height: int) -> bytes:
    """A photo as a JPEG file's bytes."""
    buffer = io.BytesIO()
    Image.fromarray(render_view(item, view, height)).save(buffer, "JPEG", quality=_JPEG_QUALITY)
    return buffer.getvalue()


def feed_row(item: RenderedItem, num_views: int) -> dict[str, str]:
    """The item's row of the feed, a text per column of ``FEED_COLUMNS``."""
    images = [image_path(item, view) for view in range(num_views)]
    return {
        "id": item.item_id,
        "title": item.title,
        "description": item.description,
        "category": " > ".join(item.category),
        "attributes": "; ".join(item.attributes),
        "price": f"{item.price} {item.currency}",
        "availability": item.availability,
        "link": f"https://shop.example/products/{item.item_id.lower()}",
        "image": images[0],
        "additional_images": ";".join(images[1:]),
        "item_group_id": item.item_id,
    }


def _feed_text(rows: list[dict[str, str]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, FEED_COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _refuse_what_is_not_drawn(folder: Path) -> None:
    """Refuse anything but a new or empty folder or a rendered catalog: a mistyped path must cost nobody's files."""
    if os.path.lexists(folder) and not folder.is_dir():
        raise ValueError(f"{folder} is no folder; name a new folder")
    found = _names_in(folder)
    if not found:
        return
    if MANIFEST_NAME not in found:
        raise ValueError(f"{folder} holds something else than a rendered catalog; name an empty or a new folder")
    foreign = found - {FEED_NAME, IMAGES_NAME, MANIFEST_NAME}
    photos = _names_in(folder / IMAGES_NAME)
    foreign |= {f"{IMAGES_NAME}/{name}" for name in photos if _PHOTO_NAME.fullmatch(name) is None}
    if foreign:
        raise ValueError(
            f"{folder} holds something else beside its rendered catalog, such as {min(foreign)}; "
            "move that elsewhere, or name a new folder"
        )


def _names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} if folder.is_dir() else set()


def _read_manifest(folder: Path) -> bytes | None:
    path = folder / MANIFEST_NAME
    return path.read_bytes() if path.is_file() else None
