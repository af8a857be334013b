"""API keys: made, listed, revoked, and told apart from anything else that a request presents as one."""

from __future__ import annotations

import datetime
import hashlib
import logging
import re
import secrets
import string
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, TypedDict

from catalog.errors import DatabaseUnavailable, InvalidRequest, KeyNotFound, KeyRefused
from catalog.repositories.api_keys import ApiKey, PresentedKey
from catalog.request_rates import RequestRate
from catalog.rows import ApiKeyKind
from catalog.services.web_origin import normalize_origin
from catalog.types import Caller, Scope
from catalog.unit_of_work import UnitOfWorkFactory

TRUSTED_SECONDS: Final = 5.0
"""How long a process goes on trusting a key without asking the database: a revocation takes effect within this time."""

_MAX_TRUSTED: Final = 4096
_MAX_NAME_LENGTH: Final = 100
_ALPHABET: Final = string.digits + string.ascii_letters
_NUM_LETTERS: Final = 43
"""62^43 > 2^256: as many secrets as 32 random bytes have values."""
_NUM_SHOWN: Final = 6
_BEGINNINGS: Final = {ApiKeyKind.SECRET: "drape_sk_", ApiKeyKind.PUBLIC: "drape_pk_"}
_SECRET: Final = re.compile(rf"drape_[sp]k_[0-9A-Za-z]{{{_NUM_LETTERS}}}")
_PREFIX: Final = re.compile(rf"drape_[sp]k_[0-9A-Za-z]{{{_NUM_SHOWN}}}")
_PREFIX_LENGTH: Final = len("drape_sk_") + _NUM_SHOWN

_MAX_ID: Final = 2**63 - 1

_log = logging.getLogger(__name__)


class _Wanted(TypedDict, total=False):
    key_id: int
    prefix: str
    digest: str


@dataclass(frozen=True, slots=True)
class CreatedKey:
    """A new key with its secret, which can be shown now and never again."""

    key: ApiKey
    secret: str = field(repr=False)


class ApiKeyService:
    """Makes, lists and revokes the API keys of merchants, and authenticates requests by them.

    Of a secret only its SHA-256 is kept. Secrets are drawn at random from as many as 32 bytes have values, so that
    nobody can try them out; a slow hash, which protects passwords that people think of, would add nothing. Keys are
    looked up by that hash: whatever the time it takes may tell of a hash, it does not help to find its secret.

    A process trusts a key for ``TRUSTED_SECONDS`` once it has asked the database; a revocation elsewhere takes effect
    within that time, an expiry at once. Safe to use from several threads.

    Args:
        clock: Seconds on a clock that never goes back.
    """

    def __init__(self, unit_of_work: UnitOfWorkFactory, clock: Callable[[], float] = time.monotonic) -> None:
        self._unit_of_work = unit_of_work
        self._clock = clock
        self._lock = threading.Lock()
        self._trusted: OrderedDict[str, tuple[Caller, float]] = OrderedDict()

    def create(
        self,
        merchant: str,
        name: str,
        scopes: Iterable[Scope],
        *,
        is_public: bool = False,
        allowed_origins: Collection[str] = (),
        expires_at: datetime.datetime | None = None,
        rate_limit: RequestRate | None = None,
    ) -> CreatedKey:
        """A new key, with the only sight of its secret.

        Args:
            name: For people, to tell keys apart.
            is_public: The key stands in a shop's pages: it may only search, from ``allowed_origins``.
            allowed_origins: Such as ``https://shop.example``; at least one of a public key, none of a secret one.
            expires_at: With a time zone.
            rate_limit: None for that of keys in general.

        Raises:
            MerchantNotFound: no such merchant.
            InvalidRequest: an argument has no meaning, or they contradict each other.
        """
        held = tuple(scope for scope in Scope if scope in set(scopes))
        origins = tuple(dict.fromkeys(map(normalize_origin, allowed_origins)))
        _check(name, held, origins, is_public=is_public, expires_at=expires_at)
        kind = ApiKeyKind.PUBLIC if is_public else ApiKeyKind.SECRET
        secret = _BEGINNINGS[kind] + "".join(secrets.choice(_ALPHABET) for _ in range(_NUM_LETTERS))
        with self._unit_of_work() as work:
            key_id = work.api_keys.add(
                work.merchants.id_of(merchant),
                name,
                prefix=secret[:_PREFIX_LENGTH],
                digest=_digest(secret),
                kind=kind,
                scopes=held,
                allowed_origins=origins,
                expires_at=expires_at,
                rate_limit=rate_limit,
            )
            key = work.api_keys.get(key_id)
            work.commit()
        return CreatedKey(key, secret)

    def list(self, merchant: str | None = None) -> Sequence[ApiKey]:
        """The merchant's keys, or everybody's, oldest first, those included that are revoked or expired.

        Raises:
            MerchantNotFound: no such merchant.
        """
        with self._unit_of_work() as work:
            return work.api_keys.all(None if merchant is None else work.merchants.id_of(merchant))

    def revoke(self, merchant: str | None, which: int | str) -> ApiKey:
        """Have a key count no longer; the key. One that is revoked already stays as it is.

        Args:
            merchant: Whose key it must be; None for anybody's.
            which: Its id, its prefix as it is listed, or its secret, which may be all that is at hand of a leaked key.

        Raises:
            MerchantNotFound: no such merchant.
            KeyNotFound: the merchant has no such key.
            InvalidRequest: several keys have this prefix.
        """
        shown = which[:_PREFIX_LENGTH] + "…" * (len(which) > _PREFIX_LENGTH) if isinstance(which, str) else str(which)
        with self._unit_of_work() as work:
            merchant_id = None if merchant is None else work.merchants.id_of(merchant)
            found = work.api_keys.ids(merchant_id, **wanted) if (wanted := _wanted(which)) else []
            if not found:
                raise KeyNotFound(
                    "No such API key",
                    received=shown if merchant is None else f"{shown} of {merchant}",
                    expected="the id or the prefix of a key",
                    remedy="drape keys list lists them",
                )
            if len(found) > 1:
                raise InvalidRequest(
                    "Several API keys begin like this",
                    received=shown,
                    expected="the id of one of them: " + ", ".join(map(str, found)),
                )
            work.api_keys.revoke(found[0])
            key = work.api_keys.get(found[0])
            work.commit()
        with self._lock:
            for digest in [digest for digest, (caller, _) in self._trusted.items() if caller.key_id == key.id]:
                del self._trusted[digest]
        return key

    def authenticate(self, secret: str) -> Caller:
        """Whose key this is, and what it allows.

        Raises:
            KeyRefused: it is unknown, revoked or expired. The error does not tell which; the log does.
            DatabaseUnavailable: PostgreSQL did not answer.
        """
        if _SECRET.fullmatch(secret) is None:
            _log.info("API key refused: not of the form of one (%d characters)", len(secret))
            raise _refused()
        digest = _digest(secret)
        caller = self._trusted_caller(digest)
        if caller is not None:
            return caller
        now = self._clock()
        with self._unit_of_work() as work:
            presented = work.api_keys.presented(digest)
        if presented is None:
            self._forget(digest)
            _log.info("API key refused: unknown")
            raise _refused()
        fault = _fault(presented)
        if fault is not None:
            self._forget(digest)
            key = presented.key
            _log.warning("API key %d (%s) of %s refused: %s", key.id, key.prefix, key.merchant, fault)
            raise _refused()
        caller = _caller(presented)
        left = TRUSTED_SECONDS if presented.seconds_left is None else min(TRUSTED_SECONDS, presented.seconds_left)
        with self._lock:
            self._trusted[digest] = (caller, now + left)
            self._trusted.move_to_end(digest)
            while len(self._trusted) > _MAX_TRUSTED:
                self._trusted.popitem(last=False)
        if presented.is_use_due:
            self._note_use(caller.key_id)
        return caller

    def is_familiar(self, secret: str) -> bool:
        """Whether this process has found the key to count, lately as a rule, and not heard of its end."""
        with self._lock:
            return _digest(secret) in self._trusted

    def trusted(self, secret: str) -> Caller | None:
        """Whose key this is, where the database was asked a moment ago; asks nothing."""
        return self._trusted_caller(_digest(secret))

    def _trusted_caller(self, digest: str) -> Caller | None:
        with self._lock:
            caller, until = self._trusted.get(digest, (None, 0.0))
            return caller if self._clock() < until else None

    def _forget(self, digest: str) -> None:
        with self._lock:
            self._trusted.pop(digest, None)

    def _note_use(self, key_id: int) -> None:
        try:
            with self._unit_of_work() as work:
                work.api_keys.note_use(key_id)
                work.commit()
        except DatabaseUnavailable as error:
            # The request has been authenticated; that its time is not noted must not end it.
            _log.warning("The last use of API key %d was not noted: %s", key_id, error)


def _check(
    name: str,
    scopes: tuple[Scope, ...],
    origins: tuple[str, ...],
    *,
    is_public: bool,
    expires_at: datetime.datetime | None,
) -> None:
    if not name.strip() or len(name) > _MAX_NAME_LENGTH or not name.isprintable():
        raise InvalidRequest(
            "An API key cannot have this name",
            received=repr(name[:_MAX_NAME_LENGTH]),
            expected=f"1 to {_MAX_NAME_LENGTH} printable characters",
        )
    if "drape_sk_" in name or "drape_pk_" in name:
        # Names are listed. This one may well have been meant for something else, so it is not shown.
        raise InvalidRequest(
            "The name of an API key is no place for a key",
            received="a name with a key in it",
            expected="what the key is for",
        )
    if not scopes:
        raise InvalidRequest(
            "An API key without a scope is good for nothing",
            received="no scope",
            expected="one or more of " + ", ".join(Scope),
        )
    if is_public and scopes != (Scope.SEARCH,):
        raise InvalidRequest(
            "A public key may only search: everybody can read it in the shop's pages",
            received="the scopes " + ", ".join(scopes),
            expected=Scope.SEARCH,
            remedy="make a secret key for the rest",
        )
    if is_public and not origins:
        raise InvalidRequest(
            "A public key is for the pages of certain sites",
            received="no origin",
            expected="one or more, such as https://shop.example",
        )
    if origins and not is_public:
        raise InvalidRequest(
            "A secret key has no origins: it must never be in a page",
            received=", ".join(origins),
            expected="no origins, or a public key",
        )
    if expires_at is not None and expires_at.tzinfo is None:
        raise InvalidRequest(
            "The time at which the key expires has no time zone",
            received=expires_at.isoformat(),
            expected="one with a time zone",
        )
    if expires_at is not None and expires_at <= datetime.datetime.now(datetime.UTC):
        raise InvalidRequest(
            "The key would have expired before its first use",
            received=expires_at.isoformat(),
            expected="a time to come",
        )


def _wanted(which: int | str) -> _Wanted | None:
    """What the key of this id, prefix or secret is found by; None where there can be none."""
    if isinstance(which, int):
        return {"key_id": which} if 0 < which <= _MAX_ID else None
    if _SECRET.fullmatch(which) is not None:
        return {"digest": _digest(which)}
    return {"prefix": which} if _PREFIX.fullmatch(which) is not None else None


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def _fault(presented: PresentedKey) -> str | None:
    """Why the key does not count, for the log; None where it does."""
    if presented.key.revoked_at is not None:
        return "revoked"
    if presented.seconds_left is not None and presented.seconds_left <= 0:
        return "expired"
    return None


def _caller(presented: PresentedKey) -> Caller:
    key = presented.key
    return Caller(
        merchant=key.merchant,
        merchant_id=presented.merchant_id,
        key_id=key.id,
        scopes=frozenset(key.scopes),
        allowed_origins=key.allowed_origins,
        is_public=key.kind is ApiKeyKind.PUBLIC,
        rate_limit=key.rate_limit,
    )


def _refused() -> KeyRefused:
    return KeyRefused(
        "The API key is not accepted",
        received="a key that does not count",
        expected="a key as it was shown when it was made, neither revoked nor expired",
        remedy="check that the whole key is sent; drape keys create makes a new one",
    )
