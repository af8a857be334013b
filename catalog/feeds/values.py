"""The value of each column, from what the feed holds to what a product record holds.

Every function takes the value as the feed gave it: text (CSV, TSV) or any JSON value, None where there is none. Each
raises ``ValueFault`` for what it cannot take.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from functools import lru_cache

from catalog.feeds.feed_row import ValueFault, shorten
from catalog.types import Availability, Price
from embeddings.crop_box import CropBox
from embeddings.taxonomy import normalize_attribute

MAX_ID_LENGTH = 255
MAX_TITLE_LENGTH = 1_000
MAX_DESCRIPTION_LENGTH = 100_000
MAX_LINK_LENGTH = 2_048
MAX_PATH_LENGTH = 1_024
MAX_ADDRESS_LENGTH = 2_048
# Both are in an index of PostgreSQL, whose entries hold 2,704 bytes, with some for the product and for itself.
MAX_SOURCE_BYTES = 2_600
MAX_LEVELS = 10
MAX_LEVEL_LENGTH = 200
MAX_ATTRIBUTES = 500
MAX_ATTRIBUTE_LENGTH = 200
MAX_IMAGES = 100
MAX_AMOUNT = Decimal(2**31)
MAX_DECIMALS = 4
"""What the currency with the most decimals has; most have 2, some 0 or 3."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_CONTROL_BUT_LAYOUT = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_LINE_END = re.compile(r"\r\n?")
_PRICE = re.compile(r"(.*[^A-Za-z\s])\s*([A-Za-z]+)", re.DOTALL)
_AMOUNT = re.compile(r"[0-9]+(?:\.([0-9]+))?")
_NEGATIVE_AMOUNT = re.compile(r"[-−]\s*[0-9.]+")
_ATTRIBUTE_SEPARATOR = re.compile(r"[;|]")
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]+):|//")
# A scheme, a host, perhaps a port, and a path; spaces within the path are what shops do, and servers take.
_ADDRESS = re.compile(r"https?://[^\s/?#@\\]*[^\s/?#@:\\](?::[0-9]{0,5})?(?:[/?#].*)?", re.I)
_USER = re.compile(r"https?://[^/?#]*@", re.I)
# A scheme, a host without a user name before it, and no white space or control character anywhere.
_LINK = re.compile(
    r"https?://[^\s\x00-\x1f\x7f-\x9f/?#@:\\][^\s\x00-\x1f\x7f-\x9f@/?#]*(?:[/?#][^\s\x00-\x1f\x7f-\x9f]*)?", re.I
)
_PIXELS = re.compile(r"[0-9]{1,9}")
_WORD_SEPARATORS = re.compile(r"[\s_\-]+")
_AVAILABILITY = {_WORD_SEPARATORS.sub("", word): word for word in Availability}

_PRICE_FORM = "an amount and a currency, such as 49.90 EUR"
_MONEY = re.compile(r"([^0-9.,'\-−]*)([0-9](?:[0-9.,' ]*[0-9])?)(?:[.,][-–—]+)?([^0-9.,'\-−]*)")
_GROUPED = re.compile(r"[0-9]{1,3}(?:([.,' ])[0-9]{3})(?:\1[0-9]{3})*")
_DOLLARS = frozenset({"USD", "CAD", "AUD", "NZD", "SGD", "HKD", "MXN", "BRL", "ARS", "CLP", "COP", "TWD"})
_SIGNS = {
    "€": frozenset({"EUR"}),
    "£": frozenset({"GBP"}),
    "US$": frozenset({"USD"}),
    "ZŁ": frozenset({"PLN"}),
    "KČ": frozenset({"CZK"}),
    "₹": frozenset({"INR"}),
    "₺": frozenset({"TRY"}),
    "$": _DOLLARS,
    "¥": frozenset({"JPY", "CNY"}),
    "KR": frozenset({"SEK", "NOK", "DKK", "ISK"}),
    "KR.": frozenset({"SEK", "NOK", "DKK", "ISK"}),
}
"""The currencies that a sign may stand for, where it is in upper case."""
_THREE_DECIMALS = frozenset({"BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"})


def parse_id(value: object) -> str:
    """The merchant's id: 1 to 255 printable characters; a JSON integer counts as its digits."""
    text = _text(value).strip()
    _check_length(text, MAX_ID_LENGTH, "an id")
    if not text.isprintable():
        raise ValueFault(shorten(text), "an id of printable characters, without line ends or control characters")
    return text


def parse_title(value: object) -> str:
    """The title on one line; control characters become spaces and runs of white space one space."""
    text = " ".join(_CONTROL.sub(" ", _text(value)).split())
    _check_length(text, MAX_TITLE_LENGTH, "a title")
    return text


def parse_description(value: object) -> str:
    """The description with LF as line end; control characters other than tab and line end become spaces."""
    text = _CONTROL_BUT_LAYOUT.sub(" ", _LINE_END.sub("\n", _text(value))).strip()
    if text:
        _check_length(text, MAX_DESCRIPTION_LENGTH, "a description")
    return text


def parse_item_group(value: object) -> str | None:
    """What the variants of one item share, or None."""
    return None if _is_absent(value) else parse_id(value)


def parse_category(value: object) -> tuple[str, ...]:
    """Levels from the general to the special, from ``Women > Dresses`` or a list; empty levels are left out."""
    if isinstance(value, list):
        parts = [_text(part) for part in value]
        for part in parts:
            if ">" in part:
                raise ValueFault(shorten(part), "a list of level names without '>', or one text 'Women > Dresses'")
    else:
        parts = _text(value).split(">")
    levels = tuple(level for part in parts if (level := " ".join(_without_control(part).split())))
    if len(levels) > MAX_LEVELS:
        raise ValueFault(f"{len(levels)} levels", f"at most {MAX_LEVELS} levels")
    for level in levels:
        _check_length(level, MAX_LEVEL_LENGTH, "a category level")
    return levels


def parse_attributes(value: object) -> tuple[str, ...]:
    """Attributes in normal form, sorted, without repeats.

    Args:
        value: ``color=red; lace`` (``;`` or ``|`` between them), a list of such names, or an object from group to a
            value or a list of values.
    """
    if isinstance(value, dict):
        names = [name for group, inner in value.items() for name in _names_of_group(group, inner)]
    elif isinstance(value, list):
        names = [_text(item) for item in value]
    else:
        names = _ATTRIBUTE_SEPARATOR.split(_text(value))
    normal = {_normalize(name.strip()) for name in names if not name.isspace() and name}
    if len(normal) > MAX_ATTRIBUTES:
        raise ValueFault(f"{len(normal)} attributes", f"at most {MAX_ATTRIBUTES} attributes")
    return tuple(sorted(normal))


def parse_price(value: object) -> Price | None:
    """Amount and currency, or None; the amount keeps the decimals that the feed gave."""
    text = _text(value).strip()
    if not text:
        return None
    match = _PRICE.fullmatch(text) if len(text) <= 64 else None
    if match is None:
        raise ValueFault(shorten(text), _PRICE_FORM)
    amount, currency = match[1].strip(), match[2].upper()
    if _NEGATIVE_AMOUNT.fullmatch(amount):
        raise ValueFault(shorten(text), "an amount of at least 0")
    number = _AMOUNT.fullmatch(amount)
    if number is None:
        raise ValueFault(
            shorten(text), f"{_PRICE_FORM}, with a point before the decimals and nothing between thousands"
        )
    if not is_currency(currency):
        raise ValueFault(f"the currency {shorten(match[2])}", "a currency's ISO 4217 code, such as EUR")
    if len(number[1] or "") > MAX_DECIMALS:
        raise ValueFault(shorten(text), f"an amount with at most {MAX_DECIMALS} decimals")
    if Decimal(amount) > MAX_AMOUNT:
        raise ValueFault(shorten(text), f"an amount of at most {MAX_AMOUNT:,}")
    return Price(Decimal(amount), currency)


def parse_money(value: object, default_currency: str | None) -> tuple[Price, bool]:
    """Amount and currency as shops of many countries write them, and whether that is not the usual form.

    The usual form is ``49.90 EUR``, or ``49.90`` where there is a default. Also taken: ``EUR 49.90``, ``49,90 €``,
    ``1.299,00 EUR``, ``1,299.00 USD``. Of a single point or comma with three digits after it, the digits are decimals
    only in currencies that have so many.

    Args:
        default_currency: ISO 4217 code of amounts without a currency, and of signs that several currencies share.
    """
    text = " ".join(_text(value).split())
    match = _MONEY.fullmatch(text) if len(text) <= 64 else None
    if match is None:
        negative = text[:1] in {"-", "−"} and len(text) > 1
        raise ValueFault(shorten(text), "an amount of at least 0" if negative else _PRICE_FORM)
    before, number, after = match[1].strip(), match[2], match[3].strip()
    currency = _currency_of(text, before, after, default_currency)
    amount = _plain_amount(text, number, currency)
    price = parse_price(f"{amount} {currency}")
    assert price is not None
    return price, amount != text and f"{amount} {currency}" != text.upper()


def _currency_of(text: str, before: str, after: str, default: str | None) -> str:
    """The currency that stands on one side of an amount, or the same on both."""
    found = {_currency_named(text, word.upper(), default) for word in (before, after) if word}
    if not found and default is not None:
        return default
    if len(found) != 1:
        expected = _PRICE_FORM if found else f"{_PRICE_FORM}, or the currency of such prices said with --currency"
        raise ValueFault(shorten(text), expected)
    return found.pop()


def _currency_named(text: str, word: str, default: str | None) -> str:
    if is_currency(word):
        return word
    meant = _SIGNS.get(word)
    if meant is None:
        raise ValueFault(shorten(text), "a currency's ISO 4217 code, such as EUR, beside the amount")
    if len(meant) == 1:
        return next(iter(meant))
    if default in meant:
        return default
    raise ValueFault(
        shorten(text), "a currency's ISO 4217 code, as that sign is of several; --currency says which is meant"
    )


def _plain_amount(text: str, number: str, currency: str) -> str:
    """The amount without separators of thousands, and with a point before its decimals."""
    whole, decimals = number, ""
    last = max(number.rfind("."), number.rfind(","))
    if last >= 0 and number.count(number[last]) == 1:
        is_decimal = (
            len(number) - last - 1 != 3
            or currency in _THREE_DECIMALS
            or not _GROUPED.fullmatch(number)
            or number.startswith("0")
        )
        if is_decimal:
            whole, decimals = number[:last], number[last:].replace(",", ".")
    if not whole.isdecimal():
        if not _GROUPED.fullmatch(whole):
            raise ValueFault(shorten(text), _PRICE_FORM)
        whole = re.sub("[.,' ]", "", whole)
    return whole + decimals


def parse_availability(value: object) -> Availability:
    """The availability, in any case and with spaces, underscores, hyphens or nothing between words."""
    text = _text(value).strip()
    if not text:
        return Availability.IN_STOCK
    availability = _AVAILABILITY.get(_WORD_SEPARATORS.sub("", text.casefold()))
    if availability is None:
        raise ValueFault(shorten(text), ", ".join(Availability))
    return availability


def parse_link(value: object) -> str | None:
    """The address of the product's page, or None. Only http and https: a storefront will offer it to be clicked."""
    text = _text(value).strip()
    if not text:
        return None
    _check_length(text, MAX_LINK_LENGTH, "a link")
    if not _LINK.fullmatch(text):
        raise ValueFault(shorten(text), "an http or https address, such as https://shop.example/p/7")
    return text


def parse_image_source(value: object) -> str:
    """The path or the http or https address of an image, as the feed gave it."""
    text = _text(value).strip()
    scheme = _URL.match(text)
    if scheme is None:
        _check_length(text, MAX_PATH_LENGTH, "an image path")
    else:
        _check_image_address(text, (scheme[1] or "").lower())
    if len(text.encode(errors="surrogatepass")) > MAX_SOURCE_BYTES:
        raise ValueFault(shorten(text), f"an image path or address of at most {MAX_SOURCE_BYTES:,} bytes in UTF-8")
    return _without_control(text)


def _check_image_address(text: str, scheme: str) -> None:
    expected = "a path, or an http or https address, such as https://shop.example/p/7.jpg"
    if not scheme:
        raise ValueFault(f"the address {shorten(text)}", f"{expected}; with https: before the //")
    if scheme not in {"http", "https"}:
        raise ValueFault(f"an address with {scheme}: {shorten(text)}", expected)
    _check_length(text, MAX_ADDRESS_LENGTH, "an image address")
    if _USER.match(text):
        # What stands there may be a password, and does not belong into a file of errors.
        raise ValueFault("an address with a user name or password", expected)
    if not _ADDRESS.fullmatch(text):
        raise ValueFault(f"the address {shorten(text)}", expected)


def split_image_sources(value: object) -> list[object]:
    """The single values of a list of images, from text with ``;`` between them or from a list; not yet parsed."""
    parts: Sequence[object] = value if isinstance(value, list) else _text(value).split(";")
    sources = [part for part in parts if not _is_absent(part)]
    if len(sources) >= MAX_IMAGES:
        raise ValueFault(f"{len(sources)} images", f"at most {MAX_IMAGES - 1} additional images")
    return sources


def parse_image_box(value: object) -> CropBox | None:
    """The item's box in the main image, from ``left,top,right,bottom`` or a list of four numbers, or None."""
    if _is_absent(value):
        return None
    parts = [_text(part).strip() for part in (value if isinstance(value, list) else _text(value).split(","))]
    expected = "left,top,right,bottom in whole pixels, with 0 <= left < right and 0 <= top < bottom"
    if len(parts) != 4 or not all(_PIXELS.fullmatch(part) for part in parts):
        raise ValueFault(shorten(value), expected)
    left, top, right, bottom = (int(part) for part in parts)
    try:
        return CropBox(left, top, right, bottom)
    except ValueError:
        raise ValueFault(shorten(value), expected) from None


def is_currency(code: str) -> bool:
    """Whether this is a currency's ISO 4217 code, in upper case."""
    return code in _currencies()


@lru_cache(maxsize=1)
def _currencies() -> frozenset[str]:
    # Imported on first use: most commands of the client never look at a currency.
    import pycountry

    return frozenset(currency.alpha_3 for currency in pycountry.currencies)


def _is_absent(value: object) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise ValueFault(shorten(value), "text")


def _check_length(text: str, max_length: int, what: str) -> None:
    if not text:
        raise ValueFault("nothing", what)
    if len(text) > max_length:
        raise ValueFault(f"{shorten(text)}, {len(text):,} characters", f"{what} of at most {max_length:,} characters")


def _without_control(text: str) -> str:
    if _CONTROL.search(text):
        raise ValueFault(shorten(text), "text without line ends or control characters")
    return text


def _names_of_group(group: str, value: object) -> list[str]:
    if "=" in group or ":" in group:
        raise ValueFault(f"the attribute group {shorten(group)}", "a group name without '=' and ':'")
    values = value if isinstance(value, list) else [value]
    names = []
    for item in values:
        if _is_absent(item):
            continue
        if isinstance(item, bool):
            names.append(f"{group}={str(item).lower()}")
        elif isinstance(item, float):
            names.append(f"{group}={item!r}")
        else:
            names.append(f"{group}={_text(item)}")
    return names


def _normalize(name: str) -> str:
    _check_length(name, MAX_ATTRIBUTE_LENGTH, "an attribute")
    return _normalize_short(name)


@lru_cache(maxsize=4096)
def _normalize_short(name: str) -> str:
    # A catalog has few attributes and many products. Only short names come here, so the cache stays small.
    try:
        normal = normalize_attribute(name)
    except ValueError:
        raise ValueFault(shorten(name), "name=value, or a single word") from None
    return _without_control(normal)
