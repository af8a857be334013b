"""Dirty images: marked by writers, claimed by indexers under a lease, finished when nothing marked them again."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import BigInteger, column, delete, func, or_, select, tuple_, update, values
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from catalog.rows import ImageRow, OutboxRow


@dataclass(frozen=True, slots=True)
class Claim:
    """One dirty image that is this indexer's until the lease ends.

    Args:
        revision: The mark's revision when it was claimed; the mark is finished only if it is still the same.
        attempts: How often it has been claimed, this time included.
    """

    image_id: int
    merchant_id: int
    revision: int
    attempts: int


@dataclass(frozen=True, slots=True)
class Backlog:
    """How much is dirty.

    Args:
        waiting: Marks in all.
        leased: Of these, claimed by an indexer right now.
        failing: Of these, failed at least once.
        oldest_seconds: Age of the mark that has been available longest, or None.
    """

    waiting: int
    leased: int
    failing: int
    oldest_seconds: float | None


class OutboxRepository:
    """Questions about dirty images."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def mark(self, image_ids: Sequence[int]) -> None:
        """Mark existing images dirty, each at a new revision. A mark that waits or is being worked on is renewed.

        A claimed image keeps its lease: the indexer that holds it sees at the end that the revision has moved.
        """
        if not image_ids:
            return
        # In the order of ids, so that two writers never wait for each other in a circle.
        locked = (
            select(ImageRow.id).where(ImageRow.id.in_(image_ids)).order_by(ImageRow.id).with_for_update().subquery()
        )
        marked = self._session.execute(
            update(ImageRow)
            .where(ImageRow.id.in_(select(locked.c.id)))
            .values(revision=func.nextval("image_revision"))
            .returning(ImageRow.id, ImageRow.merchant_id, ImageRow.revision)
            .execution_options(synchronize_session=False)
        ).all()
        if not marked:
            return
        statement = insert(OutboxRow)
        self._session.execute(
            statement.on_conflict_do_update(
                index_elements=[OutboxRow.image_id],
                set_={
                    "revision": statement.excluded.revision,
                    "available_at": func.now(),
                    "attempts": 0,
                    "last_error": None,
                },
            ),
            [
                {"image_id": image_id, "merchant_id": merchant_id, "revision": revision}
                for image_id, merchant_id, revision in sorted(tuple(row) for row in marked)
            ],
        )

    def mark_merchant(self, merchant_id: int) -> int:
        """Mark every image of the merchant dirty; returns how many."""
        ids = list(self._session.execute(select(ImageRow.id).where(ImageRow.merchant_id == merchant_id)).scalars())
        self.mark(ids)
        return len(ids)

    def claim(self, limit: int, lease: datetime.timedelta, merchant_id: int | None = None) -> list[Claim]:
        """Take up to ``limit`` marks that are due and not leased, oldest revision first."""
        due = (
            select(OutboxRow.image_id)
            .where(
                OutboxRow.available_at <= func.now(),
                or_(OutboxRow.lease_until.is_(None), OutboxRow.lease_until < func.now()),
            )
            .order_by(OutboxRow.available_at, OutboxRow.image_id)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        if merchant_id is not None:
            due = due.where(OutboxRow.merchant_id == merchant_id)
        claimed = self._session.execute(
            update(OutboxRow)
            .where(OutboxRow.image_id.in_(due.scalar_subquery()))
            .values(lease_until=func.now() + lease, attempts=OutboxRow.attempts + 1)
            .returning(OutboxRow.image_id, OutboxRow.merchant_id, OutboxRow.revision, OutboxRow.attempts)
            .execution_options(synchronize_session=False)
        )
        return sorted((Claim(*row) for row in claimed), key=lambda claim: claim.image_id)

    def finish(self, claims: Sequence[Claim]) -> None:
        """Remove the marks whose revision is still the claimed one; release the others for another round."""
        if not claims:
            return
        pairs = values(column("image_id", BigInteger), column("revision", BigInteger), name="finished").data(
            [(claim.image_id, claim.revision) for claim in claims]
        )
        self._session.execute(
            delete(OutboxRow)
            .where(tuple_(OutboxRow.image_id, OutboxRow.revision).in_(select(pairs.c.image_id, pairs.c.revision)))
            .execution_options(synchronize_session=False)
        )
        self.release([claim.image_id for claim in claims])

    def release(self, image_ids: Sequence[int]) -> None:
        """End the lease on marks that were claimed, so that another round may take them at once."""
        self._session.execute(
            update(OutboxRow)
            .where(OutboxRow.image_id.in_(image_ids))
            .values(lease_until=None)
            .execution_options(synchronize_session=False)
        )

    def release_abandoned(self) -> int:
        """End every lease. Only for a process that knows no other indexer runs, because it alone owns the index."""
        released = self._session.execute(
            update(OutboxRow)
            .where(OutboxRow.lease_until.is_not(None))
            .values(lease_until=None)
            .returning(OutboxRow.image_id)
            .execution_options(synchronize_session=False)
        )
        return len(released.all())

    def postpone(self, claim: Claim, delay: datetime.timedelta, reason: str) -> None:
        """End the claim and let its mark wait, with the reason of the failure. A renewed mark does not wait."""
        self.release([claim.image_id])
        self._session.execute(
            update(OutboxRow)
            .where(OutboxRow.image_id == claim.image_id, OutboxRow.revision == claim.revision)
            .values(available_at=func.now() + delay, last_error=reason)
            .execution_options(synchronize_session=False)
        )

    def backlog(self, merchant_id: int | None = None) -> Backlog:
        """How much is dirty, of one merchant or of all."""
        statement = select(
            func.count(),
            func.count().filter(OutboxRow.lease_until >= func.now()),
            func.count().filter(OutboxRow.last_error.is_not(None)),
            func.extract("epoch", func.now() - func.min(OutboxRow.available_at)),
        )
        if merchant_id is not None:
            statement = statement.where(OutboxRow.merchant_id == merchant_id)
        waiting, leased, failing, oldest = self._session.execute(statement).one()
        return Backlog(waiting, leased, failing, None if oldest is None else float(oldest))
