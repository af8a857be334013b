"""``python -m tests.benchmarks.closed_loop HOST:PORT FOLDER CLIENTS SECONDS``: photo searches from a second process.

Each client asks again as soon as it has been answered. No photo is sent twice: bytes after a JPEG's end make each new.
"""

from __future__ import annotations

import http.client
import itertools
import json
import secrets
import sys
import threading
import time
from pathlib import Path

_BOUNDARY = "a-benchmark"


def search_body(photo: bytes, query: str) -> bytes:
    """A multipart body of a search."""
    head = f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="image"; filename="q.jpg"\r\n'
    tail = f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="query"\r\nContent-Type: application/json\r\n\r\n'
    return (
        head.encode()
        + b"Content-Type: image/jpeg\r\n\r\n"
        + photo
        + f"\r\n{tail}{query}\r\n--{_BOUNDARY}--\r\n".encode()
    )


def main(address: str, folder: Path, num_clients: int, seconds: float) -> None:
    """Ask, and print how many answers there were, in how many seconds, and the middle of their times."""
    run = secrets.token_bytes(8)
    photos = [path.read_bytes() for path in sorted(folder.glob("*.jpg"))]
    # Iterating over a count is one step that no other thread comes between.
    numbers = itertools.count()
    took: list[float] = []
    end = time.perf_counter() + seconds

    def ask() -> None:
        connection = http.client.HTTPConnection(address, timeout=60)
        while time.perf_counter() < end:
            number = next(numbers)
            photo = photos[number % len(photos)] + run + number.to_bytes(4, "big")
            start = time.perf_counter()
            connection.request(
                "POST",
                "/v1/search",
                search_body(photo, '{"limit": 20}'),
                {"Content-Type": f"multipart/form-data; boundary={_BOUNDARY}"},
            )
            answer = connection.getresponse()
            body = answer.read()
            assert answer.status == 200, body[:500]
            took.append(time.perf_counter() - start)

    start = time.perf_counter()
    clients = [threading.Thread(target=ask) for _ in range(num_clients)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    passed = time.perf_counter() - start
    print(json.dumps({"answers": len(took), "seconds": passed, "median": sorted(took)[len(took) // 2]}))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]))
