"""Merchants by name."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Integer, cast, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from catalog.errors import GalleryBusy, IngestRunning, MerchantNotFound
from catalog.repositories.advisory_locks import is_locked
from catalog.rows import MerchantRow

_CATALOG_LOCK = 7243
INGEST_LOCK = 7244
GALLERIES_LOCK = 7246
"""First keys of the advisory locks on merchants; the second is the merchant's id."""


class MerchantRepository:
    """Questions about merchants."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def ensure(self, name: str) -> int:
        """The merchant's id; a new merchant is made on first sight. Safe when two processes do it at once."""
        self._session.execute(insert(MerchantRow).values(name=name).on_conflict_do_nothing())
        return self._session.execute(select(MerchantRow.id).where(MerchantRow.name == name)).scalar_one()

    def find(self, name: str) -> int | None:
        """The merchant's id, or None."""
        return self._session.execute(select(MerchantRow.id).where(MerchantRow.name == name)).scalar_one_or_none()

    def id_of(self, name: str) -> int:
        """The merchant's id.

        Raises:
            MerchantNotFound: with the names there are.
        """
        found = self.find(name)
        if found is None:
            known = self.names()
            raise MerchantNotFound(
                "No such merchant",
                received=name,
                expected="one of " + ", ".join(known) if known else "a merchant; none has been ingested yet",
                remedy=f"drape ingest FEED --merchant {name}",
            )
        return found

    def lock(self, merchant_id: int) -> None:
        """Wait until no other transaction writes this merchant's catalog, and keep others out until the end."""
        self._session.execute(select(func.pg_advisory_xact_lock(_CATALOG_LOCK, cast(merchant_id, Integer))))

    def claim_ingest(self, merchant_id: int, name: str) -> None:
        """Be the only ingest of this merchant until the transaction ends.

        Raises:
            IngestRunning: another one is.
        """
        key = cast(merchant_id, Integer)
        if not self._session.execute(select(func.pg_try_advisory_xact_lock(INGEST_LOCK, key))).scalar_one():
            raise _ingest_running(name)

    def check_not_ingested(self, merchant_id: int, name: str) -> None:
        """Find out whether an ingest of this merchant would be turned away just now, in nobody's way.

        Raises:
            IngestRunning: one is running.
        """
        if self._session.execute(select(is_locked(INGEST_LOCK, merchant_id))).scalar_one():
            raise _ingest_running(name)

    def claim_galleries(self, merchant_id: int) -> None:
        """Be the only one that builds, changes or drops this merchant's galleries until the transaction ends.

        Raises:
            GalleryBusy: another one is.
        """
        key = cast(merchant_id, Integer)
        if not self._session.execute(select(func.pg_try_advisory_xact_lock(GALLERIES_LOCK, key))).scalar_one():
            raise GalleryBusy(
                "This merchant's galleries are being built, changed or dropped right now",
                received="a second re-indexing",
                expected="one at a time",
                remedy="wait for the other one, or end it; then run the command again",
            )

    def names_of(self, merchant_ids: Collection[int]) -> dict[int, str]:
        """The names of these merchants, by id."""
        named = select(MerchantRow.id, MerchantRow.name).where(MerchantRow.id.in_(merchant_ids))
        return dict(self._session.execute(named).all())

    def names(self) -> list[str]:
        """All merchants in alphabetical order."""
        return list(self._session.execute(select(MerchantRow.name).order_by(MerchantRow.name)).scalars())


def _ingest_running(name: str) -> IngestRunning:
    return IngestRunning(
        "This merchant's catalog is being ingested right now",
        received=f"a second ingest of {name}",
        expected="one at a time",
        remedy="wait for the other one, then run the command again",
    )
