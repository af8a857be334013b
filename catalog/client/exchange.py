"""Requests to the API, made again where that may help and does no harm."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import IO, Final

import httpx

from catalog.client.errors import DrapeApiError, of_answer, unreachable, unusable
from catalog.client.retries import Repeating, Retries, may_have_arrived, may_repeat_answered, may_repeat_broken

CONNECT_SECONDS: Final = 5.0
_SHORTEST: Final = 0.001

Part = tuple[str, bytes | IO[bytes]]
"""A file of a multipart body: its name, and its bytes or a file that can go back to its beginning."""


@dataclass(frozen=True, slots=True)
class Call:
    """A request before it is made.

    Args:
        path: From the server's address on, percent-encoded.
        params: Of the query, in order; names may repeat.
        json: A body.
        files, fields: Parts of a multipart body.
        accepted: Statuses of 300 and more that are answers, not errors.
    """

    method: str
    path: str
    params: Sequence[tuple[str, str]] = ()
    json: str | None = None
    files: Mapping[str, Part] = field(default_factory=dict)
    fields: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    repeating: Repeating = Repeating.SAFE
    accepted: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Exchange:
    """Makes requests.

    Args:
        timeout: Seconds until the server has said, or taken, the next piece.
        clock: Seconds, monotonic.
        jitter: Draws from [0, 1).
    """

    http: httpx.Client
    retries: Retries
    timeout: float
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    jitter: Callable[[], float] = random.random

    def send(self, call: Call) -> httpx.Response:
        """The answer of a request that was not refused.

        Raises:
            DrapeApiError: of the kind that its subclasses say.
        """
        ends_at = self.clock() + self.retries.deadline
        is_uncertain = False
        for attempt in count(1):
            try:
                response = self._request(call, ends_at - self.clock())
            except httpx.TransportError as error:
                failure: DrapeApiError = unreachable(error, str(self.http.base_url))
                failure.__cause__ = error
                may_repeat = may_repeat_broken(error, call.repeating)
                is_uncertain = is_uncertain or may_have_arrived(error)
            else:
                status = response.status_code
                if status < 300 or status in call.accepted or (_is_gone(call, status) and is_uncertain):
                    return response
                failure = of_answer(response)
                may_repeat = may_repeat_answered(status, call.repeating)
                is_uncertain = is_uncertain or status >= 500
            wait = self.retries.wait(attempt, self.jitter(), failure.retry_after)
            if not may_repeat or attempt >= self.retries.attempts or self.clock() + wait >= ends_at:
                raise failure
            self.sleep(wait)
        raise AssertionError("counting has no end")

    def _request(self, call: Call, seconds: float) -> httpx.Response:
        wait = max(min(self.timeout, seconds), _SHORTEST)
        request = self.http.build_request(
            call.method,
            call.path,
            params=list(call.params) or None,
            content=call.json,
            files=dict(call.files) or None,
            data=dict(call.fields) or None,
            headers={**call.headers, **({} if call.json is None else {"Content-Type": "application/json"})},
            timeout=httpx.Timeout(wait, connect=min(wait, CONNECT_SECONDS)),
        )
        response = self.http.send(request, stream=True)
        try:
            response.read()
        except httpx.DecodingError as error:
            raise unusable(response, error) from error
        finally:
            response.close()
        return response


def _is_gone(call: Call, status: int) -> bool:
    """Whether what was to be removed is not there; after an attempt whose end nobody saw, that one removed it."""
    return call.method == "DELETE" and status == 404
