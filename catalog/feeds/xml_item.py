"""One item of an XML feed, parsed by itself: its elements by name."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from functools import lru_cache
from html.entities import html5
from typing import NamedTuple
from xml.parsers import expat

from catalog.feeds.feed_row import ValueFault, shorten

MAX_DEPTH = 32
MAX_ATTRIBUTES = 100

_GOOGLE = re.compile(r"https?://base\.google\.com/ns/1\.0/?", re.IGNORECASE)
# With slack. Longer ones are no namespace of Google's, and are not kept in a cache.
_MAX_ADDRESS_LENGTH = 64
_ATOM = "http://www.w3.org/2005/Atom"
_PREDEFINED = frozenset({"amp", "lt", "gt", "quot", "apos"})
# Sections, in which an ampersand is one, and ampersands with what makes them references.
_REFERENCE = re.compile(
    r"<!\[CDATA\[.*?\]\]>|<!--.*?-->|&(?:(#[0-9]{1,7}|#x[0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{0,31});)?", re.DOTALL
)
_NAMESPACE = re.compile(rb"""\sxmlns(?::([\w.\-]+))?\s*=\s*(?:"([^"]*)"|'([^']*)')""")
_TEXTS = frozenset({"description", "summary", "content"})
"""What may hold HTML that was not escaped."""


class Mended(NamedTuple):
    """Text that a parser takes, and what had to be changed for it.

    Args:
        found: The first change, in words; empty where there was none.
    """

    text: str
    found: str
    expected: str


def declared_namespaces(tag: bytes) -> dict[str, str]:
    """The namespaces that a start tag declares, by prefix; the default's prefix is empty."""
    return {
        match[1].decode("utf-8", "replace") if match[1] else "": (match[2] or match[3] or b"").decode(
            "utf-8", "replace"
        )
        for match in _NAMESPACE.finditer(tag)
    }


def mend(text: str) -> Mended:
    """The text with bare ampersands escaped, and HTML's named characters in place of their names.

    No other name stands for anything: ``&name;`` becomes the text that it looks like.
    """
    if "&" not in text:
        return Mended(text, "", "")
    first: list[tuple[int, str]] = []

    def replace(match: re.Match[str]) -> str:
        if match[0][0] == "<":
            return match[0]
        name = match[1]
        if name is None:
            first.append((match.start(), "&amp; for an ampersand, also in addresses"))
            return "&amp;"
        if name[0] == "#" or name in _PREDEFINED:
            return match[0]
        first.append((match.start(), "the character itself, or a reference by its number, in place of a name of HTML"))
        characters = html5.get(f"{name};")
        if characters is None:
            return f"&amp;{name};"
        return "".join(f"&#{ord(character)};" for character in characters)

    mended = _REFERENCE.sub(replace, text)
    if not first:
        return Mended(text, "", "")
    at, expected = first[0]
    return Mended(mended, shorten(" ".join(text[max(0, at - 20) : at + 20].split())), expected)


def parse_item(text: str, namespaces: Mapping[str, str], line: int) -> dict[str, object]:
    """The values of an item by name: text, a list where there are several, or an object where elements are nested.

    Elements of Google's namespace and those without one go by their own name, Google's first; others by prefix and
    name. Of Atom's links the address counts.

    Args:
        text: The item's element alone.
        namespaces: Those declared outside of it, by prefix.
        line: Where it starts.

    Raises:
        ValueFault: it is not well-formed, or nested too deeply.
    """
    # Each piece has a parser of its own, which never sees a document type: it knows no entity but the five of XML,
    # so that none can grow, and none can name a file or an address. defusedxml guards parsers of whole documents.
    builder = _Builder()
    parser = expat.ParserCreate("utf-8")
    parser.buffer_text = True
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.add
    data = text.encode()
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        at = max(0, parser.ErrorByteIndex)
        near = data[max(0, at - 20) : at + 20].decode(errors="ignore")
        raise ValueFault(
            f"broken XML ({expat.ErrorString(error.code)} on line {line + error.lineno - 1}, near {shorten(near)})",
            "an item that is well-formed: each element ended, in the order in which they began",
        ) from None
    return _values_of(builder.root, namespaces)


class _Element:
    __slots__ = ("attributes", "name", "parts")

    def __init__(self, name: str, attributes: Mapping[str, str]) -> None:
        self.name = name
        self.attributes = attributes
        self.parts: list[str | _Element] = []

    @property
    def children(self) -> list[_Element]:
        return [part for part in self.parts if isinstance(part, _Element)]


class _Builder:
    def __init__(self) -> None:
        self.root = _Element("", {})
        self._open = [self.root]

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if len(self._open) > MAX_DEPTH:
            raise ValueFault(f"elements nested more than {MAX_DEPTH} deep", "an item of fields")
        if len(attributes) > MAX_ATTRIBUTES:
            raise ValueFault(f"an element {shorten(name)} with {len(attributes)} attributes", "elements with few")
        element = _Element(name, attributes)
        self._open[-1].parts.append(element)
        self._open.append(element)

    def end(self, _name: str) -> None:
        self._open.pop()

    def add(self, text: str) -> None:
        self._open[-1].parts.append(text)


def _values_of(document: _Element, outer: Mapping[str, str]) -> dict[str, object]:
    (item,) = document.children
    namespaces = dict(outer)
    _declare(item, namespaces)
    found: dict[str, object] = {}
    plain: dict[str, object] = {}
    for child in item.children:
        is_googles, name = _name_of(child, namespaces)
        _put(found if is_googles else plain, name, _value_of(child, name))
    prefix = "atom" if item.name.rpartition(":")[2] == "entry" else "rss"
    for name in ("summary", "content"):
        if prefix == "atom" and name in plain and "description" not in plain:
            plain["description"] = plain.pop(name)
    for name, value in plain.items():
        found[f"{prefix}:{name}" if name in found else name] = value
    return found


def _declare(element: _Element, namespaces: dict[str, str]) -> None:
    for name, value in element.attributes.items():
        if name == "xmlns" or name.startswith("xmlns:"):
            namespaces[name[6:]] = value


def _name_of(element: _Element, namespaces: Mapping[str, str]) -> tuple[bool, str]:
    """Whether an element is Google's, and what it is called."""
    if element.attributes and any(name.startswith("xmlns") for name in element.attributes):
        own = dict(namespaces)
        _declare(element, own)
        namespaces = own
    prefix, _, name = element.name.rpartition(":")
    address = namespaces.get(prefix, "")
    # Some shops leave the declaration out.
    if (len(address) <= _MAX_ADDRESS_LENGTH and _is_googles(address)) or (prefix == "g" and not address):
        return True, name
    if not prefix or address == _ATOM:
        relation = element.attributes.get("rel", "alternate")
        if name == "link" and relation != "alternate":
            return False, f"link {relation}"
        return False, name
    return False, element.name


@lru_cache(maxsize=256)
def _is_googles(address: str) -> bool:
    return _GOOGLE.fullmatch(address) is not None


def _value_of(element: _Element, name: str) -> object:
    children = element.children
    if not children:
        text = "".join(part for part in element.parts if isinstance(part, str))
        return text if text.strip() else element.attributes.get("href", "")
    if name in _TEXTS:
        return _markup_of(element)
    nested: dict[str, object] = {}
    for child in children:
        own_name = child.name.rpartition(":")[2]
        _put(nested, own_name, _value_of(child, own_name))
    return nested


def _markup_of(element: _Element) -> str:
    """What an element holds, as it would stand had it been escaped; not deeper than ``MAX_DEPTH``."""
    return "".join(
        html.escape(part, quote=False) if isinstance(part, str) else f"<{part.name}>{_markup_of(part)}</{part.name}>"
        for part in element.parts
    )


def _put(values: dict[str, object], name: str, value: object) -> None:
    earlier = values.get(name)
    if earlier is None:
        values[name] = value
    elif isinstance(earlier, list):
        earlier.append(value)
    else:
        values[name] = [earlier, value]
