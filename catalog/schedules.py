"""When something recurring is due: ``every 6h``, ``daily 03:30``. Times are UTC."""

from __future__ import annotations

import datetime
import re
from dataclasses import dataclass
from typing import Final

from catalog.errors import InvalidRequest

SHORTEST: Final = datetime.timedelta(minutes=5)
LONGEST: Final = datetime.timedelta(days=31)

_EVERY: Final = re.compile(r"every\s+([0-9]{1,6})\s*(m|min|h|d)", re.IGNORECASE)
_DAILY: Final = re.compile(r"daily\s+([01]?[0-9]|2[0-3]):([0-5][0-9])", re.IGNORECASE)
_UNITS: Final = {"m": "minutes", "h": "hours", "d": "days"}


@dataclass(frozen=True, slots=True)
class Schedule:
    """Either an interval, or a time of the day.

    Args:
        every: 5 minutes to 31 days.
        daily_at: In UTC.
    """

    every: datetime.timedelta | None = None
    daily_at: datetime.time | None = None

    def __str__(self) -> str:
        if self.daily_at is not None:
            return f"daily {self.daily_at:%H:%M}"
        minutes = int((self.every or SHORTEST).total_seconds() // 60)
        for unit, size in (("d", 1440), ("h", 60)):
            if minutes % size == 0:
                return f"every {minutes // size}{unit}"
        return f"every {minutes}m"

    def first(self, now: datetime.datetime) -> datetime.datetime:
        """When it is due first: an interval begins at once."""
        return now if self.daily_at is None else self.next_after(now, now)

    def next_after(self, due: datetime.datetime, now: datetime.datetime) -> datetime.datetime:
        """When it is due next: the first time after ``now``, of those that follow from when it was due last.

        What was missed in between is not made up for.

        >>> due = datetime.datetime(2027, 1, 1, 3, 30, tzinfo=datetime.UTC)
        >>> str(Schedule(every=datetime.timedelta(hours=6)).next_after(due, due + datetime.timedelta(hours=13)))
        '2027-01-01 21:30:00+00:00'
        """
        if self.daily_at is None:
            every = self.every or SHORTEST
            return due + max(1, (now - due) // every + 1) * every
        today = now.astimezone(datetime.UTC)
        at = datetime.datetime.combine(today.date(), self.daily_at, datetime.UTC)
        return at if at > today else at + datetime.timedelta(days=1)


def parse_schedule(text: str) -> Schedule:
    """``every 30m``, ``every 6h``, ``every 2d`` or ``daily 03:30``, in any case.

    >>> parse_schedule("every 90m"), str(parse_schedule("Daily 3:30"))
    (Schedule(every=datetime.timedelta(seconds=5400), daily_at=None), 'daily 03:30')

    Raises:
        InvalidRequest: it is none of these, or too often or too seldom.
    """
    if match := _DAILY.fullmatch(text.strip()):
        return Schedule(daily_at=datetime.time(int(match[1]), int(match[2])))
    if match := _EVERY.fullmatch(text.strip()):
        every = datetime.timedelta(**{_UNITS[match[2][0].lower()]: int(match[1])})
        if SHORTEST <= every <= LONGEST:
            return Schedule(every=every)
    raise InvalidRequest(
        "That is no schedule",
        received=ascii(text[:100]),
        expected="'every 30m', 'every 6h' or 'every 2d', from 5 minutes to 31 days; or 'daily 03:30', in UTC",
    )
