"""Price bounds in words: "under 50 €", "between 20 and 40 dollars", "at least £30"."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from catalog.feeds.feed_row import ValueFault
from catalog.feeds.values import is_currency, parse_money

_COMMON_CODES: Final = "eur|usd|gbp|chf|sek|nok|dkk|pln|czk|jpy|cny|inr|cad|aud|nzd|brl|mxn|huf|ron"
"""Understood in small letters, too. Some of the other codes are words ("all", "top", "try"): these in capitals only."""

_SIGNS_BY_WORD: Final = {
    "euro": "€", "euros": "€", "dollar": "$", "dollars": "$", "bucks": "$", "pound": "£", "pounds": "£", "quid": "£",
}  # fmt: skip
_USUAL_CURRENCY: Final = {"$": "USD", "¥": "JPY", "KR": "SEK"}
_CURRENCY: Final = (
    rf"(?:US\$|[€£$¥₹₺]|(?:zł|kč|kr\.?|{'|'.join(_SIGNS_BY_WORD)}|{_COMMON_CODES})(?!\w)|(?-i:[A-Z]{{3}})(?!\w))"
)
_NUMBER: Final = r"[0-9](?:[0-9.,']*[0-9])?"
_UNIT: Final = r"(?!\s*(?:cm|mm|m|kg|g|in|inch|inches|denier|den|years?|yrs?)\b|\s*[%\"”½/]|[\w])"
_MONEY: Final = rf"(?:(?<!\w){_CURRENCY}\s?)?(?<![\w.,]){_NUMBER}(?:\s?{_CURRENCY}|{_UNIT})"
_AT_LEAST: Final = (
    r"no less than|not less than|not under|not below|at least|more than|starting (?:at|from)|min(?:imum)?(?: of)?\.?|"
    r"over|above|from|>=?|≥"
)
_AT_MOST: Final = (
    r"no more than|not more than|not over|not above|at most|less than|cheaper than|lower than|up to|"
    r"max(?:imum)?(?: of)?\.?|under|below|within|until|<=?|≤"
)
_BOUND: Final = re.compile(
    rf"(?:(?:\bbetween\s+(?P<low_between>{_MONEY})\s+(?:and|to)\s+|\bfrom\s+(?P<low_from>{_MONEY})\s*(?:to|-|–)\s*|"
    rf"(?P<low_plain>{_MONEY})\s*(?:-|–|\bto\b)\s*)(?P<high>{_MONEY}))"
    rf"|(?<!\w)(?P<at_least>{_AT_LEAST})\s*(?P<lowest>{_MONEY})"
    rf"|(?<!\w)(?P<at_most>{_AT_MOST})\s*(?P<highest>{_MONEY})",
    re.IGNORECASE,
)
_HAS_CURRENCY: Final = re.compile(_CURRENCY, re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class PriceBounds:
    """Inclusive bounds; the currency is None where none was named and there is no default."""

    lowest: Decimal | None = None
    highest: Decimal | None = None
    currency: str | None = None


def take_price_bounds(text: str, default_currency: str | None) -> tuple[PriceBounds, str]:
    """The bounds that a text names, and the text without them; of several the narrowest.

    Numbers of other things ("60 cm") and bounds in a second currency stay in the text.

    Args:
        default_currency: ISO 4217 code of amounts without one, and of signs that several currencies share.

    >>> take_price_bounds("red dress under 50 €", None)
    (PriceBounds(lowest=None, highest=Decimal('50'), currency='EUR'), 'red dress  ; ')
    """
    reader = _Reader(default_currency)
    rest = _BOUND.sub(reader.take, text)
    return PriceBounds(reader.lowest, reader.highest, reader.currency or reader.assumed), rest


class _Reader:
    """Takes up one bound after the other."""

    def __init__(self, default_currency: str | None) -> None:
        self._default = default_currency
        self.lowest: Decimal | None = None
        self.highest: Decimal | None = None
        self.currency: str | None = None
        self.assumed: str | None = None

    def take(self, match: re.Match[str]) -> str:
        """What stands in the match's place: the match itself where it is no bound."""
        low = match["low_between"] or match["low_from"] or match["low_plain"] or match["lowest"]
        high = match["high"] or match["highest"]
        if match["low_plain"] and not _HAS_CURRENCY.search(match[0]):
            # "7-8" alone may be a size.
            return match[0]
        if low and high and not _HAS_CURRENCY.search(low):
            # In "20 to 30 dollars" one currency stands for both.
            named = _HAS_CURRENCY.search(high)
            low = low if named is None else f"{low} {named[0]}"
        elif low and high and not _HAS_CURRENCY.search(high) and (named := _HAS_CURRENCY.search(low)):
            high = f"{high} {named[0]}"
        try:
            amounts = [None if one is None else self._amount(one) for one in (low, high)]
        except ValueFault:
            return match[0]
        named_currencies = {currency for one in amounts if one is not None and (currency := one[1]) is not None}
        if len(named_currencies | ({self.currency} - {None})) > 1:
            return match[0]
        self.currency = next(iter(named_currencies), self.currency)
        self.assumed = self._default
        lowest, highest = (None if one is None else one[0] for one in amounts)
        if lowest is not None and highest is not None and lowest > highest:
            lowest, highest = highest, lowest
        self.lowest = _narrower(max, self.lowest, lowest)
        self.highest = _narrower(min, self.highest, highest)
        # What stands on the two sides of a price belongs to two thoughts.
        return " ; "

    def _amount(self, text: str) -> tuple[Decimal, str | None]:
        """The amount and the currency it names, if it names one."""
        found = _HAS_CURRENCY.search(text)
        sign = ""
        if found is not None:
            sign = _SIGNS_BY_WORD.get(found[0].casefold(), found[0])
            if len(sign) == 3 and sign.isalpha() and not is_currency(sign.upper()):
                raise ValueFault(text, "a currency")
            text = text[: found.start()] + sign + text[found.end() :]
        try:
            price, _ = parse_money(text, self._default or "USD")
        except ValueFault:
            # A sign that several currencies share, none of them the catalog's own.
            price, _ = parse_money(text, _USUAL_CURRENCY.get(sign.upper().rstrip("."), self._default))
        return price.amount, None if found is None else price.currency


def _narrower(
    choose: Callable[[Decimal, Decimal], Decimal], one: Decimal | None, other: Decimal | None
) -> Decimal | None:
    if one is None or other is None:
        return other if one is None else one
    return choose(one, other)
