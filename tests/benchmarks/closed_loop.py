"""``python -m tests.benchmarks.closed_loop HOST:PORT PATH FOLDER CLIENTS SECONDS``: photos asked with, from elsewhere.

Each client asks again as soon as it has been answered. No photo is sent twice: bytes after a JPEG's end make each new.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import secrets
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests.benchmarks.open_loop import Connection, Request

_BOUNDARY = b"a-benchmark"
_BEFORE = (
    b"--" + _BOUNDARY + b'\r\nContent-Disposition: form-data; name="image"; filename="q.jpg"\r\n'
    b"Content-Type: image/jpeg\r\n\r\n"
)
_AFTER = (
    b"\r\n--" + _BOUNDARY + b'\r\nContent-Disposition: form-data; name="query"\r\n'
    b"Content-Type: application/json\r\n\r\n{}\r\n--" + _BOUNDARY + b"--\r\n"
)


def upload(host: str, path: str, photo: bytes) -> Request:
    """A multipart body of a photo and an empty query."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: multipart/form-data; boundary="
        f"{_BOUNDARY.decode()}\r\nContent-Length: {len(_BEFORE) + len(photo) + len(_AFTER)}\r\n\r\n"
    )
    return Request(head.encode() + _BEFORE + photo + _AFTER)


async def asked_again(
    host: str, port: int, make: Callable[[int], Request], num_clients: int, seconds: float
) -> list[float]:
    """Seconds that each answer took so many clients, each of which asks again once it has been answered."""
    numbers = itertools.count()
    took: list[float] = []
    end = time.perf_counter() + seconds

    async def ask() -> None:
        connection = Connection(host, port)
        while time.perf_counter() < end:
            request = make(next(numbers))
            sent = time.perf_counter()
            status, body = await connection.ask(request)
            assert status == 200, body[:500]
            took.append(time.perf_counter() - sent)
        connection.close()

    await asyncio.gather(*(ask() for _ in range(num_clients)))
    return took


def main(host: str, port: int, path: str, folder: Path, num_clients: int, seconds: float) -> None:
    """Ask, and print how many answers there were, in how many seconds, and the middle of their times."""
    run = secrets.token_bytes(8)
    photos = [file.read_bytes() for file in sorted(folder.glob("*.jpg"))]

    def make(number: int) -> Request:
        return upload(host, path, photos[number % len(photos)] + run + number.to_bytes(4, "big"))

    start = time.perf_counter()
    took = asyncio.run(asked_again(host, port, make, num_clients, seconds))
    passed = time.perf_counter() - start
    print(json.dumps({"answers": len(took), "seconds": passed, "median": sorted(took)[len(took) // 2]}))


if __name__ == "__main__":
    address, _, to = sys.argv[1].rpartition(":")
    main(address, int(to), sys.argv[2], Path(sys.argv[3]), int(sys.argv[4]), float(sys.argv[5]))
