"""What the client tries again, how long it waits between, and when it gives up. No time passes but the test's own."""

from __future__ import annotations

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.client import Client, NotFound, RateLimited, RequestRefused, Retries, ServerFailed, ServerUnreachable
from tests.file_server import FileServer, answer, serving
from tests.scripted_server import ScriptedServer, error, fine

BROKEN = [
    httpx.ReadError("reset"),
    httpx.ReadTimeout("late"),
    httpx.WriteTimeout("late"),
    httpx.RemoteProtocolError("closed"),
]
UNSENT = [httpx.ConnectError("refused"), httpx.ConnectTimeout("late"), httpx.PoolTimeout("busy")]
HOOK = {"id": 3, "url": "https://s.example", "created_at": "2026-01-01T00:00:00Z", "deliveries": [], "secret": "whsec_"}


def test_waits_double_up_to_the_longest_and_are_shortened_by_chance():
    """Half of 1, 2, 4, 5, 5 s: the bounds are 1·2^(n−1), and 5 at most."""
    server = ScriptedServer([*(error(503) for _ in range(5)), fine()])
    retries = Retries(attempts=6, first_wait=1, longest_wait=5)
    assert server.client(retries=retries).health().status == "ok"
    assert server.waits == [0.5, 1.0, 2.0, 2.5, 2.5]


@given(
    st.integers(1, 2000),
    st.floats(0, 1, exclude_max=True),
    st.none() | st.floats(0, 86_400),
    st.floats(0, 10),
    st.floats(0, 100),
)
def test_no_wait_is_shorter_than_the_server_asks_or_longer_than_the_bound_beyond(failed, jitter, asked, first, more):
    retries = Retries(first_wait=first, longest_wait=first + more)
    assert (asked or 0) <= retries.wait(failed, jitter, asked) <= (asked or 0) + retries.longest_wait


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_what_may_be_otherwise_in_a_moment_is_tried_again(status):
    server = ScriptedServer([error(status), httpx.Response(status, text="<html>proxy</html>"), fine()])
    assert server.client().health().status == "ok"
    assert (len(server.asked), server.waits) == (3, [0.125, 0.25])


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 413, 422, 500, 501])
def test_what_stays_so_is_not(status):
    server = ScriptedServer([error(status)])
    with pytest.raises((RequestRefused, ServerFailed)) as failed:
        server.client().search(words="red")
    assert (failed.value.status, server.waits) == (status, [])


@pytest.mark.parametrize("broken", BROKEN + UNSENT, ids=lambda one: type(one).__name__)
def test_searches_are_asked_again_whatever_broke(broken):
    """They change nothing, though they are sent by POST."""
    server = ScriptedServer([broken, error(404)])
    with pytest.raises(NotFound):
        server.client().search(words="red")
    assert server.bodies == [b'{"words":"red"}'] * 2


def test_attempts_have_an_end_and_the_last_failure_is_told():
    server = ScriptedServer([httpx.ConnectError("refused"), error(503), error(502, "last")])
    with pytest.raises(ServerFailed) as failed:
        server.client(retries=Retries(attempts=3)).health()
    assert (failed.value.code, len(server.asked)) == ("last", 3)


def test_one_attempt_is_one():
    server = ScriptedServer([httpx.ReadTimeout("late")])
    with pytest.raises(ServerUnreachable) as failed:
        server.client(retries=Retries(attempts=1)).health()
    assert (failed.value.code, failed.value.status, server.waits) == ("timed_out", None, [])


def test_the_server_is_left_alone_as_long_as_it_asks():
    """2 s and half of 0.25 s, so that not all who were sent away come back at the same moment."""
    server = ScriptedServer([error(503, headers={"Retry-After": "2"}), fine()])
    server.client().health()
    assert server.waits == [2.125]


def test_who_would_have_to_wait_beyond_the_deadline_is_told_at_once():
    server = ScriptedServer([error(429, "rate_limited", {"Retry-After": "61"})])
    with pytest.raises(RateLimited) as failed:
        server.client().health()
    assert (failed.value.retry_after, server.waits) == (61.0, [])


def test_all_attempts_and_waits_together_keep_to_the_deadline():
    """Each attempt takes 10 s and each wait 20.x s: the third would begin after 60 s, at 60.375."""
    server = ScriptedServer([error(503, headers={"Retry-After": "20"}) for _ in range(2)], seconds=10)
    with pytest.raises(ServerFailed):
        server.client(retries=Retries(attempts=9, deadline=60)).health()
    assert server.waits == [20.125]
    assert len(server.asked) == 2


def test_no_server_is_waited_for_beyond_the_deadline():
    """30 s are allowed until the next piece; after 45 of 60 s there are 15 left, and connecting never takes over 5."""
    server = ScriptedServer([error(503, headers={"Retry-After": "45"}), fine()], jitter=0.0)
    server.client(timeout=30).health()
    first, second = (request.extensions["timeout"] for request in server.asked)
    assert (first["read"], first["connect"]) == (30, 5)
    assert (second["read"], second["write"], second["connect"]) == (15, 15, 5)


@pytest.mark.parametrize("failure", [*BROKEN, error(503)], ids=lambda one: type(one).__name__)
def test_a_webhook_is_not_added_again_where_it_may_have_been(failure):
    """Its secret is shown once; the second answer would be that the address is told already."""
    server = ScriptedServer([failure])
    with pytest.raises((ServerUnreachable, ServerFailed)):
        server.client().add_webhook("https://s.example")


@pytest.mark.parametrize("failure", [*UNSENT, error(429)], ids=lambda one: type(one).__name__)
def test_a_webhook_is_added_again_where_it_cannot_have_been(failure):
    server = ScriptedServer([failure, fine(**HOOK)])
    assert server.client().add_webhook("https://s.example").id == 3


@pytest.mark.parametrize("failure", [*BROKEN, error(504)], ids=lambda one: type(one).__name__)
def test_what_was_removed_by_an_attempt_that_nobody_saw_the_end_of_is_removed(failure):
    server = ScriptedServer([failure, error(404, "product_not_found")])
    server.client().delete_product("a")
    assert [request.method for request in server.asked] == ["DELETE", "DELETE"]


@pytest.mark.parametrize("failures", [[], [UNSENT[0]], [error(429)]], ids=["first", "unsent", "held back"])
def test_what_was_never_there_was_not_removed(failures):
    server = ScriptedServer([*failures, error(404, "product_not_found")])
    with pytest.raises(NotFound):
        server.client().delete_product("a")


@pytest.mark.parametrize(
    "numbers",
    [{"attempts": 0}, {"first_wait": -1.0}, {"first_wait": 9.0, "longest_wait": 8.0}, {"deadline": 0.0}],
    ids=lambda one: next(iter(one)),
)
def test_numbers_without_a_meaning_are_refused(numbers):
    with pytest.raises(ValueError, match="retries need"):
        Retries(**numbers)


def test_connections_that_really_break_are_made_again():
    """One before the answer begins, one in the middle of it."""
    body = b'{"status": "ok"}'

    def break_twice(connection, _):
        if server.num_connections == 1:
            raise ConnectionAbortedError
        connection.sendall(answer(body, Content_Length="99" if server.num_connections == 2 else "16"))
        if server.num_connections == 2:
            raise ConnectionAbortedError

    with serving(FileServer({"/healthz": break_twice})) as server:
        waits = []
        with Client(server.url(""), retries=Retries(attempts=3), sleep=waits.append) as client:
            assert client.health().status == "ok"
    assert (len(waits), server.num_connections) == (2, 3)


def test_nobody_who_listens_is_told_as_such():
    with serving(FileServer()) as server:
        url = server.url("")
    client = Client(url, retries=Retries(attempts=2), sleep=lambda _: None)
    with client, pytest.raises(ServerUnreachable) as failed:
        client.health()
    assert (failed.value.code, failed.value.status) == ("unreachable", None)
    assert failed.value.expected == f"an answer of {url}"
