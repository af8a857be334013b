"""How often somebody has asked lately, counted in Redis for all processes, or in this one."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import limits
from limits.errors import StorageError
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter

from catalog.request_rates import Period, RequestRate

if TYPE_CHECKING:
    from limits.storage import RedisStorage

_log = logging.getLogger(__name__)

_REDIS_SECONDS: Final = 0.25
"""So long one answer of Redis is waited for: a request waits for it."""

_SWEEP_SECONDS: Final = 60.0

_ALONE_SECONDS: Final = 5.0
"""So long Redis is left alone after it has failed."""

_PREFIX: Final = "drape-requests"
_ITEMS: Final = {
    Period.SECOND: limits.RateLimitItemPerSecond,
    Period.MINUTE: limits.RateLimitItemPerMinute,
    Period.HOUR: limits.RateLimitItemPerHour,
}


@dataclass(frozen=True, slots=True)
class Allowance:
    """What is left of a rate.

    Args:
        is_granted: Whether there was something left.
        remaining: How many more may follow at once.
        reset_seconds: Until there is more.
    """

    rate: RequestRate
    is_granted: bool
    remaining: int
    reset_seconds: float


class RequestLimits:
    """Counts in a window that slides: what of the period before still lies in it counts by its share.

    Where Redis does not answer, each process counts by itself until it does. Safe to use from several threads.

    Args:
        redis_url: ``redis://``, ``rediss://`` or ``unix://``; None counts in this process alone.
        clock: Seconds on a clock that never goes back.
    """

    def __init__(self, redis_url: str | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._here = SlidingWindowCounterRateLimiter(_Counters())
        self._shared = None if redis_url is None else SlidingWindowCounterRateLimiter(_redis(redis_url))
        self._clock = clock
        self._lock = threading.Lock()
        self._alone_until = float("-inf")

    @property
    def are_here(self) -> bool:
        """Whether they are counted in this process alone."""
        return self._shared is None

    def take(self, who: str, rate: RequestRate) -> Allowance:
        """Count one request, if one is left."""
        return self._ask(who, rate, is_counted=True)

    def look(self, who: str, rate: RequestRate) -> Allowance:
        """Whether one is left, and count none."""
        return self._ask(who, rate, is_counted=False)

    def _ask(self, who: str, rate: RequestRate, *, is_counted: bool) -> Allowance:
        with self._lock:
            shared = None if self._clock() < self._alone_until else self._shared
        if shared is None:
            return _asked(self._here, who, rate, is_counted=is_counted)
        try:
            return _asked(shared, who, rate, is_counted=is_counted)
        except StorageError as error:
            with self._lock:
                self._alone_until = self._clock() + _ALONE_SECONDS
            _log.warning("Redis does not count requests; this process counts by itself: %s", error)
            return _asked(self._here, who, rate, is_counted=is_counted)


class _Counters(MemoryStorage):
    """Counters of this process, rid of those that have ended once a minute.

    The library starts a thread for that 10 ms after almost every request, which costs more than counting it does.
    """

    def __init__(self) -> None:
        super().__init__()
        self._counting = threading.Lock()
        self._sweep_at = time.time() + _SWEEP_SECONDS

    def incr(self, key: str, expiry: float, amount: int = 1) -> int:
        """Add to a counter, which ends so many seconds after it began; what it is now."""
        with self._counting:
            now = time.time()
            if now >= self._sweep_at:
                self._sweep_at = now + _SWEEP_SECONDS
                for ended in [one for one, end in self.expirations.items() if end <= now]:
                    self.clear(ended)
            number = self.get(key) + amount
            self.storage[key] = number
            if number == amount:
                self.expirations[key] = now + expiry
            return number


def _asked(limiter: SlidingWindowCounterRateLimiter, who: str, rate: RequestRate, *, is_counted: bool) -> Allowance:
    item = _ITEMS[rate.per](rate.number)
    is_granted = (limiter.hit if is_counted else limiter.test)(item, who)
    window = limiter.get_window_stats(item, who)
    seconds = window.reset_time - time.time()
    # In the first millisecond of a window, its end looks as near as its beginning.
    return Allowance(rate, is_granted, window.remaining, seconds if seconds > 0 else float(rate.per.seconds))


def _redis(url: str) -> RedisStorage:
    # Redis's client takes a sixth of the server's start, and is of no use without a server of it.
    from limits.storage import RedisStorage
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    scheme, _, rest = url.partition("://")
    return RedisStorage(
        f"{'redis+unix' if scheme.lower() == 'unix' else scheme.lower()}://{rest}",
        key_prefix=_PREFIX,
        wrap_exceptions=True,
        socket_timeout=_REDIS_SECONDS,
        socket_connect_timeout=_REDIS_SECONDS,
        # It would wait between tries, and everybody who asks with it.
        retry=Retry(NoBackoff(), 0),  # type: ignore[arg-type]
    )
