"""The fields of a Google Merchant Center feed, and how the names that a feed uses are matched to them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache


class GoogleField(StrEnum):
    """A field that Drape looks at, by Google's name."""

    ID = "id"
    TITLE = "title"
    DESCRIPTION = "description"
    LINK = "link"
    MOBILE_LINK = "mobile_link"
    IMAGE_LINK = "image_link"
    ADDITIONAL_IMAGE_LINK = "additional_image_link"
    AVAILABILITY = "availability"
    AVAILABILITY_DATE = "availability_date"
    PRICE = "price"
    SALE_PRICE = "sale_price"
    SALE_PRICE_EFFECTIVE_DATE = "sale_price_effective_date"
    GOOGLE_PRODUCT_CATEGORY = "google_product_category"
    PRODUCT_TYPE = "product_type"
    BRAND = "brand"
    GTIN = "gtin"
    MPN = "mpn"
    CONDITION = "condition"
    COLOR = "color"
    MATERIAL = "material"
    PATTERN = "pattern"
    SIZE = "size"
    SIZE_TYPE = "size_type"
    SIZE_SYSTEM = "size_system"
    GENDER = "gender"
    AGE_GROUP = "age_group"
    ITEM_GROUP_ID = "item_group_id"
    PRODUCT_DETAIL = "product_detail"
    PRODUCT_HIGHLIGHT = "product_highlight"
    CUSTOM_LABEL_0 = "custom_label_0"
    CUSTOM_LABEL_1 = "custom_label_1"
    CUSTOM_LABEL_2 = "custom_label_2"
    CUSTOM_LABEL_3 = "custom_label_3"
    CUSTOM_LABEL_4 = "custom_label_4"


CUSTOM_LABELS = tuple(field for field in GoogleField if field.startswith("custom_label_"))

REQUIRED_FIELDS = (GoogleField.ID, GoogleField.TITLE, GoogleField.IMAGE_LINK)
"""What a product of Drape cannot do without; Google asks for more."""

REPEATABLE_FIELDS = frozenset(
    {
        GoogleField.ADDITIONAL_IMAGE_LINK,
        GoogleField.PRODUCT_TYPE,
        GoogleField.PRODUCT_DETAIL,
        GoogleField.PRODUCT_HIGHLIGHT,
        GoogleField.SIZE_TYPE,
    }
)

# Google's older and other spellings of the same.
_OTHER_NAMES = {
    "colour": GoogleField.COLOR,
    "additional_image": GoogleField.ADDITIONAL_IMAGE_LINK,
    "additional_image_links": GoogleField.ADDITIONAL_IMAGE_LINK,
}
_BY_NAME = {field.value: field for field in GoogleField} | _OTHER_NAMES
_SEPARATORS = re.compile(r"[\s\-_]+")
_MAX_NAME_LENGTH = 100
_NUMBER = re.compile(r"_?[0-9]{1,3}\Z")


@dataclass(frozen=True, slots=True)
class FieldMatch:
    """Which of a feed's names mean which field.

    Args:
        names: The feed's names of each field that it has, in their order; more than one of repeatable fields only.
        unknown: The feed's names that mean no field, in their order.
        repeated: Other fields that more than one name means.
    """

    names: dict[GoogleField, tuple[str, ...]]
    unknown: tuple[str, ...]
    repeated: tuple[GoogleField, ...]


def field_of(name: str) -> GoogleField | None:
    """The field that a name means, without regard to case, with or without ``g:``, spaces or underscores between words.

    Repeatable fields may have a number after their name.

    >>> field_of("Image Link"), field_of("g:additional_image_link_2"), field_of("image_link_2")
    (<GoogleField.IMAGE_LINK: 'image_link'>, <GoogleField.ADDITIONAL_IMAGE_LINK: 'additional_image_link'>, None)
    """
    # Only short names are kept in the cache, whose size then is bounded.
    return _field_of(name) if len(name) <= _MAX_NAME_LENGTH else None


@lru_cache(maxsize=4096)
def _field_of(name: str) -> GoogleField | None:
    plain = _SEPARATORS.sub("_", name.strip().casefold().removeprefix("g:").strip())
    field = _BY_NAME.get(plain)
    if field is None:
        numbered = _BY_NAME.get(_NUMBER.sub("", plain))
        field = numbered if numbered in REPEATABLE_FIELDS else None
    return field


def match_fields(feed_names: Iterable[str]) -> FieldMatch:
    """Match a header's names, or those of one row."""
    names: dict[GoogleField, tuple[str, ...]] = {}
    unknown: list[str] = []
    repeated: list[GoogleField] = []
    for name in feed_names:
        field = field_of(name)
        if field is None:
            unknown.append(name)
        elif field in names and field not in REPEATABLE_FIELDS:
            repeated.append(field)
        else:
            names[field] = (*names.get(field, ()), name)
    return FieldMatch(names, tuple(unknown), tuple(repeated))
