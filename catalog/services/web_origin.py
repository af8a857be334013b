"""Origins of web pages, in the one form in which browsers send them."""

from __future__ import annotations

import ipaddress
import re
from typing import Final
from urllib.parse import urlsplit

from catalog.errors import InvalidRequest

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_EXPECTED: Final = "scheme, host and perhaps a port, such as https://shop.example or http://localhost:3000"
_LABEL: Final = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
_MAX_LENGTH: Final = 300
_MAX_HOST_LENGTH: Final = 253


def normalize_origin(text: str) -> str:
    """The origin as browsers write it in the header ``Origin`` (RFC 6454): lower case, without the usual port.

    >>> normalize_origin("HTTPS://Shop.Example:443")
    'https://shop.example'

    Raises:
        InvalidRequest: it is no origin, has more than an origin has, or stands for many.
    """
    shown = text if len(text) <= 100 else f"{text[:100]}…"
    if "*" in text:
        raise InvalidRequest(
            "A public key names the sites that may use it",
            received=shown,
            expected=_EXPECTED,
            remedy="name every site: with a wildcard, whoever reads the key on one page could search from any other",
        )
    try:
        parts = urlsplit(text)
        port, host = parts.port, parts.hostname
    except ValueError as error:
        raise _refused(f"This is no origin: {error}", shown) from error
    # urlsplit drops line breaks and tabs, which no origin has.
    if len(text) > _MAX_LENGTH or not text.isascii() or not text.isprintable() or " " in text:
        raise _refused("An origin has only printable ASCII letters; hosts beyond them are written as xn--…", shown)
    if parts.scheme not in _DEFAULT_PORTS or not host:
        raise _refused("This is no origin of web pages", shown)
    if "@" in parts.netloc:
        # Not shown: it may have a password in it.
        raise _refused("An origin has no user name and no password", f"an address at the host {host}")
    if any(mark in text.partition("://")[2] for mark in "/?#\\"):
        raise InvalidRequest(
            "An origin ends after its host or port",
            received=shown,
            expected=_EXPECTED,
            remedy=f"leave out what follows: {parts.scheme}://{parts.netloc}",
        )
    if port == 0:
        raise _refused("There is no port 0", shown)
    ending = "" if port is None or port == _DEFAULT_PORTS[parts.scheme] else f":{port}"
    return f"{parts.scheme}://{_host(host, shown)}{ending}"


def _host(host: str, shown: str) -> str:
    if ":" in host:
        try:
            return f"[{ipaddress.IPv6Address(host)}]"
        except ValueError as error:
            raise _refused(f"The origin has no usable host: {error}", shown) from error
    if len(host) > _MAX_HOST_LENGTH or not all(_LABEL.fullmatch(label) for label in host.split(".")):
        raise _refused("The origin has no usable host", shown)
    return host


def _refused(message: str, shown: str) -> InvalidRequest:
    return InvalidRequest(message, received=shown or "nothing", expected=_EXPECTED, remedy="correct the origin")
