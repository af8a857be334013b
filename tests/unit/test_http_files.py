"""Files are fetched whole, within bounds and only from where they may be; every failure says whether to try again."""

from __future__ import annotations

import datetime
import gzip
import socket
import ssl
import threading
import time
import zlib
from email.utils import format_datetime

import pytest
import trustme

from catalog.adapters.http.address_guard import Resolver
from catalog.adapters.http.fetch_allow_list import FetchAllowList
from catalog.adapters.http.http_files import HttpFiles
from catalog.adapters.http.transfer_deadline import Patience
from catalog.ports.remote_files import FetchFailed, FetchRefused, NotModified, Validators
from tests.file_server import (
    FileServer,
    Http2Server,
    answer,
    breaking_off,
    dripping,
    dripping_head,
    ending_early,
    endless,
    redirect,
    send_frames,
    serving,
    silent,
)

LIMIT = 100_000
PATIENCE = Patience(connect=2.0, read=2.0, write=2.0, file=5.0, turn=5.0)
HURRIED = Patience(connect=0.3, read=0.3, write=0.3, file=0.4, bytes_per_second=1e6, turn=0.3)


@pytest.fixture
def server():
    with serving(FileServer()) as server:
        yield server


def resolver(**addresses: str) -> Resolver:
    """Hosts ``a``, ``b``, … of ``.example`` by their addresses."""

    def resolve(host: str, port: int) -> list[str]:
        return addresses[host.removesuffix(".example")].split()

    return resolve


_fetchers: list[HttpFiles] = []


@pytest.fixture(autouse=True)
def _closing():
    yield
    while _fetchers:
        _fetchers.pop().close()


def fetcher(server: FileServer, *, allow: str = "", patience: Patience = PATIENCE, **options) -> HttpFiles:
    """Allows the server by its address, and what ``allow`` says besides."""
    entries = FetchAllowList.parse(f"127.0.0.1:{server.port},{allow}")
    return made(entries, patience=patience, **options)


def made(allowed: FetchAllowList, *, tls: ssl.SSLContext | None = None, **options) -> HttpFiles:
    """Closed when the test ends."""
    _fetchers.append(HttpFiles(allowed, ssl_context=tls or plain_tls(), **options))
    return _fetchers[-1]


def plain_tls() -> ssl.SSLContext:
    """Trusts nobody, and so reads no file of authorities."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def fetch(files: HttpFiles, url: str, *, max_bytes: int = LIMIT, known: Validators | None = None) -> bytes:
    with files.open(url, max_bytes=max_bytes, known=known) as file:
        assert not isinstance(file, NotModified)
        return b"".join(file.chunks())


class TestFiles:
    def test_come_whole_with_what_the_server_says_of_them(self, server):
        server.answers["/a.jpg"] = answer(b"photo", ETag='"v1"', Last_Modified="Sat, 01 Nov 2025 10:00:00 GMT")

        with fetcher(server).open(server.url("/a.jpg"), max_bytes=5) as file:
            assert b"".join(file.chunks()) == b"photo"
            assert file.url == server.url("/a.jpg")
            assert file.num_bytes == 5
            assert file.validators == Validators('"v1"', "Sat, 01 Nov 2025 10:00:00 GMT")
        (asked,) = server.asked
        assert asked.headers["user-agent"].startswith("Drape/0.")
        assert asked.headers["accept-encoding"] == "identity"
        assert asked.headers["host"] == f"127.0.0.1:{server.port}"

    def test_are_asked_for_by_encoded_addresses(self, server):
        server.answers["/M%C3%A4ntel/rot%20a%20b.jpg?gr%C3%B6%C3%9Fe=38"] = answer(b"photo")

        assert fetch(fetcher(server), server.url("/Mäntel/rot a%20b.jpg?größe=38#top")) == b"photo"

    def test_are_not_sent_again_while_they_are_the_same(self, server):
        server.answers["/a.jpg"] = b"HTTP/1.1 304 Not Modified\r\nETag: x\r\n\r\n"
        known = Validators('"v1"', "Sat, 01 Nov 2025 10:00:00 GMT")
        files = fetcher(server)

        for _ in range(2):
            with files.open(server.url("/a.jpg"), max_bytes=LIMIT, known=known) as result:
                assert result == NotModified()
        assert [asked.headers["if-none-match"] for asked in server.asked] == ['"v1"', '"v1"']
        assert server.asked[0].headers["if-modified-since"] == "Sat, 01 Nov 2025 10:00:00 GMT"
        assert server.num_connections == 1

    def test_are_unpacked_where_the_server_insists_on_packing_them(self, server):
        packed = gzip.compress(b"one " * 1000) + gzip.compress(b"two") + b"\0\0"
        server.answers["/feed"] = answer(packed, Content_Encoding="gzip")

        assert fetch(fetcher(server), server.url("/feed")) == b"one " * 1000 + b"two"

    def test_come_over_one_connection_one_after_another(self, server):
        server.answers |= {"/a": answer(b"first"), "/b": redirect("/c"), "/c": answer(b"third")}
        files = fetcher(server)

        assert fetch(files, server.url("/a")) == b"first"
        assert fetch(files, server.url("/b")) == b"third"
        with pytest.raises(FetchRefused):
            fetch(files, server.url("/missing"))
        assert fetch(files, server.url("/a")) == b"first"
        assert server.num_connections == 1

    def test_come_over_a_new_connection_where_the_kept_one_was_closed(self, server):
        def once(connection, asked):
            if sum(each.connection == asked.connection for each in server.asked) == 1:
                connection.sendall(answer(b"photo"))
            else:
                connection.shutdown(socket.SHUT_RDWR)

        server.answers["/a"] = once
        files = fetcher(server)

        assert fetch(files, server.url("/a")) == b"photo"
        assert fetch(files, server.url("/a")) == b"photo"
        assert [asked.connection for asked in server.asked] == [1, 1, 2]

    def test_that_were_left_in_the_middle_leave_nothing_for_the_next(self, server):
        server.answers |= {"/long": answer(b"l" * 90_000), "/a": answer(b"photo")}
        files = fetcher(server)

        with files.open(server.url("/long"), max_bytes=LIMIT) as file:
            next(file.chunks())
        assert fetch(files, server.url("/a")) == b"photo"

    def test_are_open_no_longer_than_the_fetcher(self, server):
        server.answers["/a"] = answer(b"photo")
        files = fetcher(server)
        fetch(files, server.url("/a"))

        files.close()
        assert fetch(files, server.url("/a")) == b"photo"
        assert fetch(files, server.url("/a")) == b"photo"
        # Nothing is kept any more.
        assert server.num_connections == 3

    def test_ignore_proxies_of_the_environment(self, server, monkeypatch):
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, "http://127.0.0.1:9")
        server.answers["/a"] = answer(b"photo")

        assert fetch(fetcher(server), server.url("/a")) == b"photo"
        assert server.asked[0].path == "/a"


class TestRedirects:
    def test_are_followed_five_times(self, server):
        server.answers |= {f"/{n}": redirect(f"/{n + 1}") for n in range(5)} | {"/5": answer(b"photo")}

        with fetcher(server).open(server.url("/0"), max_bytes=LIMIT) as file:
            assert file.url == server.url("/5")
            assert b"".join(file.chunks()) == b"photo"

    def test_are_not_followed_a_sixth_time(self, server):
        server.answers |= {f"/{n}": redirect(f"/{n + 1}") for n in range(6)} | {"/6": answer(b"photo")}

        with pytest.raises(FetchRefused, match="6 redirects"):
            fetch(fetcher(server), server.url("/0"))

    def test_end_where_they_lead_in_a_circle(self, server):
        server.answers["/a"] = redirect("/a", "308 Permanent Redirect")

        with pytest.raises(FetchRefused, match="at most 5"):
            fetch(fetcher(server), server.url("/a"))
        assert len(server.asked) == 6

    @pytest.mark.parametrize("location", ["file:///etc/passwd", "ftp://a.example/x", "data:image/png;base64,AAAA"])
    def test_lead_to_no_other_scheme(self, server, location):
        server.answers["/a"] = redirect(location)

        with pytest.raises(FetchRefused, match="not fetched by"):
            fetch(fetcher(server), server.url("/a"))

    @pytest.mark.parametrize(
        "location",
        [
            "http://127.0.0.2/x",
            "http://localhost/x",
            "http://10.1.2.3/x",
            "http://169.254.169.254/latest/meta-data",
            "//[fd00:ec2::254]/latest",
            "http://[::ffff:127.0.0.1]/",
            "http://inner.example/",
        ],
    )
    def test_lead_to_no_inner_address(self, server, location):
        """Only the first host is allowed, by its name."""
        server.answers["/a"] = redirect(location)
        addresses = resolver(first="127.0.0.1", inner="192.168.1.1", localhost="127.0.0.1")
        allowed = FetchAllowList.parse(f"first.example:{server.port}")
        files = made(allowed, patience=PATIENCE, resolver=addresses)

        with pytest.raises(FetchRefused, match="not on the public internet") as refused:
            fetch(files, server.url("/a", host="first.example"))
        assert "192.168.1.1" not in str(refused.value)
        assert len(server.asked) == 1

    def test_lead_to_no_other_port(self, server):
        server.answers["/a"] = redirect("http://127.0.0.1:9/")

        with pytest.raises(FetchRefused, match="port 9"):
            fetch(fetcher(server), server.url("/a"))

    def test_without_an_address_are_no_file(self, server):
        server.answers["/a"] = answer(b"", "302 Found")

        with pytest.raises(FetchRefused, match="302 Found"):
            fetch(fetcher(server), server.url("/a"))


class TestNameServers:
    def test_are_asked_once_and_what_they_said_is_connected_to(self, server):
        """The name server says a public address at first, and this machine's own from then on."""
        answers = iter([["203.0.113.1"], ["127.0.0.1"], ["127.0.0.1"]])
        questions = []

        def changing(host, port):
            questions.append((host, port))
            return next(answers)

        server.answers["/a"] = answer(b"secret")
        # Of the networks for documentation, which nobody has: nothing answers there, and nothing of it is reached.
        allowed = FetchAllowList.parse(f"203.0.113.0/24:{server.port}")
        files = made(allowed, patience=HURRIED, resolver=changing)

        with pytest.raises(FetchFailed):
            fetch(files, server.url("/a", host="changing.example"))
        assert questions == [("changing.example", server.port)]
        assert server.asked == []

    def test_that_give_a_public_and_an_inner_address_are_refused(self, server):
        files = fetcher(server, resolver=resolver(both="93.184.215.14 10.0.0.1"))

        with pytest.raises(FetchRefused, match="not on the public internet"):
            fetch(files, "http://both.example/a")

    def test_that_give_several_addresses_have_them_tried_in_turn(self, server):
        server.answers["/a"] = answer(b"photo")
        addresses = resolver(two="127.0.0.3 127.0.0.1")
        files = fetcher(server, allow=f"two.example:{server.port}", resolver=addresses)

        assert fetch(files, server.url("/a", host="two.example")) == b"photo"
        assert server.asked[0].headers["host"] == f"two.example:{server.port}"

    def test_that_know_no_such_host_may_know_it_later(self, server):
        def unknown(host, port):
            raise OSError(-2, "Name or service not known")

        with pytest.raises(FetchFailed, match=r"was not found.*shop.example"):
            fetch(fetcher(server, resolver=unknown), "http://shop.example/")
        with pytest.raises(FetchFailed, match="was not found"):
            fetch(fetcher(server, resolver=lambda host, port: []), "http://shop.example/")

    def test_are_not_asked_where_the_port_is_refused(self, server):
        def never(host, port):
            raise AssertionError("asked")

        with pytest.raises(FetchRefused, match="port 8080"):
            fetch(fetcher(server, resolver=never), "http://shop.example:8080/")

    def test_of_a_public_host_do_not_open_the_ports_that_others_have(self, server):
        with pytest.raises(FetchRefused, match=f"port {server.port}"):
            fetch(fetcher(server, resolver=resolver(shop="93.184.215.14")), server.url("/", host="shop.example"))


class TestSizes:
    def test_beyond_the_limit_are_refused_before_the_file_comes(self, server):
        server.answers["/a"] = b"HTTP/1.1 200 OK\r\nContent-Length: 100001\r\n\r\n"

        with pytest.raises(FetchRefused, match=r"100,001 bytes.*at most 100,000"):
            fetch(fetcher(server), server.url("/a"))

    def test_are_counted_where_the_server_says_none(self, server):
        server.answers["/a"] = endless

        with pytest.raises(FetchRefused, match="more than 100,000 bytes"):
            fetch(fetcher(server), server.url("/a"))

    def test_are_counted_where_the_file_comes_in_pieces(self, server):
        pieces = b"".join(b"4\r\nxxxx\r\n" for _ in range(3)) + b"0\r\n\r\n"
        server.answers["/a"] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + pieces

        assert fetch(fetcher(server), server.url("/a"), max_bytes=12) == b"x" * 12
        with pytest.raises(FetchRefused, match="more than 11 bytes"):
            fetch(fetcher(server), server.url("/a"), max_bytes=11)

    def test_that_are_more_than_promised_do_not_reach_the_next_file(self, server):
        server.answers |= {"/a": answer(b"photoHTTP/1.1 200 OK\r\n", Content_Length="5"), "/b": answer(b"other")}
        files = fetcher(server)

        assert fetch(files, server.url("/a")) == b"photo"
        assert fetch(files, server.url("/b")) == b"other"

    @pytest.mark.parametrize("reply", [ending_early, breaking_off])
    def test_that_are_less_than_promised_are_a_failure(self, server, reply):
        server.answers["/a"] = reply

        with pytest.raises(FetchFailed, match="broke"):
            fetch(fetcher(server), server.url("/a"))

    def test_count_unpacked(self, server):
        """A hundred megabytes in a hundred kilobytes: no more is unpacked than is allowed."""
        packer = zlib.compressobj(wbits=31)
        bomb = b"".join(packer.compress(b"\0" * 2**20) for _ in range(90)) + packer.flush()
        assert len(bomb) < LIMIT
        server.answers["/a"] = answer(bomb, Content_Encoding="gzip")

        unpacked: list[bytes] = []
        with fetcher(server).open(server.url("/a"), max_bytes=LIMIT) as file:
            chunks = file.chunks()
            with pytest.raises(FetchRefused, match="more than 100,000 bytes"):
                unpacked.extend(chunks)
        # Of pieces of 65,536 bytes, the second one is too many.
        assert [len(chunk) for chunk in unpacked] == [65_536]

    def test_of_nothing_are_refused(self, server):
        server.answers |= {
            "/a": answer(b""),
            "/b": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "/c": b"HTTP/1.1 204 No Content\r\n\r\n",
            "/d": answer(gzip.compress(b""), Content_Encoding="gzip"),
        }
        for path in server.answers:
            with pytest.raises(FetchRefused, match="is empty"):
                fetch(fetcher(server), server.url(path))

    def test_of_broken_packing_are_a_failure(self, server):
        whole = gzip.compress(bytes(range(256)) * 10)
        server.answers |= {
            "/short": answer(whole[:-20], Content_Encoding="gzip"),
            "/wrong": answer(b"no gzip at all", Content_Encoding="gzip"),
        }
        for path in server.answers:
            with pytest.raises(FetchFailed, match="did not come whole"):
                fetch(fetcher(server), server.url(path))

    def test_of_other_packing_are_refused(self, server):
        server.answers["/a"] = answer(b"???", Content_Encoding="br")

        with pytest.raises(FetchRefused, match="Content-Encoding: br"):
            fetch(fetcher(server), server.url("/a"))


class TestTime:
    @pytest.mark.parametrize("reply", [dripping, dripping_head])
    def test_of_a_file_ends_however_its_bytes_are_spread(self, server, reply):
        server.answers["/a"] = reply
        began = time.monotonic()

        with pytest.raises(FetchFailed, match="took too long"):
            fetch(fetcher(server, patience=HURRIED), server.url("/a"))
        assert 0.35 < time.monotonic() - began < 2

    def test_without_a_byte_ends_sooner(self, server):
        server.answers["/a"] = silent

        with pytest.raises(FetchFailed, match="did not answer in time"):
            fetch(fetcher(server, patience=Patience(read=0.1)), server.url("/a"))

    def test_of_one_read_is_no_longer_than_what_is_left_for_the_file(self, server):
        server.answers["/a"] = silent
        began = time.monotonic()

        with pytest.raises(FetchFailed, match="took too long"):
            fetch(fetcher(server, patience=Patience(read=20.0, file=0.2)), server.url("/a"))
        assert time.monotonic() - began < 2

    def test_of_the_reader_is_not_the_servers(self, server):
        server.answers["/a"] = answer(b"x" * 90_000)

        with fetcher(server, patience=HURRIED).open(server.url("/a"), max_bytes=LIMIT) as file:
            num_bytes = 0
            for chunk in file.chunks():
                if num_bytes == 0:
                    time.sleep(0.5)
                num_bytes += len(chunk)
        assert num_bytes == 90_000

    def test_of_redirects_counts(self, server):
        def slow_circle(connection, asked):
            time.sleep(0.15)
            connection.sendall(redirect("/a"))

        server.answers["/a"] = slow_circle

        with pytest.raises(FetchFailed, match="took too long"):
            fetch(fetcher(server, patience=HURRIED), server.url("/a"))


class TestTurns:
    def test_are_limited_whoever_asks(self, server):
        """Twelve threads, three turns: never more than three at the server, and three at some time."""
        lock = threading.Lock()
        now, most = 0, 0

        def counting(connection, asked):
            nonlocal now, most
            with lock:
                now += 1
                most = max(most, now)
            time.sleep(0.05)
            with lock:
                now -= 1
            connection.sendall(answer(b"photo"))

        server.answers["/a"] = counting
        files = fetcher(server, per_host=3)
        results: list[bytes] = []
        threads = [threading.Thread(target=lambda: results.append(fetch(files, server.url("/a")))) for _ in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert results == [b"photo"] * 12
        assert most == 3
        assert server.num_connections <= 3

    def test_of_one_host_do_not_hold_up_another(self, server):
        server.answers |= {"/slow": silent, "/a": answer(b"photo")}
        slow = resolver(slow="127.0.0.1")
        patience = Patience(read=0.5)
        files = fetcher(server, allow=f"slow.example:{server.port}", resolver=slow, per_host=1, patience=patience)

        def hold():
            with pytest.raises(FetchFailed):
                fetch(files, server.url("/slow", host="slow.example"))

        holder = threading.Thread(target=hold)
        holder.start()
        while not server.asked:
            time.sleep(0.01)
        assert fetch(files, server.url("/a")) == b"photo"
        assert holder.is_alive()
        holder.join()

    def test_that_do_not_come_are_a_failure(self, server):
        server.answers |= {"/a": answer(b"photo"), "/b": answer(b"other")}
        files = fetcher(server, patience=HURRIED, per_host=1)

        late = pytest.raises(FetchFailed, match=r"waited 0\.3 s for its turn")
        with files.open(server.url("/a"), max_bytes=LIMIT), late:
            fetch(files, server.url("/b"))
        # The turn that was given back is there again.
        assert fetch(files, server.url("/b")) == b"other"


class TestStatuses:
    @pytest.mark.parametrize(
        "status",
        ["400 Bad Request", "401 Unauthorized", "403 Forbidden", "404 Not Found", "410 Gone", "206 Partial Content"],
    )
    def test_that_stay_are_refusals(self, server, status):
        server.answers["/a"] = answer(b"page", status)

        with pytest.raises(FetchRefused, match=status):
            fetch(fetcher(server), server.url("/a"))

    @pytest.mark.parametrize(
        ("status", "header", "seconds"),
        [
            ("429 Too Many Requests", "7", 7.0),
            ("503 Service Unavailable", "999999999999999", 86_400.0),
            ("500 Internal Server Error", "soon", None),
            ("408 Request Timeout", "-5", None),
            ("503 Service Unavailable", "Mon, 01 Jan 99999999999999 00:00:00 GMT", None),
            ("425 Too Early", "Sat, 01 Nov 2025 10:00:00 GMT", 0.0),
        ],
    )
    def test_that_pass_are_failures_with_the_time_to_wait(self, server, status, header, seconds):
        server.answers["/a"] = answer(b"page", status, Retry_After=header)

        with pytest.raises(FetchFailed, match=status) as failed:
            fetch(fetcher(server), server.url("/a"))
        assert failed.value.retry_after == seconds

    def test_may_name_the_moment_to_try_again(self, server):
        moment = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=100)
        server.answers["/a"] = answer(b"", "503 Service Unavailable", Retry_After=format_datetime(moment, usegmt=True))

        with pytest.raises(FetchFailed) as failed:
            fetch(fetcher(server), server.url("/a"))
        assert failed.value.retry_after is not None
        assert 95 < failed.value.retry_after <= 100

    def test_hide_the_query(self, server):
        with pytest.raises(FetchRefused) as refused:
            fetch(fetcher(server), server.url("/a?key=secret"))
        assert "secret" not in str(refused.value)

    def test_that_are_none_are_failures(self, server):
        server.answers["/a"] = b"SSH-2.0-OpenSSH_9.9\r\n\r\n"

        with pytest.raises(FetchFailed, match="broke"):
            fetch(fetcher(server), server.url("/a"))

    def test_304_of_what_nobody_has_is_a_refusal(self, server):
        server.answers["/a"] = b"HTTP/1.1 304 Not Modified\r\n\r\n"

        with pytest.raises(FetchRefused, match="304"):
            fetch(fetcher(server), server.url("/a"))


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def certified(authority: trustme.CA, host: str, *protocols: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(host).configure_cert(context)
    context.set_alpn_protocols(list(protocols))
    return context


def trusting(authority: trustme.CA) -> ssl.SSLContext:
    context = plain_tls()
    authority.configure_trust(context)
    return context


class TestTls:
    def test_speaks_http2_where_the_server_does_over_one_connection(self, authority):
        server = Http2Server({"/a": b"first", "/b?q=1": b"second"})
        with serving(server, certified(authority, "shop.example", "h2")):
            files = fetcher(
                server,
                allow=f"shop.example:{server.port}",
                resolver=resolver(shop="127.0.0.1"),
                tls=trusting(authority),
            )
            with files.open(server.url("/a", "shop.example", "https"), max_bytes=LIMIT) as file:
                assert b"".join(file.chunks()) == b"first"
                assert file.validators.etag == '"h2"'
            assert fetch(files, server.url("/b?q=1", "shop.example", "https")) == b"second"
        assert [asked.headers[":authority"] for asked in server.asked] == [f"shop.example:{server.port}"] * 2
        assert server.num_connections == 1

    @pytest.mark.parametrize(
        ("length", "body", "error"),
        [
            ("50001", b"", FetchRefused),
            (None, b"x" * 50_001, FetchRefused),
            ("10", b"x" * 9, FetchFailed),
            ("10", b"x" * 11, FetchFailed),
            (None, b"", FetchRefused),
        ],
    )
    def test_bounds_files_of_http2_too(self, authority, length, body, error):
        def lying(connection, state, stream):
            state.send_headers(stream, [(":status", "200"), *([("content-length", length)] if length else [])])
            # The head by itself, so that what is wrong with the body shows while it is read.
            connection.sendall(state.data_to_send())
            time.sleep(0.02)
            send_frames(state, stream, body)
            if length != "50001":
                state.end_stream(stream)

        server = Http2Server({"/a": lying, "/b": b"photo"})
        with serving(server, certified(authority, "127.0.0.1", "h2")):
            files = fetcher(server, tls=trusting(authority))
            with pytest.raises(error):
                fetch(files, server.url("/a", scheme="https"), max_bytes=50_000)
            assert fetch(files, server.url("/b", scheme="https")) == b"photo"

    def test_keeps_no_connection_of_http2_with_a_file_half_read(self, authority):
        server = Http2Server({"/long": b"l" * 60_000, "/b": b"photo"})
        with serving(server, certified(authority, "127.0.0.1", "h2")):
            files = fetcher(server, tls=trusting(authority))
            with files.open(server.url("/long", scheme="https"), max_bytes=LIMIT) as file:
                next(file.chunks())
            assert fetch(files, server.url("/b", scheme="https")) == b"photo"
        assert server.num_connections == 2

    def test_asks_again_where_a_kept_connection_of_http2_was_closed(self, authority):
        def last(connection, state, stream):
            state.send_headers(stream, [(":status", "200")])
            state.send_data(stream, b"photo", end_stream=True)
            connection.sendall(state.data_to_send())
            connection.shutdown(socket.SHUT_RDWR)

        server = Http2Server({"/a": last})
        with serving(server, certified(authority, "127.0.0.1", "h2")):
            files = fetcher(server, tls=trusting(authority))
            for _ in range(3):
                assert fetch(files, server.url("/a", scheme="https")) == b"photo"
        assert server.num_connections == 3

    def test_ends_a_file_of_http2_however_its_bytes_are_spread(self, authority):
        def dripping_frames(connection, state, stream):
            state.send_headers(stream, [(":status", "200")])
            for _ in range(100):
                state.send_data(stream, b"x")
                connection.sendall(state.data_to_send())
                time.sleep(0.05)

        server = Http2Server({"/a": dripping_frames})
        slow = pytest.raises(FetchFailed, match="took too long")
        with serving(server, certified(authority, "127.0.0.1", "h2")), slow:
            fetch(fetcher(server, patience=HURRIED, tls=trusting(authority)), server.url("/a", scheme="https"))

    def test_waits_no_longer_for_a_handshake_than_for_a_connection(self):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            server = FileServer(port=listener.getsockname()[1])
            with pytest.raises(FetchFailed, match="did not answer in time"):
                fetch(fetcher(server, patience=Patience(connect=0.1)), server.url("/a", scheme="https"))

    def test_trusts_the_authorities_of_the_environment(self, authority, tmp_path, monkeypatch):
        authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
        with serving(FileServer({"/a": answer(b"photo")}), certified(authority, "127.0.0.1")) as server:
            files = HttpFiles(FetchAllowList.parse(f"127.0.0.1:{server.port}"))
            assert fetch(files, server.url("/a", scheme="https")) == b"photo"
            files.close()

    def test_speaks_http11_where_the_server_has_no_other(self, authority, server):
        with serving(FileServer({"/a": answer(b"photo")}), certified(authority, "127.0.0.1", "http/1.1")) as server:
            files = fetcher(server, tls=trusting(authority))
            assert fetch(files, server.url("/a", scheme="https")) == b"photo"

    def test_goes_by_the_hosts_name_though_an_address_is_connected_to(self, authority):
        with serving(FileServer(), certified(authority, "other.example")) as server:
            files = fetcher(server, resolver=resolver(shop="127.0.0.1"), tls=trusting(authority))
            with pytest.raises(FetchFailed, match=r"certificate cannot be trusted.*shop.example"):
                fetch(files, server.url("/a", "shop.example", "https"))
        assert server.asked == []

    def test_takes_no_certificate_of_an_unknown_authority(self, authority):
        untrusted = pytest.raises(FetchFailed, match="certificate cannot be trusted")
        with serving(FileServer(), certified(authority, "127.0.0.1")) as server, untrusted:
            fetch(fetcher(server), server.url("/a", scheme="https"))

    def test_with_a_server_that_has_none_is_a_failure(self, server):
        with pytest.raises(FetchFailed, match="broke"):
            fetch(fetcher(server), server.url("/a", scheme="https"))
