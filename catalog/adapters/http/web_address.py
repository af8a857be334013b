"""Addresses of files on the web: checked and normalized before anything is asked for."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Final, Self
from urllib.parse import urljoin

import httpx

from catalog.ports.remote_files import FetchRefused

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_MAX_LENGTH: Final = 8192
_MAX_HOST_LENGTH: Final = 253
_SHOWN_LENGTH: Final = 200
_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_AUTHORITY_END: Final = re.compile(r"[/?#]")
_LONE_PERCENT: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_LABEL: Final = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMBER: Final = re.compile(r"[0-9]+|0x[0-9a-f]*")
_EXPECTED: Final = "an address such as https://shop.example/images/1.jpg"


@dataclass(frozen=True, slots=True)
class WebAddress:
    """An http or https address in the one form that is sent.

    Args:
        scheme: ``http`` or ``https``.
        host: A name of ASCII letters in lower case without a dot at its end, or an IP address without brackets.
        port: Of the address, or what its scheme means.
        target: Path and query, percent-encoded.
    """

    scheme: str
    host: str
    port: int
    target: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Check an address and bring it into its form: letters beyond ASCII are encoded, the fragment is dropped.

        Raises:
            FetchRefused: it is no http or https address, or has a user, a password or a host that is none.
        """
        text = text.strip()
        scheme = _SCHEME.match(text)
        if scheme is None:
            raise _refused("The address has no http:// or https:// at its beginning", text)
        if scheme[1].lower() not in _DEFAULT_PORTS:
            raise FetchRefused(
                f"Files are not fetched by {scheme[1].lower()}:",
                received=_cut(text, 40),
                expected="http:// or https://",
                remedy="give the address of the file on a web server",
            )
        if len(text) > _MAX_LENGTH:
            raise _refused(f"The address has {len(text)} characters; at most {_MAX_LENGTH} are taken", text)
        try:
            url = httpx.URL(_LONE_PERCENT.sub("%25", text))
        except httpx.InvalidURL as error:
            raise _refused(f"The address cannot be used: {error}", text) from error
        if url.userinfo or "@" in _AUTHORITY_END.split(text.partition("://")[2], maxsplit=1)[0]:
            # Not shown: it may have a password in it.
            raise FetchRefused(
                "The address has a user name or a password in it",
                received=f"an address at the host {url.host}",
                expected="one without",
                remedy="make the file readable without them",
            )
        port = _DEFAULT_PORTS[url.scheme] if url.port is None else url.port
        if not 1 <= port <= 65535:
            raise _refused(f"There is no port {port}", text)
        return cls(url.scheme, _host(url.raw_host.decode("ascii"), text), port, url.raw_path.decode("ascii"))

    def joined(self, location: str) -> WebAddress:
        """Where a redirect from here leads.

        Raises:
            FetchRefused: as in ``parse``.
        """
        try:
            joined = urljoin(self.url, location)
        except ValueError as error:
            raise _refused(f"A redirect leads to what is no address: {error}", location) from error
        return WebAddress.parse(joined)

    @property
    def authority(self) -> str:
        """The host in the form of the header ``Host``: brackets around IPv6, the port unless it goes without saying."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.authority}{self.target}"

    @property
    def shown(self) -> str:
        """For messages: without the query, in which there may be keys, and not endless."""
        return _cut(self.url.partition("?")[0], _SHOWN_LENGTH)


def _host(host: str, text: str) -> str:
    if ":" in host:
        try:
            address = ipaddress.IPv6Address(host)
        except ValueError as error:
            raise _refused(f"The address has no usable host: {error}", text) from error
        if address.scope_id is not None:
            raise _refused("The address names a network interface of this machine", text)
        return str(address)
    host = host.removesuffix(".").lower()
    labels = host.split(".")
    if len(host) > _MAX_HOST_LENGTH or not all(_LABEL.fullmatch(label) for label in labels):
        raise _refused("The address has no usable host", text)
    if _NUMBER.fullmatch(labels[-1]):
        # 2130706433, 0x7f.1 and 0177.0.0.1 are 127.0.0.1 to some resolvers, and other hosts, or none, to others.
        try:
            return str(ipaddress.IPv4Address(host))
        except ValueError as error:
            raise FetchRefused(
                "The host is a number that can be read in several ways",
                received=host,
                expected="a name, or four decimal numbers without zeros before them, such as 192.0.2.1",
                remedy="correct the address",
            ) from error
    return host


def _refused(message: str, text: str) -> FetchRefused:
    return FetchRefused(
        message,
        received=_cut(text.partition("?")[0], _SHOWN_LENGTH) or "nothing",
        expected=_EXPECTED,
        remedy="correct the address",
    )


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[:length]}…"
