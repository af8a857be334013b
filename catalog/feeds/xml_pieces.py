"""From the bytes of an XML feed to the pieces that hold one item each, without parsing the whole.

A parser of the whole document would end at its first fault, which in feeds of shops is soon. Cut into pieces, a broken
item costs itself alone. Entities can be declared at the start of a document only, which is never parsed: a declaration
is refused there, and no parser of a piece can ever know one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from catalog.errors import FeedUnreadable
from catalog.feeds.encodings import ByteStream

_CHUNK_BYTES = 1 << 17
_HEAD_BYTES = 200
# Longer than any markup that is searched for, so that one which a chunk cuts is found with the next chunk.
_MARGIN = 128
_MAX_TAG_BYTES = 1 << 16
_MAX_START_BYTES = 1 << 22
"""How far into a document of an unknown kind its first item is looked for."""

_NAME = rb"[A-Za-z_:\x80-\xff][\w.:\-\x80-\xff]{0,100}"
_OUTSIDE = re.compile(rb"<!--|<!\[CDATA\[|<\?|<!|<(/?)(" + _NAME + rb")")
_ENDS = {b"<!--": b"-->", b"<![CDATA[": b"]]>", b"<?": b"?>"}
_SECTIONS = {b"<!--": "a comment", b"<![CDATA[": "a CDATA section"}
_ROW_NAMES = frozenset({b"item", b"entry"})
_ROOTS = frozenset({b"rss", b"feed", b"rdf", b"channel"})
_HTML = frozenset({b"html", b"head", b"body"})


class Piece(NamedTuple):
    """One item of the feed, as it stands there.

    Args:
        line: 1-based number of the line on which it starts.
        data: From its start tag to its end tag; of one with a fault at least its start.
        size: How many bytes it has.
        found: What is wrong with it as a whole, if anything is.
        expected: What would have been right.
    """

    line: int
    data: bytes
    size: int
    found: str = ""
    expected: str = ""


class XmlPieces:
    """The items (RSS) or entries (Atom) of a feed, in memory bounded by the longest that is allowed.

    Attributes:
        root: The name of the document's outermost element; empty until it has been read.
        tags: The start tags before the first item, which declare namespaces.
        row_name: What its items are called; empty until the first has been read.
        position: Bytes of the stream before what has been handed out; never decreases.
    """

    def __init__(self, path: Path, stream: ByteStream, max_row_bytes: int) -> None:
        self.root = b""
        self.tags: list[bytes] = []
        self.row_name = b""
        self._path = path
        self._stream = stream
        self._max_row_bytes = max_row_bytes
        self._held = b""
        self._at = 0
        self._num_dropped = 0
        self._line = 1
        self._ends_in_return = False
        self._at_end = False
        self._is_whole = False
        self._open: tuple[str, int] | None = None
        self._searched: dict[bytes, re.Pattern[bytes]] = {}

    @property
    def position(self) -> int:
        """As the class says."""
        return self._num_dropped + self._at

    def __iter__(self) -> Iterator[Piece]:
        """The pieces.

        Raises:
            FeedUnreadable: the document declares entities, is an HTML page, or has no items; after the last piece,
                where the document ends before its end.
        """
        while (match := self._next_markup()) is not None:
            kind = match[0]
            if kind in _ENDS:
                self._skip_section(kind)
            elif kind == b"<!":
                self._skip_declaration()
            elif match[1]:
                yield from self._end_tag(match[2])
            elif self._is_row(match[2]):
                self.row_name = match[2]
                yield self._take_item()
            else:
                self._start_tag(match[2])
        if not self._is_whole:
            raise self._ends_too_early()

    def _is_row(self, name: bytes) -> bool:
        return name == self.row_name if self.row_name else _local(name) in _ROW_NAMES

    def _next_markup(self) -> re.Match[bytes] | None:
        """The next markup outside of items, to whose start is advanced; None at the end."""
        while True:
            match = _OUTSIDE.search(self._held, self._at)
            if match is not None and (self._at_end or match.end() < len(self._held) - _MARGIN):
                self._advance(match.start())
                return match
            self._advance(max(self._at, len(self._held) - _MARGIN) if match is None else match.start())
            self._check_start()
            if not self._fill():
                # What was held back as the start of some markup is all there is.
                match = _OUTSIDE.search(self._held, self._at)
                self._advance(len(self._held) if match is None else match.start())
                return match

    def _skip_section(self, kind: bytes) -> None:
        line, end = self._line, _ENDS[kind]
        self._advance(self._at + len(kind))
        while (found := self._held.find(end, self._at)) < 0:
            self._advance(max(self._at, len(self._held) - len(end)))
            if not self._fill():
                self._open = (_SECTIONS.get(kind, "a processing instruction"), line)
                self._advance(len(self._held))
                return
        self._advance(found + len(end))

    def _skip_declaration(self) -> None:
        """A document type without declarations of its own says nothing; what it names is never fetched."""
        declaration = self._tag()
        words = declaration[2:].split(None, 2)
        if declaration[2:9].upper() == b"DOCTYPE" and words[1:2] and words[1][:4].lower() == b"html":
            raise self._is_html()
        if b"[" in declaration or declaration[2:9].upper() != b"DOCTYPE" or not declaration.endswith(b">"):
            raise FeedUnreadable(
                f"The feed {self._path} declares entities or other rules of its own, which are not followed.",
                received=f"{_shown(declaration)} on line {self._line}",
                expected="RSS or Atom without a document type declaration",
                remedy="Leave out everything from <!DOCTYPE to the > that ends it, and write texts as they are.",
            )
        self._advance(self._at + len(declaration))

    def _end_tag(self, name: bytes) -> Iterator[Piece]:
        line = self._line
        tag = self._tag()
        self._advance(self._at + len(tag))
        if name == self.root:
            self._is_whole = True
        elif name == self.row_name:
            yield Piece(
                line, tag, len(tag), f"an end tag {_shown(tag)} without its start", f"<{_text(name)}> before an item"
            )

    def _start_tag(self, name: bytes) -> None:
        tag = self._tag()
        if not self.root:
            self.root = name
            if _local(name) in _HTML:
                raise self._is_html()
            self._is_whole = tag.endswith(b"/>")
        if not self.row_name and len(self.tags) < _MARGIN and b"xmlns" in tag:
            self.tags.append(tag)
        self._advance(self._at + len(tag))

    def _tag(self) -> bytes:
        """The tag that starts here, up to its end or to where it is too long for one."""
        while (end := self._held.find(b">", self._at, self._at + _MAX_TAG_BYTES)) < 0:
            if len(self._held) - self._at >= _MAX_TAG_BYTES or not self._fill():
                return self._held[self._at : self._at + _MAX_TAG_BYTES]
        return self._held[self._at : end + 1]

    def _take_item(self) -> Piece:
        """The item that starts here; reading goes on after it, or with the next item's start within it."""
        if not self.root:
            # A document of one item.
            self.root, self._is_whole = self.row_name, True
        line, head, num_dropped, section = self._line, b"", 0, b""
        tag = self._tag()
        if tag.endswith(b"/>"):
            self._advance(self._at + len(tag))
            return Piece(line, tag, len(tag))
        scanned = len(self.row_name) + 1
        while True:
            match = self._pattern(section).search(self._held, self._at + scanned)
            if match is None:
                scanned = max(scanned, len(self._held) - self._at - _MARGIN)
                if num_dropped + scanned > self._max_row_bytes:
                    head = head or self._held[self._at : self._at + _HEAD_BYTES]
                    num_dropped += scanned
                    self._advance(self._at + scanned)
                    scanned = 0
                if not self._fill():
                    return self._cut_item(line, head, num_dropped, section)
                continue
            starts, scanned = match.start() - self._at, match.end() - self._at
            if match[0] in _SECTIONS:
                section = match[0]
            elif not section:
                break
            elif match[0] == _ENDS[section]:
                section = b""
            elif section_end := self._find_section_end(section, scanned):
                section, scanned = b"", section_end
            else:
                break
        is_ended = match[0].startswith(b"</")
        end = self._at + (scanned if is_ended else starts)
        data, size = head or self._held[self._at : end], num_dropped + end - self._at
        self._advance(end)
        if not is_ended:
            what = f"{_SECTIONS[section]} that has not ended" if section else "no end tag"
            found = f"{what} before the next <{_text(self.row_name)}>, on line {self._line}"
            return Piece(
                line, data[: self._max_row_bytes], size, found, f"</{_text(self.row_name)}> at the end of an item"
            )
        if size > self._max_row_bytes:
            limit = f"at most {self._max_row_bytes:,} bytes in a row"
            return Piece(line, data[:_HEAD_BYTES], size, f"an item of {size:,} bytes", limit)
        return Piece(line, data, size)

    def _find_section_end(self, section: bytes, scanned: int) -> int:
        """How far from here a section ends in which an item seems to start; 0 where the section has no end.

        It is text where the section ends before another one like it starts, which a section that somebody forgot to end
        swallows. What is looked through is either left, or the item ends here: no bytes are looked through again.
        """
        pattern = re.compile(re.escape(_ENDS[section]) + b"|" + re.escape(section))
        start = scanned
        while (match := pattern.search(self._held, self._at + start)) is None:
            start = max(start, len(self._held) - self._at - _MARGIN)
            if start - scanned > self._max_row_bytes or not self._fill():
                return 0
        return match.end() - self._at if match[0] == _ENDS[section] else 0

    def _cut_item(self, line: int, head: bytes, num_dropped: int, section: bytes) -> Piece:
        size = num_dropped + len(self._held) - self._at
        head = head or self._held[self._at : self._at + _HEAD_BYTES]
        self._advance(len(self._held))
        self._is_whole = False
        row = f"<{_text(self.row_name)}>"
        self._open = (row, line)
        what = f"{_SECTIONS[section]} in an item" if section else "an item"
        expected = f"</{_text(self.row_name)}> at the end of an item"
        return Piece(line, head, size, f"{what} that has not ended at the end of the feed", expected)

    def _pattern(self, section: bytes) -> re.Pattern[bytes]:
        """What is looked for in an item, or in a section of it, where the next item's start may be a fault, too."""
        pattern = self._searched.get(section)
        if pattern is None:
            name = re.escape(self.row_name)
            inside = re.escape(_ENDS[section]) if section else rb"<!--|<!\[CDATA\[|</" + name + rb"\s{0,64}>"
            pattern = self._searched[section] = re.compile(inside + rb"|<" + name + rb"(?=[\s/>])")
        return pattern

    def _advance(self, to: int) -> None:
        """Leave what stands before a place in ``_held``, with the lines that end there."""
        if to <= self._at:
            return
        held, at = self._held, self._at
        returns = held.count(b"\r", at, to)
        self._line += held.count(b"\n", at, to)
        if returns:
            self._line += returns - held.count(b"\r\n", at, to)
        if self._ends_in_return and held[at] == ord("\n"):
            # The return that ended what was left before is one line end with this.
            self._line -= 1
        self._ends_in_return = held[to - 1] == ord("\r")
        self._at = to

    def _fill(self) -> bool:
        """Hold more of the stream; False where it has ended."""
        if self._at_end:
            return False
        data = self._stream.read(_CHUNK_BYTES)
        self._at_end = not data
        self._num_dropped += self._at
        self._held, self._at = self._held[self._at :] + data, 0
        return not self._at_end

    def _check_start(self) -> None:
        if not self.row_name and _local(self.root) not in _ROOTS and self.position > _MAX_START_BYTES:
            raise no_items(self._path, self.root)

    def _is_html(self) -> FeedUnreadable:
        return FeedUnreadable(
            f"The feed {self._path} is not a feed.",
            received="an HTML page",
            expected="RSS or Atom of a Google Merchant Center feed",
            remedy="Look at the file: it may be a login page or an error page that was saved in place of the feed.",
        )

    def _ends_too_early(self) -> FeedUnreadable:
        what = "the document" if self._open is None else f"{self._open[0]} that starts on line {self._open[1]}"
        return FeedUnreadable(
            f"The feed {self._path} is not complete.",
            received=f"an end of the file, on line {self._line}, within {what}",
            expected=f"</{_text(self.root)}> at its end" if self.root else "an element",
            remedy="Export or copy it again.",
        )


def no_items(path: Path, root: bytes) -> FeedUnreadable:
    """XML that is something else than a feed of items."""
    return FeedUnreadable(
        f"The feed {path} is XML without items.",
        received=f"a document <{_text(root)}> without <item> or <entry>" if root else "no element",
        expected="RSS with <item> elements or Atom with <entry> elements, as Google Merchant Center takes them",
    )


def _local(name: bytes) -> bytes:
    """A name without its prefix, in lower case."""
    return name.rpartition(b":")[2].lower()


def _text(name: bytes) -> str:
    return name.decode("ascii", errors="backslashreplace")


def _shown(data: bytes) -> str:
    text = " ".join(data.decode("ascii", errors="replace").split())
    return text if len(text) <= 60 else f"{text[:60]}…"
