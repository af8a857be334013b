"""One row of a feed as it was written, before its values are looked at; and text that no database can hold."""

from __future__ import annotations

import re
import reprlib
from collections.abc import Mapping
from typing import NamedTuple

from catalog.feeds.encodings import BadText

_SURROGATES = re.compile("[\ud800-\udfff]")
_NOT_STORABLE = re.compile("[\x00\ud800-\udfff]")
_ESCAPED_BYTES = range(0xDC80, 0xDD00)
_MAX_DEPTH = 16

_short = reprlib.Repr()
_short.maxstring = _short.maxother = _short.maxlong = 80
_short.maxlevel = 2


class FeedRow(NamedTuple):
    """A row with its values by the feed's own names.

    Args:
        line: 1-based number of the line on which the row starts.
        raw: Text by name (CSV, TSV), or text, objects of nested elements and lists of these by name (XML), or any
            JSON value by name (JSON Lines). Undecodable bytes are there as the lone surrogates that
            ``errors="surrogateescape"`` makes of them.
        bad_text: The first place in the row that is not of the feed's encoding.
        is_suspect: Whether the text may hold NUL or lone surrogates and must be searched for them.
        place: Which of the rows that start on the line it is, from 0.
    """

    line: int
    raw: Mapping[str, object]
    bad_text: BadText | None
    is_suspect: bool
    place: int = 0


class ValueFault(Exception):
    """A value that cannot be taken.

    Args:
        found: What stood there, shortened.
        expected: What would have been right.
    """

    def __init__(self, found: str, expected: str) -> None:
        super().__init__(found, expected)
        self.found = found
        self.expected = expected


def shorten(value: object) -> str:
    """The value as Python would write it, in at most about 80 characters, with control characters escaped.

    >>> shorten("a" * 100)
    "'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa...aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'"
    """
    return _short.repr(value)


def check_storable(value: object, bad_text: BadText | None, *, is_suspect: bool) -> None:
    """Check that JSONB can hold the value: no NUL, no lone surrogates, not nested too deeply.

    Args:
        is_suspect: Look into the texts too; without it only the nesting of lists and objects is checked.

    Raises:
        ValueFault: it cannot be stored.
    """
    # A stack of its own instead of recursion: the nesting is the input's, and may be deeper than Python's stack.
    left: list[tuple[object, int]] = [(value, 0)]
    while left:
        item, depth = left.pop()
        if isinstance(item, str):
            if is_suspect:
                _check_text(item, bad_text)
        elif isinstance(item, list | dict):
            if depth == _MAX_DEPTH:
                raise ValueFault(
                    f"values nested more than {_MAX_DEPTH} deep", f"lists and objects nested at most {_MAX_DEPTH} deep"
                )
            if isinstance(item, dict):
                left.extend((key, depth + 1) for key in item)
                left.extend((inner, depth + 1) for inner in item.values())
            else:
                left.extend((inner, depth + 1) for inner in item)


def _check_text(text: str, bad_text: BadText | None) -> None:
    match = _NOT_STORABLE.search(text)
    if match is None:
        return
    around = text[max(0, match.start() - 20) : match.start() + 20]
    excerpt = shorten(_SURROGATES.sub("\N{REPLACEMENT CHARACTER}", around))
    if match[0] == "\x00":
        raise ValueFault(f"a NUL character in {excerpt}", "text without NUL characters")
    if bad_text is not None and ord(match[0]) in _ESCAPED_BYTES:
        raise ValueFault(f"{bad_text.found}, in {excerpt}", bad_text.expected)
    raise ValueFault(f"half of a surrogate pair in {excerpt}", "whole Unicode characters")
