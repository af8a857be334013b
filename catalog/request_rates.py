"""How often somebody may ask: ``600/min``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from catalog.errors import InvalidRequest

MOST: Final = 9_999_999

_RATE: Final = re.compile(r"\s*([0-9]{1,7})\s*/\s*(s|sec|second|min|minute|h|hour)\s*", re.IGNORECASE)


class Period(StrEnum):
    """What a number of requests is counted over."""

    SECOND = "s"
    MINUTE = "min"
    HOUR = "h"

    @property
    def seconds(self) -> int:
        """Its length."""
        return {Period.SECOND: 1, Period.MINUTE: 60, Period.HOUR: 3600}[self]


@dataclass(frozen=True, slots=True)
class RequestRate:
    """So many requests in every period.

    Args:
        number: 1 to ``MOST``.
    """

    number: int
    per: Period

    def __str__(self) -> str:
        return f"{self.number}/{self.per}"

    def times(self, factor: int) -> RequestRate:
        """So many times as many in the same period."""
        return RequestRate(min(self.number * factor, MOST), self.per)

    def share(self, divisor: int) -> RequestRate:
        """One of so many equal parts, and at least one request."""
        return RequestRate(max(1, self.number // divisor), self.per)


def parse_request_rate(text: str) -> RequestRate:
    """A rate as people write it.

    >>> str(parse_request_rate("120 / minute"))
    '120/min'

    Raises:
        InvalidRequest: it is none.
    """
    found = _RATE.fullmatch(text)
    if found is None or int(found[1]) == 0:
        raise InvalidRequest(
            "This is no rate of requests",
            received=repr(text[:100]),
            expected="a number from 1 to 9999999 for each s, min or h, such as 600/min",
        )
    unit = found[2].lower()
    return RequestRate(int(found[1]), next(period for period in Period if unit[0] == period[0]))
