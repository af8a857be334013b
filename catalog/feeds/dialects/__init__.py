"""The dialects of feeds: each makes the same product records of what shops write in their own ways."""

from catalog.feeds.dialects.dialect import Dialect, DialectReader, ReadingOptions, reading_options
from catalog.feeds.dialects.google import GoogleDialect
from catalog.feeds.dialects.own import OwnDialect
from catalog.feeds.dialects.shopify import ShopifyDialect
from catalog.feeds.dialects.vision import VisionDialect

DIALECTS: tuple[Dialect, ...] = (OwnDialect(), GoogleDialect(), ShopifyDialect(), VisionDialect())
"""Where a header fits two equally well, the first of them."""

__all__ = ["DIALECTS", "Dialect", "DialectReader", "ReadingOptions", "reading_options"]
