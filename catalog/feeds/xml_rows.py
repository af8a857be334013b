"""Rows of XML feeds: the items of RSS, the entries of Atom."""

from __future__ import annotations

import codecs
import itertools
import re
from collections.abc import Iterator
from pathlib import Path

from catalog.errors import FeedUnreadable
from catalog.feeds.delimited_rows import list_names
from catalog.feeds.dialects.google_fields import GoogleField, field_of
from catalog.feeds.encodings import BadText, EncodedText, Encoding
from catalog.feeds.feed_row import FeedRow, ValueFault, shorten
from catalog.feeds.peeked_stream import PeekedStream
from catalog.feeds.values import parse_id
from catalog.feeds.xml_item import declared_namespaces, mend, parse_item
from catalog.feeds.xml_pieces import Piece, XmlPieces, no_items
from catalog.types import Outcome, RowError

_DECLARED = re.compile(rb"""\A(?:\xef\xbb\xbf)?\s*<\?xml\s[^>]*?\bencoding\s*=\s*["']([A-Za-z0-9._:\-]+)["']""")
# As everywhere on the web, Windows-1252 is what they call ISO-8859-1, which it only adds to.
_WINDOWS_1252 = frozenset({"iso8859-1", "cp1252"})
_OTHERS = frozenset({"utf-8", "ascii", "utf-16", "utf-16-le", "utf-16-be"})
_ID = re.compile(rb"<(?:g:)?id>([\x20-%'-;=-~]{1,255})</(?:g:)?id>")
_LINE_END = re.compile(rb"(?<=\n)|(?<=\r)(?!\n)")
_FEEDS = frozenset({b"rss", b"feed", b"rdf", b"channel"})
_OF_ANY_FEED = frozenset({GoogleField.ID, GoogleField.TITLE, GoogleField.LINK, GoogleField.DESCRIPTION, None})


class XmlRows:
    """The items of a feed, one after the other; a broken one is an error, and reading goes on with the next.

    Raises:
        FeedUnreadable: the feed is in an encoding that is not read, declares entities, is an HTML page, has no items,
            or has items that evidently are no products.
    """

    def __init__(self, path: Path, stream: PeekedStream, max_row_bytes: int) -> None:
        self._path = path
        self._declared_name, declared = _declared_encoding(path, stream.head)
        self._text = EncodedText(stream, declared)
        self._is_declared = declared is not None
        self._pieces = XmlPieces(path, self._text, max_row_bytes)
        self._iterator = iter(self._pieces)
        self._first = next(self._iterator, None)
        self._namespaces: dict[str, str] = {}
        for tag in self._pieces.tags:
            self._namespaces.update(declared_namespaces(tag))
        if self._first is None:
            if self._pieces.root.rpartition(b":")[2].lower() not in _FEEDS:
                raise no_items(path, self._pieces.root)
        else:
            self._check_fields(self._first)

    @property
    def position(self) -> int:
        """Bytes of the stream, or of a stream in UTF-16 as UTF-8, that have been read as rows; never decreases."""
        return self._pieces.position

    @property
    def encoding(self) -> Encoding:
        """That of the rows read so far."""
        return self._text.encoding

    @property
    def encoding_notes(self) -> tuple[str, ...] | None:
        """What is to be told of the encoding where the feed names one; None where it does not."""
        if not self._is_declared:
            return None
        if self._text.is_not_as_declared:
            return (f"The feed says that it is in {self._declared_name} and was read as UTF-8.",)
        return ()

    def rows(self) -> Iterator[FeedRow | RowError]:
        """The rows; what had to be mended in one comes before it.

        Raises:
            FeedUnreadable: after the last row, where the feed ends before its end.
        """
        if self._first is None:
            return
        line, place = 0, 0
        for piece in itertools.chain([self._first], self._iterator):
            line, place = piece.line, place + 1 if piece.line == line else 0
            try:
                yield from self._row_of(piece, place)
            except ValueFault as fault:
                yield RowError(line, None, fault.found, fault.expected, _readable_id(piece), place=place)

    def _row_of(self, piece: Piece, place: int) -> Iterator[FeedRow | RowError]:
        if piece.found:
            start = shorten(self._text.excerpt(piece.data).strip()[:60])
            raise ValueFault(f"{piece.found}, in {start}", piece.expected)
        text, bad_text = self._text.decode(piece.data, piece.line)
        if bad_text is not None:
            raise ValueFault(*self._located(piece, bad_text))
        mended = mend(text)
        values = parse_item(mended.text, self._namespaces, piece.line)
        if mended.found:
            yield RowError(piece.line, None, mended.found, mended.expected, outcome=Outcome.MENDED, place=place)
        yield FeedRow(piece.line, values, None, is_suspect=False, place=place)

    def _located(self, piece: Piece, bad_text: BadText) -> BadText:
        """The place within its own line, of those that the piece has."""
        for number, line in enumerate(_LINE_END.split(piece.data)):
            _, found = self._text.decode(line, piece.line + number)
            if found is not None:
                return found
        return bad_text

    def _check_fields(self, first: Piece) -> None:
        """Check that the first item, if it can be read, has any field of Google's."""
        if first.found:
            return
        text, bad_text = self._text.decode(first.data, first.line)
        if bad_text is not None:
            return
        try:
            values = parse_item(mend(text).text, self._namespaces, first.line)
        except ValueFault:
            return
        if {field_of(name) for name in values} <= _OF_ANY_FEED:
            row = self._pieces.row_name.decode("ascii", "backslashreplace")
            raise FeedUnreadable(
                f"The feed {self._path} is no Google Merchant Center feed.",
                received=f"{list_names(list(values))} in its first <{row}>, on line {first.line}",
                expected="g:id, g:title and g:image_link, of the namespace http://base.google.com/ns/1.0",
                remedy="Export the feed for Google Merchant Center; feeds of news or blogs have no products.",
            )


def _readable_id(piece: Piece) -> str | None:
    """The id of a broken item, which is its product's where the item is of no group."""
    match = _ID.search(piece.data)
    if match is None or b"item_group_id" in piece.data:
        return None
    try:
        return parse_id(match[1].decode("ascii"))
    except ValueFault:
        return None


def _declared_encoding(path: Path, head: bytes) -> tuple[str, Encoding | None]:
    """What the XML declaration says; None for those that are known by their bytes."""
    is_marked = head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    if b"\x00" in head and (not is_marked or head.startswith(codecs.BOM_UTF32_LE)):
        raise FeedUnreadable(
            f"The feed {path} is not text in UTF-8.",
            received="UTF-32, UTF-16 without a byte order mark, or NUL bytes",
            expected="XML in UTF-8, UTF-16 with its byte order mark, ISO-8859-1 or Windows-1252",
            remedy="Save the feed as UTF-8.",
        )
    match = _DECLARED.match(head)
    if match is None:
        return "", None
    name = match[1].decode("ascii")
    try:
        known = codecs.lookup(name).name
    except LookupError:
        known = name
    if known in _WINDOWS_1252:
        return name, Encoding.WINDOWS_1252
    if known not in _OTHERS:
        raise FeedUnreadable(
            f"The feed {path} is in an encoding that is not read.",
            received=f"encoding={name}",
            expected="XML in UTF-8, UTF-16, ISO-8859-1 or Windows-1252",
            remedy="Export the feed as UTF-8.",
        )
    return name, None
