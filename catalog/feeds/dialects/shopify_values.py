"""The values of Shopify's columns that are written in a way of their own. Each function raises ``ValueFault``."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Sequence
from enum import StrEnum

from catalog.feeds import values
from catalog.feeds.feed_row import ValueFault, shorten
from catalog.html_text import html_to_text
from catalog.types import Price

# Spreadsheets write TRUE and FALSE in the language of their user.
_TRUE_WORDS = "true yes 1 wahr ja vrai oui vero sì verdadero sí waar verdadeiro sim sant prawda"
_FALSE_WORDS = "false no 0 falsch nein faux non falso nee onwaar não falskt fałsz"
_TRUE = frozenset(_TRUE_WORDS.split())
_FALSE = frozenset(_FALSE_WORDS.split())
_WHOLE_NUMBER = re.compile(r"([+-]?[0-9]{1,12})(?:[.,]0+)?")
# With a comma, three digits may be thousands.
_AMOUNT = re.compile(r"[0-9]+(?:\.[0-9]+|(,)[0-9]{1,2})?")
# "(aa-1-4)" behind a category, "gid://shopify/TaxonomyCategory/aa-1-4 : " before one.
_CATEGORY_ID = r"(?:gid://shopify/TaxonomyCategory/)?(?:[a-z]{2}(?:-[0-9]+)*|[0-9]+)"
_ID_BEHIND = re.compile(rf"\s*\({_CATEGORY_ID}\)(?=\s*(?:>|$))")
_ID_BEFORE = re.compile(rf"\s*{_CATEGORY_ID} (?:: |- )")
_ID_ALONE = re.compile(rf"\s*{_CATEGORY_ID}\s*")
AMOUNT_FORM = "an amount such as 1299.90, of digits and a point alone"
STANDARD_METAFIELDS = "product.metafields.shopify."
"""What the keys of those metafields start with that Shopify itself has for a category's attributes."""
_MAX_CUSTOM_LENGTH = 60
_UNCATEGORIZED = "uncategorized"
_BETWEEN_VALUES = re.compile(r"\s*(?:[/|;]|,(?!\d)| & | \+ )\s*")
_SHARE = re.compile(r"^\s*\d{1,3}(?:[.,]\d+)?\s*%\s*|\s*\d{1,3}(?:[.,]\d+)?\s*%\s*$")


class Status(StrEnum):
    """Whether a shop lists a product; ``unlisted`` ones are for those who have the link."""

    ACTIVE = "active"
    DRAFT = "draft"
    ARCHIVED = "archived"
    UNLISTED = "unlisted"


def parse_status(value: object) -> Status:
    """The status, in any case."""
    word = _stripped(value).casefold()
    if word not in set(Status):
        raise ValueFault(shorten(value), ", ".join(Status))
    return Status(word)


def parse_truth(value: object) -> bool:
    """TRUE or FALSE, also as spreadsheets of other languages write them."""
    word = _stripped(value).casefold()
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise ValueFault(shorten(value), "true or false")


def parse_policy(value: object) -> bool:
    """Whether a variant is sold on when there is none left: ``continue`` or ``deny``, TRUE or FALSE."""
    word = _stripped(value).casefold()
    if word in {"continue", "deny"}:
        return word == "continue"
    try:
        return parse_truth(value)
    except ValueFault:
        raise ValueFault(shorten(value), "continue or deny, true or false") from None


def parse_whole_number(value: object) -> int:
    """A whole number, which may be negative: more were sold than there were."""
    match = _WHOLE_NUMBER.fullmatch(_stripped(value))
    if match is None:
        raise ValueFault(shorten(value), "a whole number")
    return int(match[1])


def parse_amount(value: object, currency: str) -> tuple[Price | None, bool]:
    """An amount that comes without its currency, and whether it had to be mended: a comma stood for the point."""
    amount = _stripped(value).removeprefix("'")
    match = _AMOUNT.fullmatch(amount)
    if match is None:
        raise ValueFault(shorten(value), AMOUNT_FORM)
    return values.parse_price(f"{amount.replace(',', '.')} {currency}"), match[1] is not None


def parse_html(value: object) -> str:
    """The text that a reader of the page sees, one line for each of its paragraphs."""
    lines = (line.strip() for line in html_to_text(_stripped(value)).splitlines())
    return values.parse_description("\n".join(line for line in lines if line))


def is_category_id(value: object) -> bool:
    """Whether a category is named by its number in a taxonomy alone."""
    return _ID_ALONE.fullmatch(_stripped(value)) is not None


def parse_category_path(value: object) -> tuple[str, ...]:
    """The levels of a category, without the ids that may stand beside their names; () for ``Uncategorized``."""
    text = _ID_BEFORE.sub("", _ID_BEHIND.sub("", _stripped(value)), count=1)
    if text.strip().casefold() == _UNCATEGORIZED or is_category_id(text):
        return ()
    return values.parse_category(text)


def split_words(value: str) -> Sequence[str]:
    """The colours, materials or patterns in one text: "Red/White", "80% Wool, 20% Silk".

    >>> split_words("80% Wool, 20% Silk")
    ['Wool', 'Silk']
    """
    return [word for part in _BETWEEN_VALUES.split(value) if (word := _SHARE.sub("", part).strip())]


def split_metafield(key: str, text: str) -> Sequence[str]:
    """The values of a metafield, from text with ``;`` between them or from a JSON list.

    Of a shop's own metafields long values are left out: they are prose.

    >>> split_metafield("product.metafields.shopify.color-pattern", "beige; shopify--color-pattern.dark-red")
    ['beige', 'dark-red']
    >>> split_metafield("product.metafields.custom.fabric", '["Wool", "Silk"]')
    ['Wool', 'Silk']
    """
    parts: Sequence[object] = text.split(";")
    if text.lstrip().startswith("["):
        # What is no list after all stays text.
        with contextlib.suppress(ValueError, RecursionError):
            parts = json.loads(text)
    is_standard = key.startswith(STANDARD_METAFIELDS)
    # A standard value may be told with the name of its list before it.
    prefix = f"shopify--{key.removeprefix(STANDARD_METAFIELDS)}."
    words = [part.strip().removeprefix(prefix) for part in parts if isinstance(part, str)]
    return [word for word in words if word and (is_standard or len(word) <= _MAX_CUSTOM_LENGTH)]


def _stripped(value: object) -> str:
    return value.strip() if isinstance(value, str) else ""
