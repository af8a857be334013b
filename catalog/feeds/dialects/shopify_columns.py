"""The columns of Shopify's product CSV, by the names of both its header sets."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

NUM_OPTIONS = 3


class ShopifyColumn(StrEnum):
    """A column that means something to Drape; the value is its name of the newer set, in lower case."""

    HANDLE = "url handle"
    TITLE = "title"
    DESCRIPTION = "description"
    VENDOR = "vendor"
    CATEGORY = "product category"
    TYPE = "type"
    TAGS = "tags"
    PUBLISHED = "published on online store"
    STATUS = "status"
    GIFT_CARD = "gift card"
    OPTION1_NAME = "option1 name"
    OPTION1_VALUE = "option1 value"
    OPTION1_LINK = "option1 linked to"
    OPTION2_NAME = "option2 name"
    OPTION2_VALUE = "option2 value"
    OPTION2_LINK = "option2 linked to"
    OPTION3_NAME = "option3 name"
    OPTION3_VALUE = "option3 value"
    OPTION3_LINK = "option3 linked to"
    PRICE = "price"
    TRACKER = "inventory tracker"
    QUANTITY = "inventory quantity"
    POLICY = "continue selling when out of stock"
    IMAGE = "product image url"
    IMAGE_POSITION = "image position"
    VARIANT_IMAGE = "variant image url"
    GOOGLE_CATEGORY = "google shopping / google product category"
    GENDER = "google shopping / gender"
    AGE_GROUP = "google shopping / age group"


OPTIONS = (
    (ShopifyColumn.OPTION1_NAME, ShopifyColumn.OPTION1_VALUE, ShopifyColumn.OPTION1_LINK),
    (ShopifyColumn.OPTION2_NAME, ShopifyColumn.OPTION2_VALUE, ShopifyColumn.OPTION2_LINK),
    (ShopifyColumn.OPTION3_NAME, ShopifyColumn.OPTION3_VALUE, ShopifyColumn.OPTION3_LINK),
)
"""Name, value and link of each option."""

_OLDER_NAMES = {
    "handle": ShopifyColumn.HANDLE,
    "body (html)": ShopifyColumn.DESCRIPTION,
    "body html": ShopifyColumn.DESCRIPTION,
    "standard product type": ShopifyColumn.CATEGORY,
    "standardized product type": ShopifyColumn.CATEGORY,
    "custom product type": ShopifyColumn.TYPE,
    "published": ShopifyColumn.PUBLISHED,
    "variant price": ShopifyColumn.PRICE,
    "variant inventory tracker": ShopifyColumn.TRACKER,
    "variant inventory qty": ShopifyColumn.QUANTITY,
    "variant inventory policy": ShopifyColumn.POLICY,
    "image src": ShopifyColumn.IMAGE,
    "variant image": ShopifyColumn.VARIANT_IMAGE,
}
_BY_NAME = {column.value: column for column in ShopifyColumn} | _OLDER_NAMES
_OF_VARIANTS_AND_IMAGES = frozenset(
    {
        ShopifyColumn.HANDLE,
        ShopifyColumn.PRICE,
        ShopifyColumn.TRACKER,
        ShopifyColumn.QUANTITY,
        ShopifyColumn.POLICY,
        ShopifyColumn.IMAGE,
        ShopifyColumn.IMAGE_POSITION,
        ShopifyColumn.VARIANT_IMAGE,
    }
    | {value for _, value, _ in OPTIONS}
)
_SEPARATORS = re.compile(r"[\s_]+")
_METAFIELD = re.compile(r"(.*)\((product\.metafields\.[^\s.()]+\.[^\s()]+)\)")
_OF_PRODUCTS = re.compile(r"(?:google shopping /|seo )")


@dataclass(frozen=True, slots=True)
class ShopifyHeader:
    """What the columns of one feed mean.

    Args:
        names: The feed's own name of each column that it has.
        metafields: By the feed's name of a column that holds one: its key, ``product.metafields.shopify.fabric``, and
            what the shop calls it.
        of_products: The feed's names of columns that are filled on a product's first row alone.
        repeated: The feed's names of columns that mean the same as an earlier one.
    """

    names: Mapping[ShopifyColumn, str]
    metafields: Mapping[str, tuple[str, str]]
    of_products: frozenset[str]
    repeated: tuple[str, ...]


def match_shopify_columns(feed_names: Iterable[str]) -> ShopifyHeader:
    """Match names without regard to case and white space.

    >>> match_shopify_columns(["HANDLE", "Body  (html)", "Cost per item"]).names
    {<ShopifyColumn.HANDLE: 'url handle'>: 'HANDLE', <ShopifyColumn.DESCRIPTION: 'description'>: 'Body  (html)'}
    """
    names: dict[ShopifyColumn, str] = {}
    metafields: dict[str, tuple[str, str]] = {}
    of_products: set[str] = set()
    repeated: list[str] = []
    for feed_name in feed_names:
        name = _SEPARATORS.sub(" ", feed_name.strip().casefold())
        column = _BY_NAME.get(name)
        metafield = _METAFIELD.fullmatch(name)
        if metafield is not None:
            metafields[feed_name] = (metafield[2], metafield[1].strip())
        elif column in names:
            repeated.append(feed_name)
        elif column is not None:
            names[column] = feed_name
        if (
            metafield is not None
            or _OF_PRODUCTS.match(name)
            or (column is not None and column not in _OF_VARIANTS_AND_IMAGES)
        ):
            of_products.add(feed_name)
    return ShopifyHeader(names, metafields, frozenset(of_products), tuple(repeated))
