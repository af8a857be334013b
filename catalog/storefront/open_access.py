"""Searching without a key, for a merchant who just wants to look, on the machine that Drape runs on."""

from __future__ import annotations

import ipaddress
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from fastapi import Request

from catalog.storefront.errors import HostRefused
from catalog.types import Caller


def is_this_machine(host: str) -> bool:
    """Whether a name or address can only mean the machine itself.

    >>> is_this_machine("localhost"), is_this_machine("127.0.0.2"), is_this_machine("::1"), is_this_machine("0.0.0.0")
    (True, True, True, False)
    """
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def open_to_this_machine(caller: Caller) -> Callable[[Request], Awaitable[Caller]]:
    """A dependency that takes every request to come from ``caller``, without a key.

    The request must name this machine as its host: a page of another site whose name leads here, too, sends that name,
    and must not read the catalog through the browser of whoever looks at it.
    """

    async def anybody_here(request: Request) -> Caller:
        try:
            host = urlsplit(f"//{request.headers.get('host', '')}").hostname or ""
        except ValueError:
            host = ""
        if not is_this_machine(host):
            raise HostRefused(
                "Without a key, only this machine may ask",
                received=f"the host {host[:100]!r}",
                expected="localhost or 127.0.0.1",
                remedy="start drape serve without --open, and make a key",
            )
        return caller

    return anybody_here
