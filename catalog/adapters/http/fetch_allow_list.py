"""What may be fetched although it is not public: the setting ``DRAPE_FETCH_ALLOW``, parsed."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Final, Self, TypeAlias

from catalog.errors import InvalidRequest

IpAddress: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
IpNetwork: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

USUAL_PORTS: Final = frozenset({80, 443})
_HOST: Final = re.compile(r"(\*\.)?[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?")
_PORT: Final = re.compile(r"[0-9]{1,5}")


@dataclass(frozen=True, slots=True)
class AllowedPlace:
    """One entry: a host, all hosts below a domain, or a network.

    Args:
        host: As in addresses, in lower case; ``*.intra.example`` is every host below that domain, not itself.
        network: In place of a host.
        port: The only one that is meant; None means 80 and 443.
    """

    host: str | None = None
    network: IpNetwork | None = None
    port: int | None = None

    def has_port(self, port: int) -> bool:
        return port in USUAL_PORTS if self.port is None else port == self.port

    def has_host(self, host: str) -> bool:
        if self.host is None:
            return False
        return host.endswith(self.host[1:]) if self.host.startswith("*.") else host == self.host

    def has_address(self, address: IpAddress) -> bool:
        return self.network is not None and address in self.network


@dataclass(frozen=True, slots=True)
class FetchAllowList:
    """The entries together."""

    places: tuple[AllowedPlace, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``DRAPE_FETCH_ALLOW``: entries with commas between them, blanks around them and none of them required.

        Raises:
            InvalidRequest: an entry is none. The message names it.
        """
        return cls(tuple(_parse_place(entry.strip()) for entry in text.split(",") if entry.strip()))

    def has_port(self, port: int) -> bool:
        """Whether any entry may be asked at that port."""
        return any(place.has_port(port) for place in self.places)

    def has_host(self, host: str, port: int) -> bool:
        """Whether a host is allowed by its name, wherever it is."""
        return any(place.has_host(host) and place.has_port(port) for place in self.places)

    def has_address(self, address: IpAddress, port: int) -> bool:
        """Whether an address is in an allowed network, whatever the host is called."""
        return any(place.has_address(address) and place.has_port(port) for place in self.places)


def _parse_place(entry: str) -> AllowedPlace:
    network = _network(entry)
    if network is not None:
        return AllowedPlace(network=network)
    name, colon, port_text = entry.rpartition(":")
    port = None
    if not colon:
        name = entry
    elif _PORT.fullmatch(port_text) and 1 <= int(port_text) <= 65535:
        port = int(port_text)
    else:
        raise _unusable(entry)
    inner = name[1:-1] if name.startswith("[") and name.endswith("]") else name
    network = _network(inner)
    if network is not None:
        return AllowedPlace(network=network, port=port)
    host = name.lower()
    # What ends in a number can only be meant as an address or a network, and is none.
    if not _HOST.fullmatch(host) or ".." in host or host.rpartition(".")[2].isdigit():
        raise _unusable(entry)
    return AllowedPlace(host=host, port=port)


def _network(text: str) -> IpNetwork | None:
    inner = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    try:
        return ipaddress.ip_network(inner)
    except ValueError:
        return None


def _unusable(entry: str) -> InvalidRequest:
    return InvalidRequest(
        "An entry of DRAPE_FETCH_ALLOW cannot be used",
        received=entry,
        expected="a host, *.domain, an IP address or a network whose host bits are zero (10.1.0.0/16), each with or "
        "without :port; IPv6 before a port in brackets ([fd00::/8]:8080)",
        remedy="correct the entry; entries have commas between them",
    )
