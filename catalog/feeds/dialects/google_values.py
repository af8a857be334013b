"""The values of Google's fields that are written in Google's own way.

Every function raises ``ValueFault`` for what it cannot take.
"""

from __future__ import annotations

import datetime
import html
import re
from collections.abc import Sequence

from catalog.feeds import values
from catalog.feeds.feed_row import ValueFault, shorten
from catalog.html_text import html_to_text
from catalog.types import Availability

_WORD_SEPARATORS = re.compile(r"[\s_\-]+")
_OLD_AVAILABILITY = {
    "availablefororder": Availability.IN_STOCK,
    "available": Availability.IN_STOCK,
    "limitedavailability": Availability.IN_STOCK,
    "instoreonly": Availability.IN_STOCK,
    "onlineonly": Availability.IN_STOCK,
    "presale": Availability.PREORDER,
    "unavailable": Availability.OUT_OF_STOCK,
    "soldout": Availability.OUT_OF_STOCK,
    "discontinued": Availability.OUT_OF_STOCK,
}
_SCHEMA = re.compile(r"https?://schema\.org/", re.IGNORECASE)
# An address may hold commas: only one before the next address surely separates two.
_BETWEEN_ADDRESSES = re.compile(r"\s*,\s*(?=https?://)", re.IGNORECASE)
_QUOTED_LIST = re.compile(r'\s*"[^"]*"(?:\s*,\s*"[^"]*")*\s*')
_QUOTED = re.compile(r'"([^"]*)"')
# Before the next detail stand its section, which may be empty, its name and its value.
_BETWEEN_DETAILS = re.compile(r",(?=[^,:]*:[^,:]+:)")
_SCIENTIFIC = re.compile(r"[0-9](?:[.,][0-9]+)?E\+?[0-9]+", re.IGNORECASE)
_DIGITS = re.compile(r"[0-9]+")


def parse_old_availability(value: object) -> Availability | None:
    """What words mean that are none of Google's, or none any more; None where nobody can know.

    >>> parse_old_availability("Available for order")
    <Availability.IN_STOCK: 'in_stock'>
    """
    if not isinstance(value, str):
        return None
    word = _WORD_SEPARATORS.sub("", _SCHEMA.sub("", value.strip())).casefold()
    found = _OLD_AVAILABILITY.get(word)
    if found is None:
        found = next((known for known in Availability if known.replace("_", "") == word), None)
    return found


def parse_description(value: object) -> str:
    """The text of a description that may be HTML, one line for each block of it."""
    text = values.parse_description(value)
    if "<" not in text and "&" not in text:
        return text
    lines = (" ".join(line.split()) for line in html_to_text(text).splitlines())
    return values.parse_description("\n".join(line for line in lines if line))


def parse_category_path(value: object) -> tuple[str, ...]:
    """The levels of a path; none of Google's number of a category, which is no name."""
    if isinstance(value, str):
        if value.strip().isdecimal():
            return ()
        value = html.unescape(value)
    return values.parse_category(value)


def split_image_links(text: str) -> list[str]:
    """The addresses of one value: those of a quoted list, or with commas right before the next address.

    >>> split_image_links("https://a.example/7,w_90/1.jpg, https://a.example/2.jpg")
    ['https://a.example/7,w_90/1.jpg', 'https://a.example/2.jpg']
    """
    parts = _QUOTED.findall(text) if _QUOTED_LIST.fullmatch(text) else _BETWEEN_ADDRESSES.split(text)
    return [link for part in parts if (link := part.strip().rstrip(",").rstrip())]


def split_slashes(text: str) -> list[str]:
    """The single values of ``Red/White``."""
    return [part for whole in text.split("/") if (part := whole.strip())]


def split_details(text: str) -> list[tuple[str, str]]:
    """Name and value of each detail of ``Section:Name:Value,Section:Name:Value``.

    >>> split_details("General:Neckline:V-neck, deep,Care:Wash:30:cold")
    [('Neckline', 'V-neck, deep'), ('Wash', '30:cold')]
    """
    details = []
    for part in _BETWEEN_DETAILS.split(text):
        pieces = part.split(":", 2)
        if len(pieces) < 3:
            raise ValueFault(shorten(part), "section:name:value, with commas between details")
        details.append((pieces[1].strip(), pieces[2].strip()))
    return details


def parse_moment(value: object) -> datetime.datetime:
    """A moment in ISO 8601; without an offset it is UTC, without a time the day's start."""
    return _moment(str(value).strip(), datetime.time.min)


def parse_period(value: object) -> tuple[datetime.datetime, datetime.datetime]:
    """Start and end of ``start/end``; an end without a time is the end of its day."""
    parts = str(value).split("/")
    expected = "start/end in ISO 8601, such as 2026-11-01T00:00+01:00/2026-11-30T23:59+01:00"
    if len(parts) != 2:
        raise ValueFault(shorten(value), expected)
    start, end = _moment(parts[0].strip(), datetime.time.min), _moment(parts[1].strip(), datetime.time.max)
    if end < start:
        raise ValueFault(shorten(value), f"{expected}, with the end after the start")
    return start, end


def check_gtin(text: str) -> None:
    """Check that a number was not spoiled on its way through a spreadsheet."""
    plain = text.strip().replace(" ", "").replace("-", "")
    if _SCIENTIFIC.fullmatch(plain):
        raise ValueFault(shorten(text), "all digits of a GTIN, which a spreadsheet keeps in a column of text")
    if not _DIGITS.fullmatch(plain) or len(plain) > 14:
        raise ValueFault(shorten(text), "a GTIN of 8, 12, 13 or 14 digits")


def _moment(text: str, time_of_day: datetime.time) -> datetime.datetime:
    try:
        moment = datetime.datetime.fromisoformat(text)
        if ":" not in text and "T" not in text.upper():
            moment = datetime.datetime.combine(moment.date(), time_of_day)
    except ValueError:
        raise ValueFault(shorten(text), "a moment in ISO 8601, such as 2026-11-01T00:00+01:00") from None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=datetime.UTC)


def texts_of(value: object) -> Sequence[str]:
    """The texts of a value that may be given several times."""
    if isinstance(value, str):
        return (value,) if value and not value.isspace() else ()
    parts = value if isinstance(value, list) else [value]
    return [part for part in parts if isinstance(part, str) and part.strip()]
