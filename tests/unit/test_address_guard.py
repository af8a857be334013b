"""No machine is asked for files that is not on the public internet, however its address is written."""

from __future__ import annotations

import ipaddress

import httpcore
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from catalog.adapters.http.address_guard import AddressGuard, is_public, resolve
from catalog.adapters.http.fetch_allow_list import FetchAllowList
from catalog.adapters.http.guarded_backend import GuardedBackend
from catalog.ports.remote_files import FetchRefused

PUBLIC = ["93.184.215.14", "8.8.8.8", "2606:2800:21f:cb07:6820:80da:af6b:8b2c", "2a00:1450:4001:80b::200e"]
NOT_PUBLIC = [
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "100.64.0.1",
    "100.100.100.200",
    "127.0.0.1",
    "127.255.255.254",
    "168.63.129.16",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.255.255",
    "198.18.0.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",  # IPv4-compatible.
    "::ffff:127.0.0.1",  # IPv4-mapped.
    "::ffff:8.8.8.8",
    "64:ff9b::7f00:1",  # NAT64 of 127.0.0.1.
    "64:ff9b::a9fe:a9fe",  # NAT64 of 169.254.169.254.
    "64:ff9b:1::808:808",  # NAT64 within a network.
    "100::1",
    "2001:0:7f00:1::",  # Teredo.
    "2001:db8::1",
    "2002:7f00:1::",  # 6to4 of 127.0.0.1.
    "2002:808:808::",
    "3fff::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fec0::1",
    "ff02::1",
]


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are(address):
    assert is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_other_addresses_are_not(address):
    assert not is_public(ipaddress.ip_address(address))


def test_nat64_is_as_public_as_the_address_inside():
    """64:ff9b::/96 and 8.8.8.8 is 64:ff9b::808:808."""
    assert is_public(ipaddress.ip_address("64:ff9b::808:808"))


@given(st.ip_addresses(v=4) | st.ip_addresses(v=6))
def test_what_python_calls_not_global_is_not_public(address):
    if not address.is_global or address.is_multicast:
        assert not is_public(address)


@given(st.sampled_from(["::ffff:0:0/96", "::/96", "64:ff9b::/96"]), st.ip_addresses(v=4))
@example("64:ff9b::/96", ipaddress.IPv4Address("169.254.169.254"))
def test_ipv4_inside_ipv6_is_never_more_public_than_by_itself(prefix, inner):
    outer = ipaddress.IPv6Address(int(ipaddress.IPv6Network(prefix).network_address) + int(inner))
    assert is_public(inner) or not is_public(outer)


@given(st.ip_addresses())
def test_hosts_written_as_addresses_go_by_the_same_law(address):
    guard = AddressGuard(FetchAllowList(), resolver=lambda host, port: pytest.fail("asked a name server"))
    if is_public(address):
        assert guard.addresses(str(address), 443) == [address]
    else:
        with pytest.raises(FetchRefused):
            guard.addresses(str(address), 443)


@given(st.lists(st.ip_addresses(), min_size=1, max_size=4))
def test_one_address_that_is_not_public_spoils_all(addresses):
    guard = AddressGuard(FetchAllowList(), resolver=lambda host, port: [str(address) for address in addresses])
    if all(is_public(address) for address in addresses):
        assert guard.addresses("shop.example", 80) == addresses
    else:
        with pytest.raises(FetchRefused, match=r"shop\.example"):
            guard.addresses("shop.example", 80)


@pytest.mark.parametrize(
    ("allowed", "host", "address", "port"),
    [
        ("images.intra.example", "images.intra.example", "10.9.9.9", 443),
        ("*.intra.example", "a.b.intra.example", "10.9.9.9", 80),
        ("images.intra.example:8080", "images.intra.example", "10.9.9.9", 8080),
        ("shop.example:8443", "shop.example", "93.184.215.14", 8443),
        ("10.1.0.0/16", "any.example", "10.1.255.255", 443),
        ("10.1.2.3:8080", "any.example", "10.1.2.3", 8080),
        ("[fd00::/8]:8080", "any.example", "fd12::1", 8080),
        ("fd00::/8", "any.example", "fd12::1", 80),
    ],
)
def test_what_is_allowed_is_asked(allowed, host, address, port):
    guard = AddressGuard(FetchAllowList.parse(allowed), resolver=lambda host, port: [address])
    guard.check_port(port)
    assert guard.addresses(host, port) == [ipaddress.ip_address(address)]


@pytest.mark.parametrize(
    ("allowed", "host", "address", "port"),
    [
        ("images.intra.example", "other.intra.example", "10.9.9.9", 443),
        ("*.intra.example", "intra.example", "10.9.9.9", 80),
        ("*.intra.example", "evilintra.example", "10.9.9.9", 80),
        ("images.intra.example:8080", "images.intra.example", "10.9.9.9", 80),
        ("images.intra.example:8080", "shop.example", "93.184.215.14", 8080),
        ("10.1.0.0/16", "any.example", "10.2.0.0", 443),
        ("10.1.2.3:8080", "any.example", "10.1.2.3", 80),
        ("127.0.0.1", "any.example", "::ffff:127.0.0.1", 80),
        ("0.0.0.0/0", "any.example", "::1", 80),
    ],
)
def test_what_is_allowed_opens_nothing_else(allowed, host, address, port):
    guard = AddressGuard(FetchAllowList.parse(allowed), resolver=lambda host, port: [address])
    with pytest.raises(FetchRefused):
        guard.addresses(host, port)


class Recorder(httpcore.NetworkBackend):
    """Notes where it is told to connect to, and connects to nothing."""

    def __init__(self) -> None:
        self.connected: list[tuple[str, int]] = []

    def connect_tcp(self, host, port, timeout=None, local_address=None, socket_options=None):
        self.connected.append((host, port))
        raise httpcore.ConnectError("nobody is there")


def test_connections_go_to_the_addresses_that_were_checked():
    """The name server changes its mind after it was asked once; nothing asks it again."""
    answers = iter([["93.184.215.14", PUBLIC[2]], ["127.0.0.1"]])
    recorder = Recorder()
    backend = GuardedBackend(AddressGuard(FetchAllowList(), lambda host, port: next(answers)), recorder)

    with pytest.raises(httpcore.ConnectError):
        backend.connect_tcp("shop.example", 443, timeout=1.0)
    assert recorder.connected == [("93.184.215.14", 443), (PUBLIC[2], 443)]
    with pytest.raises(FetchRefused):
        backend.connect_tcp("shop.example", 443, timeout=1.0)
    assert len(recorder.connected) == 2


def test_this_machines_resolver_is_asked_for_names():
    assert "127.0.0.1" in resolve("localhost", 80)
