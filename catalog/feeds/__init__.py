"""Reading product feeds: bytes in, product records and row errors out. No database.

The feed is CSV (``,`` or ``;``), TSV or JSON Lines, one product per row, in UTF-8 with or without byte order mark, in
UTF-16 with it, or in Windows-1252. It may be packed in gzip, or in a ZIP archive that holds no other feed.

=================  ========  ===========================================================================================
column             required  value
=================  ========  ===========================================================================================
id                 yes       the merchant's id, unique in the feed, at most 255 printable characters
title              yes       at most 1,000 characters
image              yes       path of the main image, relative to the feed's folder (or absolute, where that is allowed)
description        no        at most 100,000 characters
category           no        path from the general to the special: ``Women > Dresses``
attributes         no        ``color=red; pattern=striped; lace``, separated by ``;`` or ``|``
price              no        amount and ISO 4217 currency: ``49.90 EUR``; at most 4 decimals, at most 2^31
availability       no        ``in stock`` (the default), ``out of stock``, ``preorder`` or ``backorder``
link               no        the product's http or https page
additional_images  no        more image paths, separated by ``;``
item_group_id      no        what variants of one item share
image_box          no        the item's box in the main image, in pixels: ``left,top,right,bottom``
=================  ========  ===========================================================================================

Names of columns are compared without case; spaces and hyphens count as underscores. Columns of other names are kept
in ``ProductRecord.raw``. In JSON Lines a value may also be a list where several are meant (category levels,
attributes, additional images, the four numbers of a box), and attributes may be an object
``{"color": "red", "tag": ["lace", "maxi"]}``; null is the same as a column that is not there.

What other systems export is read in their own words: ``catalog.feeds.dialects``. A folder of images is a feed,
too: ``catalog.feeds.folder_rows``.
"""

from catalog.feeds.columns import Column
from catalog.feeds.dialects import ReadingOptions, reading_options
from catalog.feeds.encodings import Encoding
from catalog.feeds.error_file import RowErrorWriter, is_error_file, write_errors
from catalog.feeds.feed_writer import write_feed
from catalog.feeds.folder_walk import is_folder
from catalog.feeds.image_paths import ImageFileMissing, ImagePathRefused, resolve_image_path
from catalog.feeds.layout import FeedFormat, FeedLayout
from catalog.feeds.reader import FeedReader, open_feed, read_feed

__all__ = [
    "Column",
    "Encoding",
    "FeedFormat",
    "FeedLayout",
    "FeedReader",
    "ImageFileMissing",
    "ImagePathRefused",
    "ReadingOptions",
    "RowErrorWriter",
    "is_error_file",
    "is_folder",
    "open_feed",
    "read_feed",
    "reading_options",
    "resolve_image_path",
    "write_errors",
    "write_feed",
]
