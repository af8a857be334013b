"""Files of other servers over HTTP/1.1 and HTTP/2, from where they may be fetched."""

from __future__ import annotations

import logging
import re
import ssl
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from importlib.metadata import version
from typing import Final

import httpcore
import httpx

from catalog.adapters.http.address_guard import AddressGuard, Resolver, resolve
from catalog.adapters.http.fetch_allow_list import FetchAllowList
from catalog.adapters.http.fetch_failures import BROKEN_CONNECTION, explained, status_error
from catalog.adapters.http.guarded_backend import GuardedBackend
from catalog.adapters.http.host_connections import HostConnection, HostConnections
from catalog.adapters.http.http_exchange import HttpExchange
from catalog.adapters.http.response_body import GZIP, PLAIN, bounded, empty, too_large, unzipped
from catalog.adapters.http.transfer_deadline import USUAL_PATIENCE, Patience, TransferDeadline
from catalog.adapters.http.web_address import WebAddress
from catalog.ports.remote_files import FetchFailed, FetchRefused, NotModified, RemoteAnswer, Validators

MAX_REDIRECTS: Final = 5
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_EMPTY: Final = frozenset({HTTPStatus.NO_CONTENT, HTTPStatus.RESET_CONTENT})
_KEEP_SECONDS: Final = 30.0
_MAX_VALIDATOR: Final = 1024
_LENGTH: Final = re.compile(r"[0-9]{1,18}")

_POST_PATIENCE: Final = Patience(connect=5.0, read=15.0, write=15.0, file=20.0, turn=30.0)
"""Receivers of messages note them and answer; what takes longer is tried again later."""

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class HttpFile:
    """A file whose bytes are still to be read; see ``catalog.ports.remote_files.RemoteFile``."""

    url: str
    validators: Validators
    num_bytes: int | None
    _parts: Iterator[bytes]

    def chunks(self) -> Iterator[bytes]:
        """The file's bytes, once."""
        return self._parts


class HttpFiles:
    """Fetches files over http and https; see ``catalog.ports.remote_files``, and ``catalog.ports.remote_posts``.

    What the environment says of proxies is not heeded: a proxy would connect to addresses that nobody has checked. A
    name server is waited for as long as this machine's resolver does.

    Args:
        allowed: What may be asked besides the public internet.
        per_host: Files that are fetched from a host at the same time, and so connections to it.
        patience: How long is waited for what.
        resolver: Finds the addresses of hosts.
        ssl_context: Which certificates are trusted; by default those of known authorities, or of ``SSL_CERT_FILE``.
    """

    def __init__(
        self,
        allowed: FetchAllowList | None = None,
        *,
        per_host: int = 4,
        patience: Patience = USUAL_PATIENCE,
        resolver: Resolver = resolve,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self._allowed = FetchAllowList() if allowed is None else allowed
        self._guard = AddressGuard(self._allowed, resolver)
        self._patience = patience
        self._ssl_context = httpx.create_ssl_context() if ssl_context is None else ssl_context
        self._connections = HostConnections(self._connect, per_host)
        self._user_agent = f"Drape/{version('drape')}"

    def close(self) -> None:
        """Close the connections that are kept, and those of files that are being read when these are done."""
        self._connections.close()

    @contextmanager
    def open(self, url: str, *, max_bytes: int, known: Validators | None = None) -> Iterator[RemoteAnswer]:
        """Ask for a file; see ``catalog.ports.remote_files``."""
        deadline = TransferDeadline(self._patience)
        address = WebAddress.parse(url)
        for _ in range(MAX_REDIRECTS + 1):
            with self._asked(address, self._get(address, known), deadline) as exchange:
                location = exchange.header("location") if exchange.status in _REDIRECTS else None
                if not location:
                    yield _answer(exchange, max_bytes, known)
                    return
                exchange.skip_body()
            address = address.joined(location)
        raise FetchRefused(
            "The address leads to another, that to a third, and so on",
            received=f"{MAX_REDIRECTS + 1} redirects, the last one to {address.shown}",
            expected=f"at most {MAX_REDIRECTS}",
            remedy="give the address of the file itself",
        )

    def check(self, url: str) -> None:
        """See whether messages may be sent to an address; see ``catalog.ports.remote_posts``."""
        address = WebAddress.parse(url)
        self._guard.check_port(address.port)
        found = self._guard.addresses(address.host, address.port)
        is_within = self._allowed.has_host(address.host, address.port) or all(
            self._allowed.has_address(one, address.port) for one in found
        )
        if address.scheme != "https" and not is_within:
            raise FetchRefused(
                "Messages go over https",
                received=address.shown,
                expected="an https address; http only where DRAPE_FETCH_ALLOW names the host or its network",
                remedy="have the server take https",
            )

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> int:
        """Send a message; see ``catalog.ports.remote_posts``."""
        address = WebAddress.parse(url)
        request = self._request(
            "POST", address, [*headers.items(), ("Content-Length", str(len(body)))], _POST_PATIENCE, body
        )
        with self._asked(address, request, TransferDeadline(_POST_PATIENCE)) as exchange:
            exchange.skip_body()
            return exchange.status

    @contextmanager
    def _asked(
        self, address: WebAddress, request: httpcore.Request, deadline: TransferDeadline
    ) -> Iterator[HttpExchange]:
        self._guard.check_port(address.port)
        with ExitStack() as stack:
            with deadline.paused():
                has_turn = stack.enter_context(self._connections.turn(address.host, self._patience.turn))
            if not has_turn:
                raise FetchFailed(
                    "Other files of the host took too long",
                    received=f"{address.shown}, which waited {self._patience.turn:g} s for its turn",
                    expected="a host that gives its files in time",
                    remedy="it is tried again; DRAPE_FETCH_PER_HOST sets how many are fetched at the same time",
                )
            exchange = self._send(address, request, deadline)
            stack.callback(exchange.close)
            yield exchange

    def _send(self, address: WebAddress, request: httpcore.Request, deadline: TransferDeadline) -> HttpExchange:
        origin = request.url.origin
        with explained(address, deadline):
            kept = self._connections.kept(origin)
            if kept is not None:
                try:
                    return self._exchange(address, request, kept, deadline)
                except BROKEN_CONNECTION as error:
                    # A server may close a connection that has no work at any time, also while we send: no failure yet.
                    _log.debug("Asking %s again, over a new connection: %s", address.shown, error)
            return self._exchange(address, request, self._connections.new(origin), deadline)

    def _exchange(
        self, address: WebAddress, request: httpcore.Request, connection: HostConnection, deadline: TransferDeadline
    ) -> HttpExchange:
        try:
            response = connection.ask(request, deadline)
        except BaseException:
            connection.close()
            raise
        return HttpExchange(address, response, connection, self._connections, deadline)

    def _get(self, address: WebAddress, known: Validators | None) -> httpcore.Request:
        headers = []
        if known is not None and known.etag is not None:
            headers.append(("If-None-Match", known.etag))
        if known is not None and known.last_modified is not None:
            headers.append(("If-Modified-Since", known.last_modified))
        return self._request("GET", address, headers, self._patience)

    def _request(
        self,
        method: str,
        address: WebAddress,
        headers: Sequence[tuple[str, str]],
        patience: Patience,
        body: bytes | None = None,
    ) -> httpcore.Request:
        common = [
            ("Host", address.authority),
            ("User-Agent", self._user_agent),
            ("Accept", "*/*"),
            ("Accept-Encoding", "identity"),
        ]
        url = httpcore.URL(
            scheme=address.scheme.encode(),
            host=address.host.encode(),
            port=address.port,
            target=address.target.encode(),
        )
        timeouts = {"connect": patience.connect, "read": patience.read, "write": patience.write}
        encoded = [(name.encode(), value.encode("utf-8")) for name, value in [*common, *headers]]
        return httpcore.Request(method, url, headers=encoded, content=body, extensions={"timeout": timeouts})

    def _connect(self, origin: httpcore.Origin) -> HostConnection:
        backend = GuardedBackend(self._guard)
        connection = httpcore.HTTPConnection(
            origin, self._ssl_context, keepalive_expiry=_KEEP_SECONDS, http1=True, http2=True, network_backend=backend
        )
        return HostConnection(origin, connection, backend)


def _answer(exchange: HttpExchange, max_bytes: int, known: Validators | None) -> RemoteAnswer:
    place = exchange.address.shown
    if exchange.status == HTTPStatus.NOT_MODIFIED and known is not None:
        exchange.skip_body()
        return NotModified()
    is_file = HTTPStatus.OK <= exchange.status < HTTPStatus.MULTIPLE_CHOICES
    # Nobody asked for a part of a file.
    if not is_file or exchange.status == HTTPStatus.PARTIAL_CONTENT:
        exchange.skip_body()
        raise status_error(exchange.status, exchange.header("retry-after"), exchange.address)
    header = exchange.header("content-length") or ""
    num_bytes = int(header) if _LENGTH.fullmatch(header) else None
    if num_bytes == 0 or exchange.status in _EMPTY:
        exchange.skip_body()
        raise empty(place)
    if num_bytes is not None and num_bytes > max_bytes:
        raise too_large(place, f"{num_bytes:,} bytes", max_bytes)
    encoding = (exchange.header("content-encoding") or "").lower()
    parts = bounded(exchange.parts(), max_bytes, place)
    if encoding in GZIP:
        # Some stores keep files packed and send them so, whatever they were asked for.
        num_bytes = None
        parts = bounded(unzipped(parts, place), max_bytes, place)
    elif encoding not in PLAIN:
        raise FetchRefused(
            "The file is packed in a way that nobody asked for",
            received=f"{place} with Content-Encoding: {encoding[:40]}",
            expected="the file as it is, or packed with gzip",
            remedy="have the server heed Accept-Encoding: identity",
        )
    validators = Validators(_validator(exchange.header("etag")), _validator(exchange.header("last-modified")))
    return HttpFile(exchange.address.url, validators, num_bytes, parts)


def _validator(header: str | None) -> str | None:
    """What can be kept and sent back; what is no text or endless cannot."""
    return header if header and len(header) <= _MAX_VALIDATOR and header.isprintable() else None
