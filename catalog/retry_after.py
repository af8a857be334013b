"""The header ``Retry-After``: how long a server asks to be left alone."""

from __future__ import annotations

import datetime
from email.utils import parsedate_to_datetime
from typing import Final

LONGEST: Final = 86_400.0
"""Seconds; longer waits are cut to a day."""


def retry_after_seconds(header: str | None, now: datetime.datetime) -> float | None:
    """Seconds to wait from ``now`` (with a time zone), or None where the header is missing or means nothing."""
    if header is None:
        return None
    text = header.strip()
    if text.isascii() and text.isdigit():
        # More digits than a day has mean no more than a day.
        return min(float(text[:10]), LONGEST)
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):  # The latter of numbers with too many digits.
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=datetime.UTC)
    return min(max((moment - now).total_seconds(), 0.0), LONGEST)
