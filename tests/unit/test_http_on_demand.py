"""The HTTP client, loaded when somebody else's server is asked for the first time."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from catalog.adapters.http.http_on_demand import HttpOnDemand
from catalog.ports.remote_files import NotModified, Validators


class Client:
    def __init__(self):
        self.asked = []

    @contextmanager
    def open(self, url, *, max_bytes, known=None):
        self.asked.append((url, max_bytes, known))
        yield NotModified()

    def post(self, url, body, headers):
        self.asked.append((url, body, headers))
        return 204


def test_nothing_is_made_before_the_first_file_is_asked_for_and_then_once():
    """Eight threads that ask at the same time share one client, and it hears what they asked."""
    made, start = [], threading.Barrier(8)

    def make():
        made.append(Client())
        return made[-1]

    files = HttpOnDemand(make)
    assert made == []

    def ask(number):
        start.wait()
        with files.open(f"https://shop.example/{number}.jpg", max_bytes=number, known=Validators("e", None)) as answer:
            return answer

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(ask, range(8)))
    assert answers == [NotModified()] * 8
    (client,) = made
    assert sorted(client.asked) == [(f"https://shop.example/{n}.jpg", n, Validators("e", None)) for n in range(8)]
    assert files.post("https://shop.example/hook", b"{}", {"webhook-id": "1"}) == 204
    assert (len(made), client.asked[-1]) == (1, ("https://shop.example/hook", b"{}", {"webhook-id": "1"}))
