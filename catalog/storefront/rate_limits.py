"""How often keys may ask, visitors of shops' pages with a public key, and whoever tries keys out."""

from __future__ import annotations

import hashlib
import ipaddress
import math
import threading
from collections import OrderedDict
from collections.abc import Mapping
from typing import Final

from fastapi import Request

from catalog.adapters.broker.request_limits import Allowance, RequestLimits
from catalog.errors import DrapeError
from catalog.request_rates import Period, RequestRate
from catalog.types import Caller

ALLOWANCE: Final = "drape.allowance"
"""Where a request's ASGI scope has its ``Allowance``, once it has been counted."""

VISITORS: Final = 10
"""One visitor of a shop has such a part of what its public key has for all of them."""

PHOTOS: Final = 10
"""So many photos may be loaded for each request."""

GUESSES: Final = RequestRate(30, Period.MINUTE)
"""So many different keys that do not count an address may try."""

_MOST_REMEMBERED: Final = 4096

_IPV6_NETWORK: Final = 64
"""What one subscriber has; within it, addresses are free to choose from."""


class RateLimited(DrapeError):
    """There were more requests than are allowed.

    Args:
        seconds: Until there may be more.
    """

    def __init__(self, message: str, allowance: Allowance, remedy: str) -> None:
        self.allowance = allowance
        self.seconds = max(1, math.ceil(allowance.reset_seconds))
        super().__init__(
            message,
            received=f"more than {allowance.rate}",
            expected=f"at most {allowance.rate}",
            remedy=f"{remedy}; ask again in {self.seconds} s",
        )


class RateLimits:
    """Who may ask how often.

    Whoever has a secret key has its rate. A public key's is for all visitors of a shop together, and for each address a
    share of it, ``1 / VISITORS``, so that one visitor cannot use up what is there for everybody. Photos are counted by
    themselves, and ``PHOTOS`` times as many are allowed.

    Args:
        rate: Of keys that have none of their own; None does not limit those.
    """

    def __init__(self, limits: RequestLimits, rate: RequestRate | None) -> None:
        self._limits = limits
        self._rate = rate
        self._guesses: OrderedDict[tuple[str, bytes], None] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def are_here(self) -> bool:
        """Whether this process counts by itself and nobody is waited for."""
        return self._limits.are_here

    def admit(self, caller: Caller, address: str, *, is_photo: bool = False) -> Allowance | None:
        """Count a request; what is left of the rate that is nearest to its end, or None where there is none.

        Raises:
            RateLimited: there is nothing left.
        """
        rate = caller.rate_limit or self._rate
        if rate is None:
            return None
        if is_photo:
            rate = rate.times(PHOTOS)
        kind = "photos" if is_photo else "requests"
        if not caller.is_public:
            return self._take(f"{kind}:{caller.key_id}", rate, "ask less often, or have a key made with --rate-limit")
        own = self._take(f"{kind}:{caller.key_id}:{address}", rate.share(VISITORS), "ask less often")
        shared = self._take(f"{kind}:{caller.key_id}", rate, "more visitors ask at the same time than the key is for")
        return min(own, shared, key=lambda left: left.remaining)

    def check_guesses(self, address: str) -> None:
        """Before a key is looked up that is not known to count.

        Raises:
            RateLimited: too many that came from this address did not.
        """
        allowance = self._limits.look(f"guesses:{address}", GUESSES)
        if not allowance.is_granted:
            raise RateLimited("Too many API keys from this address did not count", allowance, "check the key")

    def note_guess(self, address: str, key: str) -> None:
        """A key from this address did not count.

        The same one again is nobody who tries keys out, but a shop whose key was revoked; it must not keep others out.
        """
        guess = (address, hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest())
        with self._lock:
            is_known = guess in self._guesses
            self._guesses[guess] = None
            self._guesses.move_to_end(guess)
            while len(self._guesses) > _MOST_REMEMBERED:
                self._guesses.popitem(last=False)
        if not is_known:
            self._limits.take(f"guesses:{address}", GUESSES)

    def _take(self, who: str, rate: RequestRate, remedy: str) -> Allowance:
        allowance = self._limits.take(who, rate)
        if not allowance.is_granted:
            raise RateLimited("There are more requests than are allowed", allowance, remedy)
        return allowance


def client_address(request: Request) -> str:
    """Who asks, as the connection tells, or a proxy that is trusted; of IPv6, the subscriber's network."""
    host = "" if request.client is None else request.client.host
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.IPv6Network((address, _IPV6_NETWORK), strict=False))


def headers_of(allowance: Allowance) -> Mapping[str, str]:
    """The headers by which clients hold themselves back (draft-ietf-httpapi-ratelimit-headers, versions 00 to 07)."""
    return {
        "RateLimit-Limit": str(allowance.rate.number),
        "RateLimit-Remaining": str(allowance.remaining),
        "RateLimit-Reset": str(math.ceil(allowance.reset_seconds)),
    }
