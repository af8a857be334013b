"""The columns of Vision Product Search's bulk files, and what their values mean."""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import StrEnum
from urllib.parse import quote

from catalog.feeds.delimited_rows import count_fields
from catalog.feeds.feed_row import ValueFault, shorten
from catalog.feeds.values import parse_attributes, parse_image_source


class VisionColumn(StrEnum):
    """The columns, in their order in the file, by Google's names."""

    IMAGE_URI = "image-uri"
    IMAGE_ID = "image-id"
    PRODUCT_SET_ID = "product-set-id"
    PRODUCT_ID = "product-id"
    PRODUCT_CATEGORY = "product-category"
    PRODUCT_DISPLAY_NAME = "product-display-name"
    LABELS = "labels"
    BOUNDING_POLY = "bounding-poly"


NUM_REQUIRED = 5
"""Fields up to the category; those after it may be missing."""

PRODUCT_SET = "product-set"
"""The attribute group of a product's sets."""

STORAGE_ADDRESS = "https://storage.googleapis.com/"

_STORAGE = re.compile(r"gs://([^/\s]+)/(.+)", re.IGNORECASE)
_CATEGORY = re.compile(r"(apparel|homegoods|toys|packagedgoods|general)(?:-v[0-9]+)?", re.IGNORECASE)
_LEVELS = {
    "apparel": ("Apparel",),
    "homegoods": ("Home goods",),
    "toys": ("Toys",),
    "packagedgoods": ("Packaged goods",),
    "general": (),
}
_NUMBER = re.compile(r"\s*[-+0-9.eE]+\s*")


def is_category(field: str) -> bool:
    """Whether this is one of the product categories."""
    return _CATEGORY.fullmatch(field.strip()) is not None


def is_storage_uri(field: str) -> bool:
    """Whether this names an object of Google Cloud Storage."""
    return field.strip()[:5].lower() == "gs://"


def fit_fields(fields: Sequence[str]) -> Sequence[str]:
    """The fields, one of each column: missing ones are empty, and a polygon without quotation marks is joined again.

    Raises:
        ValueFault: they are too few, or too many.
    """
    columns = len(VisionColumn)
    expected = f"{NUM_REQUIRED} to {columns} fields: {', '.join(VisionColumn)}; labels and polygons are quoted"
    if len(fields) < NUM_REQUIRED:
        raise ValueFault(count_fields(fields), expected)
    if len(fields) <= columns:
        return [*fields, *[""] * (columns - len(fields))]
    polygon = fields[columns - 1 :]
    # Separators alone at the end are what spreadsheets add.
    while polygon and not polygon[-1].strip():
        polygon = polygon[:-1]
    if not all(_NUMBER.fullmatch(field) for field in polygon):
        raise ValueFault(count_fields(fields), expected)
    return [*fields[: columns - 1], ",".join(polygon)]


def parse_uri(value: object) -> str:
    """A path or an address; an object of Google Cloud Storage by its public address."""
    text = value.strip() if isinstance(value, str) else ""
    if not is_storage_uri(text):
        return parse_image_source(text)
    match = _STORAGE.fullmatch(text)
    if match is None:
        raise ValueFault(shorten(text), "gs://, a bucket, / and an object's name")
    return parse_image_source(f"{STORAGE_ADDRESS}{quote(match[1])}/{quote(match[2], safe='/', errors='replace')}")


def parse_product_category(value: object) -> tuple[str, ...]:
    """The category path of a product category; none of the general one."""
    match = _CATEGORY.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise ValueFault(
            shorten(value) if value else "nothing",
            "apparel-v2, homegoods-v2, toys-v2, packagedgoods-v1 or general-v1; the product has no category",
        )
    return _LEVELS[match[1].lower()]


def split_labels(value: object) -> list[str]:
    """The single labels of ``key=value,key=value``; not yet parsed."""
    labels = value.split(",") if isinstance(value, str) else []
    return [label for label in labels if label.strip()]


def parse_label(label: str) -> tuple[str, ...]:
    """The attribute of a label, in normal form.

    >>> parse_label("Style = Maxi")
    ('style=maxi',)
    """
    key, separator, value = label.partition("=")
    if not separator or not key.strip() or not value.strip():
        raise ValueFault(shorten(label.strip()), "labels as key=value, separated by commas; this one is left out")
    return parse_attributes({key.strip(): value.strip()})


def parse_product_set(text: str) -> tuple[str, ...]:
    """The attribute of a product set, in normal form; none where there is no set."""
    return parse_attributes({PRODUCT_SET: text.strip()}) if text.strip() else ()
