"""The services' calls, which block, beside the event loop, which must not: bounded threads and a bounded line."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final, ParamSpec, TypeVar

from catalog.storefront.errors import TooManyRequests

THREADS: Final = 8
"""Below the number of connections to PostgreSQL that the process keeps."""

PHOTO_THREADS: Final = 8
"""For photos that are searched with, which wait for the network: as many as make a batch that is worth it."""

FETCH_THREADS: Final = 4
"""For photos by address, which wait for strangers' servers."""

UPLOAD_THREADS: Final = 2
"""For feeds that come in, which are written to where they are kept."""

MOST_WAITING: Final = 64

MOST_PHOTO_BYTES: Final = 256 * 2**20
"""Of all photos that wait for the network or run through it: four of the largest that are taken unless settings say
otherwise, or some eighty of a telephone's."""

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


class Calls:
    """Runs functions in threads of its own.

    Args:
        threads: How many run at the same time.
        most_waiting: How many more may wait for their turn.
        most_bytes: Bytes that all of them together may be given; one alone may have more. None where nobody counts.
    """

    def __init__(
        self, name: str, threads: int = THREADS, most_waiting: int = MOST_WAITING, most_bytes: int | None = None
    ) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._most = threads + most_waiting
        self._most_bytes = most_bytes
        self._num_calls = 0
        self._num_bytes = 0

    async def run(
        self, function: Callable[Arguments, Result], *arguments: Arguments.args, **named: Arguments.kwargs
    ) -> Result:
        """What the function returns, or raises.

        A request that its client gives up no longer waits, but the call that it began counts until it ends.

        Raises:
            TooManyRequests: the line is full, or holds too many bytes for these to be added.
        """
        if self._num_calls >= self._most:
            raise TooManyRequests(
                "More requests wait than can be answered in time",
                received=f"{self._num_calls} requests at the same time",
                expected=f"at most {self._most}",
                remedy="try again in a moment",
            )
        num_bytes = sum(len(argument) for argument in (*arguments, *named.values()) if isinstance(argument, bytes))
        self._require_room(num_bytes)
        self._num_calls += 1
        self._num_bytes += num_bytes
        call = asyncio.get_running_loop().run_in_executor(self._pool, partial(function, *arguments, **named))
        call.add_done_callback(partial(self._ended, num_bytes))
        return await asyncio.shield(call)

    def close(self) -> None:
        """Wait for the calls that run, and take no more. Safe to call twice."""
        self._pool.shutdown(cancel_futures=True)

    def _require_room(self, num_bytes: int) -> None:
        if self._most_bytes is None or not (num_bytes and self._num_bytes):
            return
        if self._num_bytes + num_bytes <= self._most_bytes:
            return
        raise TooManyRequests(
            "The photos of the requests that wait are too large to take one more",
            received=f"{num_bytes} bytes beside {self._num_bytes}",
            expected=f"at most {self._most_bytes} bytes together",
            remedy="try again in a moment, or send a smaller photo",
        )

    def _ended(self, num_bytes: int, call: asyncio.Future[Result]) -> None:
        self._num_calls -= 1
        self._num_bytes -= num_bytes
        if not call.cancelled():
            # Whoever asked may be gone; an error that nobody takes is no error of the loop's.
            call.exception()
