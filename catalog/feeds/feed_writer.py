"""Writing products as a feed that reads back equal."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable
from pathlib import Path
from typing import IO

from catalog.feeds.columns import Column
from catalog.feeds.layout import FeedFormat, format_of_name
from catalog.types import EVERY_FIELD, ProductField, ProductRecord


def write_feed(path: Path, products: Iterable[ProductRecord]) -> int:
    """Write products as they come, as CSV, TSV or JSON Lines by the file's name; ``raw`` and ``line`` are left out.

    Returns:
        How many were written.

    Raises:
        ValueError: the name says none of the formats; or, in CSV and TSV, an attribute holds ``;`` or ``|``, an
            additional image's path holds ``;``, or a product does not give every field, which those cannot express.
        OSError: the file cannot be written.
    """
    feed_format = format_of_name(path.name)
    if feed_format is None or feed_format is FeedFormat.XML:
        raise ValueError(f"a feed's name ends in .csv, .tsv or .jsonl, received {path.name!r}")
    with path.open("w", encoding="utf-8", newline="") as file:
        if feed_format is FeedFormat.JSONL:
            return _write_json_lines(file, products)
        return _write_delimited(file, products, "," if feed_format is FeedFormat.CSV else "\t")


def _write_delimited(file: IO[str], products: Iterable[ProductRecord], delimiter: str) -> int:
    # Fields are quoted where they hold a character of the line end, so it must have both.
    writer = csv.writer(file, delimiter=delimiter, lineterminator="\r\n")
    writer.writerow(column.value for column in Column)
    num_products = 0
    for product in products:
        if product.given != EVERY_FIELD:
            raise ValueError(
                f"a delimited feed gives every field of every product, {product.external_id!r} does not; "
                "write JSON Lines instead"
            )
        cells = {
            **_texts_of(product),
            Column.CATEGORY: " > ".join(product.category),
            Column.ATTRIBUTES: _join("attribute", product.attributes, forbidden=";|"),
            Column.ADDITIONAL_IMAGES: _join("image path", _additional_images(product), forbidden=";"),
        }
        writer.writerow(cells.get(column, "") for column in Column)
        num_products += 1
    return num_products


def _write_json_lines(file: IO[str], products: Iterable[ProductRecord]) -> int:
    num_products = 0
    for product in products:
        row: dict[Column, object] = {
            **_texts_of(product),
            Column.CATEGORY: product.category,
            Column.ATTRIBUTES: product.attributes,
            Column.ADDITIONAL_IMAGES: _additional_images(product),
        }
        # What is empty is written, too: what is missing would stay as it is.
        given = {Column.ID.value, *product.given}
        ordered = {column.value: row[column] for column in Column if column.value in given}
        file.write(json.dumps(ordered, ensure_ascii=False) + "\n")
        num_products += 1
    return num_products


def _texts_of(product: ProductRecord) -> dict[Column, str]:
    has_main = ProductField.IMAGE in product.given
    box = product.images[0].crop if has_main else product.image_box
    return {
        Column.ID: product.external_id,
        Column.TITLE: product.title,
        Column.DESCRIPTION: product.description,
        Column.PRICE: f"{product.price.amount:f} {product.price.currency}" if product.price else "",
        Column.AVAILABILITY: product.availability.value,
        Column.LINK: product.link or "",
        Column.IMAGE: product.images[0].source if has_main else "",
        Column.ITEM_GROUP_ID: product.item_group or "",
        Column.IMAGE_BOX: f"{box.left},{box.top},{box.right},{box.bottom}" if box else "",
    }


def _additional_images(product: ProductRecord) -> list[str]:
    return [image.source for image in product.images if image.position > 0]


def _join(what: str, parts: Iterable[str], forbidden: str) -> str:
    parts = list(parts)
    for part in parts:
        if any(character in part for character in forbidden):
            raise ValueError(f"a delimited feed cannot express the {what} {part!r}; write JSON Lines instead")
    return "; ".join(parts)
