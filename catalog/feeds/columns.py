"""The feed's columns, and how the names that a feed uses are matched to them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Column(StrEnum):
    """A column that Drape understands, by its name in the feed."""

    ID = "id"
    TITLE = "title"
    DESCRIPTION = "description"
    CATEGORY = "category"
    ATTRIBUTES = "attributes"
    PRICE = "price"
    AVAILABILITY = "availability"
    LINK = "link"
    IMAGE = "image"
    ADDITIONAL_IMAGES = "additional_images"
    ITEM_GROUP_ID = "item_group_id"
    IMAGE_BOX = "image_box"


REQUIRED_COLUMNS = (Column.ID, Column.TITLE, Column.IMAGE)

_BY_NAME = {column.value: column for column in Column}
_SEPARATORS = re.compile(r"[\s\-_]+")


@dataclass(frozen=True, slots=True)
class ColumnMatch:
    """Which of a feed's names mean which column.

    Args:
        names: The feed's own name of each column that it has.
        unknown: The feed's names that mean no column, in their order.
        repeated: Columns that more than one of the feed's names mean.
    """

    names: dict[Column, str]
    unknown: tuple[str, ...]
    repeated: tuple[Column, ...]


def match_columns(feed_names: Iterable[str]) -> ColumnMatch:
    """Match names without regard to case, surrounding space, and space or hyphen in place of underscore.

    >>> match_columns(["ID", "Item Group-ID", "brand"]).names
    {<Column.ID: 'id'>: 'ID', <Column.ITEM_GROUP_ID: 'item_group_id'>: 'Item Group-ID'}
    """
    names: dict[Column, str] = {}
    unknown: list[str] = []
    repeated: list[Column] = []
    for feed_name in feed_names:
        column = _BY_NAME.get(_SEPARATORS.sub("_", feed_name.strip().casefold()))
        if column is None:
            unknown.append(feed_name)
        elif column in names:
            repeated.append(column)
        else:
            names[column] = feed_name
    return ColumnMatch(names, tuple(unknown), tuple(repeated))
