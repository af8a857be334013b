"""When a request that failed is made again."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

import httpx

PASSING: Final = frozenset({429, 502, 503, 504})
"""Statuses of what may be otherwise in a moment."""

_NOTHING_SENT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)
_HOPELESS: Final = (httpx.UnsupportedProtocol, httpx.LocalProtocolError)


class Repeating(Enum):
    """Which requests may be made again: those that do no more the second time, or those that certainly did nothing."""

    SAFE = auto()
    UNDONE = auto()


@dataclass(frozen=True, slots=True)
class Retries:
    """How often a call tries, and how long it waits between.

    Args:
        attempts: At most so many, the first included; 1 never tries again.
        first_wait, longest_wait: Seconds, at most, after the first attempt that failed, and after any; the bound
            doubles from one to the other.
        deadline: Seconds of all attempts and waits of a call together. No wait goes beyond, and no server is waited
            for longer; only an answer that is coming in, or a file that is going out, may take more.

    Raises:
        ValueError: a number has no meaning.
    """

    attempts: int = 4
    first_wait: float = 0.25
    longest_wait: float = 8.0
    deadline: float = 60.0

    def __post_init__(self) -> None:
        if self.attempts < 1 or not 0 <= self.first_wait <= self.longest_wait or not self.deadline > 0:
            raise ValueError(
                f"retries need attempts >= 1, 0 <= first_wait <= longest_wait and deadline > 0, received {self}"
            )

    def wait(self, num_failed: int, jitter: float, asked: float | None = None) -> float:
        """Seconds to wait after so many attempts that failed: exponential back-off with full jitter (Brooker,
        "Exponential Backoff And Jitter", 2015), on top of what the server asks for.

        Args:
            num_failed: From 1.
            jitter: In [0, 1), drawn anew each time, so that those who failed together do not come back together.
            asked: The seconds of ``Retry-After``.

        >>> Retries().wait(1, 0.5), Retries().wait(3, 0.5), Retries().wait(40, 0.5), Retries().wait(1, 0.5, asked=2)
        (0.125, 0.5, 4.0, 2.125)
        """
        bound = min(self.longest_wait, self.first_wait * 2.0 ** min(num_failed - 1, 60))
        return (asked or 0.0) + jitter * bound


def may_repeat_answered(status: int, repeating: Repeating) -> bool:
    """Whether a request that was answered so may be made again. Past the rate, nothing was done."""
    return status == 429 or (status in PASSING and repeating is Repeating.SAFE)


def may_repeat_broken(error: httpx.TransportError, repeating: Repeating) -> bool:
    """Whether a request may be made again whose connection failed so."""
    if isinstance(error, _HOPELESS):
        return False
    return repeating is Repeating.SAFE or not may_have_arrived(error)


def may_have_arrived(error: httpx.TransportError) -> bool:
    """Whether a request whose connection failed so may have been done all the same."""
    return not isinstance(error, _NOTHING_SENT)
