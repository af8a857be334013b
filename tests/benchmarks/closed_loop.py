"""``python -m tests.benchmarks.closed_loop HOST:PORT FOLDER CLIENTS SECONDS``: photo searches from a second process.

Each client asks again as soon as it has been answered. No photo is sent twice: bytes after a JPEG's end make each new.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import secrets
import sys
import time
from pathlib import Path

from tests.benchmarks.open_loop import Connection, Request

_BOUNDARY = b"a-benchmark"
_BEFORE = (
    b"--" + _BOUNDARY + b'\r\nContent-Disposition: form-data; name="image"; filename="q.jpg"\r\n'
    b"Content-Type: image/jpeg\r\n\r\n"
)
_AFTER = (
    b"\r\n--" + _BOUNDARY + b'\r\nContent-Disposition: form-data; name="query"\r\n'
    b'Content-Type: application/json\r\n\r\n{"limit": 20}\r\n--' + _BOUNDARY + b"--\r\n"
)


def search(host: str, photo: bytes) -> Request:
    """A multipart search for twenty hits."""
    head = (
        f"POST /v1/search HTTP/1.1\r\nHost: {host}\r\nContent-Type: multipart/form-data; boundary="
        f"{_BOUNDARY.decode()}\r\nContent-Length: {len(_BEFORE) + len(photo) + len(_AFTER)}\r\n\r\n"
    )
    return Request(head.encode() + _BEFORE + photo + _AFTER)


async def main(host: str, port: int, folder: Path, num_clients: int, seconds: float) -> None:
    """Ask, and print how many answers there were, in how many seconds, and the middle of their times."""
    run = secrets.token_bytes(8)
    photos = [path.read_bytes() for path in sorted(folder.glob("*.jpg"))]
    numbers = itertools.count()
    took: list[float] = []
    start = time.perf_counter()

    async def ask() -> None:
        connection = Connection(host, port)
        while time.perf_counter() < start + seconds:
            number = next(numbers)
            request = search(host, photos[number % len(photos)] + run + number.to_bytes(4, "big"))
            sent = time.perf_counter()
            status, body = await connection.ask(request)
            assert status == 200, body[:500]
            took.append(time.perf_counter() - sent)
        connection.close()

    await asyncio.gather(*(ask() for _ in range(num_clients)))
    passed = time.perf_counter() - start
    print(json.dumps({"answers": len(took), "seconds": passed, "median": sorted(took)[len(took) // 2]}))


if __name__ == "__main__":
    address, _, to = sys.argv[1].rpartition(":")
    asyncio.run(main(address, int(to), Path(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])))
