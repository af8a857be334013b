"""Which machines may be asked for files: those of the public internet, and those that the operator allows."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

from catalog.adapters.http.fetch_allow_list import USUAL_PORTS, FetchAllowList, IpAddress, IpNetwork
from catalog.ports.remote_files import FetchFailed, FetchRefused

Resolver: TypeAlias = Callable[[str, int], Sequence[str]]
"""Host and port to IP addresses; raises OSError where there are none."""

_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")
_GLOBAL_UNICAST: Final = ipaddress.IPv6Network("2000::/3")
_REFUSED: Final[tuple[IpNetwork, ...]] = tuple(
    ipaddress.ip_network(network)
    for network in (
        "0.0.0.0/8",
        "100.64.0.0/10",  # Carriers' own, and some clouds' metadata.
        "168.63.129.16/32",  # Azure's services for its virtual machines.
        "192.0.0.0/24",
        "192.88.99.0/24",  # Relays to 6to4.
        "2001::/23",  # Teredo and other tunnels.
        "2002::/16",  # 6to4, with an IPv4 address inside.
        "3fff::/20",  # Documentation.
    )
)


def is_public(address: IpAddress) -> bool:
    """Whether an address is of a machine that anybody on the internet could ask.

    IPv6 addresses that stand for an IPv4 address are not, but for those of NAT64, which networks without IPv4 need:
    these are as public as the address inside.
    """
    if isinstance(address, ipaddress.IPv6Address):
        if address in _NAT64:
            return is_public(ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF))
        if address not in _GLOBAL_UNICAST:
            return False
    return (
        address.is_global
        and not address.is_multicast
        and not address.is_reserved
        and not any(address in network for network in _REFUSED)
    )


def resolve(host: str, port: int) -> Sequence[str]:
    """All addresses of a host, in the order in which this machine would try them; it decides how long it asks."""
    answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    return list(dict.fromkeys(str(answer[4][0]) for answer in answers))


class AddressGuard:
    """Finds the addresses of hosts, and refuses those that must not be asked.

    Args:
        allowed: What may be asked besides the public internet.
        resolver: Asked once per connection; what it says is what is connected to.
    """

    def __init__(self, allowed: FetchAllowList, resolver: Resolver = resolve) -> None:
        self._allowed = allowed
        self._resolver = resolver

    def check_port(self, port: int) -> None:
        """See whether a port may be asked anywhere, before a name server is told of the host.

        Raises:
            FetchRefused: it may not.
        """
        if port not in USUAL_PORTS and not self._allowed.has_port(port):
            raise _port_refused(port)

    def addresses(self, host: str, port: int) -> list[IpAddress]:
        """The addresses of a host, each of which may be connected to.

        Raises:
            FetchRefused: any of them may not.
            FetchFailed: there are none, or the name server does not answer.
        """
        addresses = self._resolved(host, port)
        if self._allowed.has_host(host, port):
            return addresses
        for address in addresses:
            if self._allowed.has_address(address, port):
                continue
            if not is_public(address):
                # The address itself stays unsaid: whoever wrote the feed need not learn what names mean in here.
                raise FetchRefused(
                    "The host is not on the public internet",
                    received=f"the host {host}",
                    expected="one whose addresses are all public",
                    remedy="correct the address, or allow the host or its network with DRAPE_FETCH_ALLOW",
                )
            if port not in USUAL_PORTS:
                raise _port_refused(port)
        return addresses

    def _resolved(self, host: str, port: int) -> list[IpAddress]:
        try:
            return [ipaddress.ip_address(host)]
        except ValueError:  # A name.
            try:
                addresses = [ipaddress.ip_address(answer) for answer in self._resolver(host, port)]
            except (OSError, UnicodeError) as error:
                raise _unknown_host(host, str(error)) from error
        if not addresses:
            raise _unknown_host(host, "it has no address")
        return addresses


def _unknown_host(host: str, reason: str) -> FetchFailed:
    return FetchFailed(
        "The host was not found",
        received=f"{host}: {reason}",
        expected="a host that the name server knows",
        remedy="correct the address if the host is misspelled; else it is tried again",
    )


def _port_refused(port: int) -> FetchRefused:
    return FetchRefused(
        "The port may not be asked",
        received=f"port {port}",
        expected="80 or 443",
        remedy="correct the address, or allow the host with its port with DRAPE_FETCH_ALLOW",
    )
