"""Bodies that come too slowly, by a deadline that their bytes extend."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import pytest

from catalog.storefront.bodies.pace import BodyTooSlow, paced


def _taken(chunks: AsyncGenerator[bytes, None], seconds: float, bytes_per_second: float) -> list[bytes]:
    async def take() -> list[bytes]:
        return [chunk async for chunk in paced(chunks, seconds, bytes_per_second)]

    return asyncio.run(take())


async def _silent_after(*chunks: bytes) -> AsyncGenerator[bytes, None]:
    for chunk in chunks:
        yield chunk
    await asyncio.sleep(3600)


async def _at_once(*chunks: bytes) -> AsyncGenerator[bytes, None]:
    for chunk in chunks:
        yield chunk


def test_chunks_that_come_in_time_are_passed_on():
    assert _taken(_at_once(b"a", b"", b"bc"), 60, 1) == [b"a", b"", b"bc"]
    assert _taken(_at_once(), 60, 1) == []


def test_who_sends_nothing_more_is_not_waited_for():
    """2 bytes at 100 a second add 0.02 s to the 0.01 s that every body has."""
    with pytest.raises(BodyTooSlow) as refused:
        _taken(_silent_after(b"ab"), 0.01, 100)
    assert refused.value.received == "2 bytes, and then nothing in time"


def test_bytes_that_have_come_give_time_for_more():
    """Here bodies have no time of their own: the first byte, which is there at once, is worth an hour, or nothing."""

    async def body() -> AsyncGenerator[bytes, None]:
        yield b"x"
        await asyncio.sleep(0.05)
        yield b"y"

    assert _taken(body(), 0, 1 / 3600) == [b"x", b"y"]
    with pytest.raises(BodyTooSlow):
        _taken(body(), 0, 1e9)
