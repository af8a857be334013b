"""Calls beside the event loop: in so many threads, with so many more in line, and none lost."""

from __future__ import annotations

import asyncio
import threading

import pytest

from catalog.storefront.calls import Calls
from catalog.storefront.errors import TooManyRequests


def test_the_loop_goes_on_while_calls_block_and_the_line_has_an_end():
    async def trial() -> tuple[list[int], str]:
        calls = Calls("test", threads=2, most_waiting=1)
        gate = threading.Event()
        running = [asyncio.create_task(calls.run(_through, gate, number)) for number in range(3)]
        await asyncio.sleep(0)
        with pytest.raises(TooManyRequests) as full:
            await calls.run(_through, gate, 3)
        gate.set()
        done = await asyncio.gather(*running)
        # There is room again once they have ended.
        assert await calls.run(_through, gate, 4) == 4
        calls.close()
        return done, full.value.expected or ""

    assert asyncio.run(trial()) == ([0, 1, 2], "at most 3")


def test_a_call_that_nobody_waits_for_counts_until_it_ends():
    async def trial() -> None:
        calls = Calls("test", threads=1, most_waiting=0)
        gate = threading.Event()
        given_up = asyncio.create_task(calls.run(_through, gate, 0))
        await asyncio.sleep(0)
        given_up.cancel()
        with pytest.raises(asyncio.CancelledError):
            await given_up
        with pytest.raises(TooManyRequests):
            await calls.run(_through, gate, 1)
        gate.set()
        for _ in range(500):
            try:
                assert await calls.run(_through, gate, 2) == 2
                break
            except TooManyRequests:
                await asyncio.sleep(0.01)
        else:
            pytest.fail("its place never became free")
        calls.close()

    asyncio.run(trial())


def test_the_line_has_an_end_in_bytes():
    """Of what running and waiting calls were given; one that is alone is taken whatever it has."""

    async def trial() -> tuple[str, str]:
        calls = Calls("test", threads=1, most_waiting=9, most_bytes=10)
        gate = threading.Event()
        running = [asyncio.create_task(calls.run(_measured, gate, photo)) for photo in (b"1234", b"123456")]
        # What has no bytes waits beside them.
        running.append(asyncio.create_task(calls.run(_measured, gate, b"")))
        await asyncio.sleep(0)
        with pytest.raises(TooManyRequests) as full:
            await calls.run(_measured, gate, b"1")
        gate.set()
        assert await asyncio.gather(*running) == [4, 6, 0]
        # There is room again once they have ended; here for more than both together.
        assert await calls.run(_measured, gate, photo=b"12345678901") == 11
        assert await calls.run(_measured, gate, b"1") == 1
        calls.close()
        return full.value.received or "", full.value.expected or ""

    assert asyncio.run(trial()) == ("1 bytes beside 10", "at most 10 bytes together")


def test_what_a_call_raises_is_raised():
    async def trial() -> None:
        calls = Calls("test")
        with pytest.raises(ZeroDivisionError):
            await calls.run(divmod, 1, 0)
        calls.close()

    asyncio.run(trial())


def _through(gate: threading.Event, number: int) -> int:
    assert gate.wait(10)
    return number


def _measured(gate: threading.Event, photo: bytes) -> int:
    assert gate.wait(10)
    return len(photo)
