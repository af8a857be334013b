"""Load that does not wait for its answers: requests leave when they are due, and wait from then on.

A client that sends its next request only after the last answer slows down with the server that it measures, and the
longest waits never happen. Here times of arrival are set beforehand, and a request that is sent late has waited since.
"""

from __future__ import annotations

import asyncio
import selectors
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

_MOST_CONNECTIONS = 64


@dataclass(frozen=True)
class Request:
    """A request as it is written to the connection, and the status that its answer must have."""

    head_and_body: bytes


def get(path: str, host: str, key: str) -> Request:
    """A GET request with an API key."""
    return Request(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {key}\r\n\r\n".encode("ascii"))


def post(path: str, host: str, key: str, body: bytes, kind: str) -> Request:
    """A POST request with an API key."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {key}\r\n"
        f"Content-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return Request(head.encode("ascii") + body)


@dataclass
class Load:
    """What came of it: seconds of each answer since its request was due, and what was no answer of status 200."""

    seconds: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)

    def milliseconds(self, percentile: float) -> float:
        return 1000 * float(np.percentile(self.seconds, percentile))

    def __str__(self) -> str:
        p50, p95, p99 = (self.milliseconds(percentile) for percentile in (50, 95, 99))
        return f"p50 {p50:.1f} ms, p95 {p95:.1f} ms, p99 {p99:.1f} ms, {len(self.errors)} errors"


def at_a_rate(
    host: str, port: int, make: Callable[[int], Request], per_second: float, count: int, *, keep_bodies: bool = False
) -> Load:
    """Send ``make(0)`` … ``make(count − 1)`` at random times (a Poisson process) of this rate."""
    gaps = np.random.default_rng(0).exponential(1 / per_second, size=count)
    # Made beforehand, and timed by a selector that knows microseconds: the usual one rounds up to milliseconds, of
    # which the server would be thought to have taken a half on average.
    requests = [make(number) for number in range(count)]
    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(selectors.SelectSelector())) as runner:
        return runner.run(_at_times(host, port, requests, np.cumsum(gaps).tolist(), keep_bodies))


def one_after_another(
    host: str, port: int, make: Callable[[int], Request], count: int, *, keep_bodies: bool = False
) -> Load:
    """Send each request after the last one's answer, over one connection."""

    async def run() -> Load:
        load, line = Load(), asyncio.LifoQueue[Connection]()
        line.put_nowait(Connection(host, port))
        for number in range(count):
            await _send(line, make(number), time.perf_counter(), load, keep_bodies)
        (await line.get()).close()
        return load

    return asyncio.run(run())


async def _at_times(host: str, port: int, requests: list[Request], times: list[float], keep_bodies: bool) -> Load:
    load = Load()
    # The connection that was used last is used first, as a proxy before the server would.
    line = asyncio.LifoQueue[Connection]()
    for _ in range(_MOST_CONNECTIONS):
        line.put_nowait(Connection(host, port))
    start = time.perf_counter()
    tasks = []
    for request, due in zip(requests, times, strict=True):
        await asyncio.sleep(start + due - time.perf_counter())
        tasks.append(asyncio.create_task(_send(line, request, start + due, load, keep_bodies)))
    await asyncio.gather(*tasks)
    while not line.empty():
        line.get_nowait().close()
    return load


async def _send(
    line: asyncio.LifoQueue[Connection], request: Request, due: float, load: Load, keep_bodies: bool
) -> None:
    connection = await line.get()
    try:
        status, body = await connection.ask(request)
    except (OSError, EOFError, ValueError) as error:
        connection.close()
        load.errors.append(repr(error))
    else:
        load.seconds.append(time.perf_counter() - due)
        if status != 200:
            load.errors.append(f"{status}: {body[:200]!r}")
        if keep_bodies:
            load.bodies.append(body)
    finally:
        line.put_nowait(connection)


class Connection:
    """HTTP/1.1 in as few steps as measuring allows: what it costs is missing to the server on the same cores."""

    def __init__(self, host: str, port: int) -> None:
        self._address = host, port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, request: Request) -> tuple[int, bytes]:
        if self._streams is None:
            self._streams = await asyncio.open_connection(*self._address)
        reader, writer = self._streams
        writer.write(request.head_and_body)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = int(head.split(b"content-length:")[1].split(b"\r\n")[0])
        return int(head.split(b" ", 2)[1]), await reader.readexactly(length)

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None
