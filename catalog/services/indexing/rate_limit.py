"""Doing no more of something in a second than was asked for."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from catalog.errors import InvalidRequest

LEAST_RATE = 0.1
"""Slower than one in ten seconds, leases would end while work waits for its turn."""

_LOOK_SECONDS = 0.2


class RateLimit:
    """A token bucket that may be overdrawn: what is taken counts, and the next to take waits until it is made up for.

    So the first does not wait, and a batch larger than a second's worth is let through whole. Over any time the number
    taken exceeds the rate by no more than one batch; idle time is not saved up.

    Args:
        per_second: At least ``LEAST_RATE``.
        clock: Seconds, monotonic.
        sleep: Waits for so many seconds.

    Raises:
        InvalidRequest: the rate is lower, or no number.
    """

    def __init__(
        self,
        per_second: float,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        if not (per_second >= LEAST_RATE and math.isfinite(per_second)):
            raise InvalidRequest(
                "The rate cannot be kept to", received=str(per_second), expected=f"at least {LEAST_RATE:g} a second"
            )
        self._per_second = per_second
        self._clock = clock
        self._sleep = sleep
        self._paid_at = -math.inf
        """When everything that was taken so far is made up for."""

    def take(self, number: int, stop: Callable[[], bool]) -> None:
        """Return when the next ``number`` may be done; at once for 0, and when ``stop``, asked meanwhile, says so."""
        if number == 0:
            return
        while (left := self._paid_at - self._clock()) > 0 and not stop():
            self._sleep(min(left, _LOOK_SECONDS))
        self._paid_at = max(self._paid_at, self._clock()) + number / self._per_second
