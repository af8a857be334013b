"""API keys: who they belong to, what they allow, and whether they still count."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from catalog.request_rates import RequestRate, parse_request_rate
from catalog.rows import ApiKeyKind, ApiKeyRow, MerchantRow
from catalog.types import Scope

NOTE_EVERY: Final = datetime.timedelta(minutes=1)
"""How much older the noted last use of a key must be before another one is noted."""


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key as it may be shown: everything but its secret, which nobody has kept.

    Args:
        merchant: The merchant's name.
        prefix: The first characters of the secret, by which its owner knows it.
        scopes: In the order of ``Scope``.
        allowed_origins: Of a public key: the sites whose pages may use it.
        rate_limit: How often it may be used; None as often as keys may in general.
        last_used_at: To the minute, roughly.
    """

    id: int
    merchant: str
    name: str
    prefix: str
    kind: ApiKeyKind
    scopes: tuple[Scope, ...]
    allowed_origins: tuple[str, ...]
    rate_limit: RequestRate | None
    created_at: datetime.datetime
    last_used_at: datetime.datetime | None
    expires_at: datetime.datetime | None
    revoked_at: datetime.datetime | None


@dataclass(frozen=True, slots=True)
class PresentedKey:
    """A key whose secret somebody has presented, with what the database's clock says of it.

    Args:
        seconds_left: Until it expires, 0 or less when it has; None where it never does.
        is_use_due: Its last use was noted long enough ago to note another one.
    """

    key: ApiKey
    merchant_id: int
    seconds_left: float | None
    is_use_due: bool


class ApiKeyRepository:
    """Questions about API keys."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(
        self,
        merchant_id: int,
        name: str,
        *,
        prefix: str,
        digest: str,
        kind: ApiKeyKind,
        scopes: Sequence[Scope],
        allowed_origins: Sequence[str],
        expires_at: datetime.datetime | None,
        rate_limit: RequestRate | None = None,
    ) -> int:
        """A new key's id.

        Args:
            digest: SHA-256 of the secret, in hexadecimal.
        """
        return self._session.execute(
            insert(ApiKeyRow)
            .values(
                merchant_id=merchant_id,
                name=name,
                prefix=prefix,
                hash=digest,
                kind=kind,
                scopes=[scope.value for scope in scopes],
                allowed_origins=list(allowed_origins),
                expires_at=expires_at,
                rate_limit=None if rate_limit is None else str(rate_limit),
            )
            .returning(ApiKeyRow.id)
        ).scalar_one()

    def all(self, merchant_id: int | None = None) -> list[ApiKey]:
        """The keys of one merchant or of all, by merchant and age, those included that no longer count."""
        keys = _keys().order_by(MerchantRow.name, ApiKeyRow.id)
        if merchant_id is not None:
            keys = keys.where(ApiKeyRow.merchant_id == merchant_id)
        return [_key(*row) for row in self._session.execute(keys)]

    def get(self, key_id: int) -> ApiKey:
        """The key of this id, which there must be."""
        return _key(*self._session.execute(_keys().where(ApiKeyRow.id == key_id)).one())

    def ids(
        self,
        merchant_id: int | None = None,
        *,
        key_id: int | None = None,
        prefix: str | None = None,
        digest: str | None = None,
    ) -> list[int]:
        """Ids of the keys that are like this in everything that is given."""
        wanted: list[ColumnElement[bool]] = []
        if merchant_id is not None:
            wanted.append(ApiKeyRow.merchant_id == merchant_id)
        if key_id is not None:
            wanted.append(ApiKeyRow.id == key_id)
        if prefix is not None:
            wanted.append(ApiKeyRow.prefix == prefix)
        if digest is not None:
            wanted.append(ApiKeyRow.hash == digest)
        return list(self._session.execute(select(ApiKeyRow.id).where(*wanted).order_by(ApiKeyRow.id)).scalars())

    def revoke(self, key_id: int) -> None:
        """Have the key count no longer. One that is revoked keeps its time."""
        self._session.execute(
            update(ApiKeyRow)
            .where(ApiKeyRow.id == key_id)
            .values(revoked_at=func.coalesce(ApiKeyRow.revoked_at, func.now()))
        )

    def presented(self, digest: str) -> PresentedKey | None:
        """The key whose secret has this digest, whether it counts or not; or None."""
        seconds_left = func.extract("epoch", ApiKeyRow.expires_at - func.now())
        asked = _keys().add_columns(ApiKeyRow.merchant_id, seconds_left, _is_use_due()).where(ApiKeyRow.hash == digest)
        row = self._session.execute(asked).one_or_none()
        if row is None:
            return None
        *facts, merchant_id, left, is_use_due = row
        return PresentedKey(_key(*facts), merchant_id, None if left is None else float(left), is_use_due)

    def note_use(self, key_id: int) -> None:
        """Note that the key is used now, unless that was just noted, or is being noted by somebody else.

        Waits for no lock, and its commit does not wait for the disk: a last use that a crash forgets is no loss.
        """
        self._session.execute(select(func.set_config("synchronous_commit", "off", True)))
        free = select(ApiKeyRow.id).where(ApiKeyRow.id == key_id, _is_use_due()).with_for_update(skip_locked=True)
        self._session.execute(
            update(ApiKeyRow)
            .where(ApiKeyRow.id.in_(free.scalar_subquery()))
            .values(last_used_at=func.now())
            .execution_options(synchronize_session=False)
        )


def _is_use_due() -> ColumnElement[bool]:
    return or_(ApiKeyRow.last_used_at.is_(None), ApiKeyRow.last_used_at <= func.now() - NOTE_EVERY)


def _keys() -> Select[*tuple[Any, ...]]:
    return select(
        ApiKeyRow.id,
        MerchantRow.name,
        ApiKeyRow.name,
        ApiKeyRow.prefix,
        ApiKeyRow.kind,
        ApiKeyRow.scopes,
        ApiKeyRow.allowed_origins,
        ApiKeyRow.rate_limit,
        ApiKeyRow.created_at,
        ApiKeyRow.last_used_at,
        ApiKeyRow.expires_at,
        ApiKeyRow.revoked_at,
    ).join(MerchantRow, MerchantRow.id == ApiKeyRow.merchant_id)


def _key(  # Named as the columns are.
    id: int,
    merchant: str,
    name: str,
    prefix: str,
    kind: str,
    scopes: Sequence[str],
    allowed_origins: Sequence[str],
    rate_limit: str | None,
    *times: Any,  # noqa: ANN401 - the last columns, in order.
) -> ApiKey:
    held = tuple(scope for scope in Scope if scope in scopes)
    rate = None if rate_limit is None else parse_request_rate(rate_limit)
    return ApiKey(id, merchant, name, prefix, ApiKeyKind(kind), held, tuple(allowed_origins), rate, *times)
