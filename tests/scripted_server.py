"""A server in a test's own process that a client asks: it answers as it was told, and time passes only in its clock."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx

from catalog.client import Client, Retries

Scripted = httpx.Response | Exception | Callable[[httpx.Request], httpx.Response]


@dataclass
class ScriptedServer:
    """Answers the first request with the first of ``script``, and so on; none may come after the last.

    Args:
        seconds: That every request takes.
        jitter: What is drawn, always.
    """

    script: list[Scripted]
    seconds: float = 0.0
    jitter: float = 0.5
    now: float = 1000.0
    asked: list[httpx.Request] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)

    def client(self, url: str = "http://drape.example", retries: Retries | None = None, **options: Any) -> Client:
        return Client(
            url,
            key="dk_secret",
            retries=retries,
            transport=httpx.MockTransport(self._answer),
            clock=lambda: self.now,
            sleep=self._sleep,
            jitter=lambda: self.jitter,
            **options,
        )

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        self.bodies.append(request.read())
        self.now += self.seconds
        answer = self.script.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, httpx.Response) else answer(request)

    def _sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds


def fine(**more: Any) -> httpx.Response:
    """The answer of ``/healthz``, or of another endpoint."""
    return httpx.Response(200, json=more or {"status": "ok"})


def error(status: int, code: str = "some_code", headers: dict[str, str] | None = None, **facts: Any) -> httpx.Response:
    """An error in the API's one shape."""
    facts = {"message": "So it is", "received": None, "expected": None, "remedy": None, "id": None, **facts}
    return httpx.Response(status, json={"error": {"code": code, **facts}}, headers=headers)
