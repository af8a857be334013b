"""Dirty images: marked by writers, claimed by indexers under a lease, finished when nothing marked them again."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from sqlalchemy import (
    CTE,
    BigInteger,
    Boolean,
    ColumnElement,
    DateTime,
    Select,
    and_,
    case,
    column,
    delete,
    func,
    literal,
    or_,
    select,
    table,
    update,
    values,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from catalog.ports.backlog import MerchantBacklog
from catalog.repositories.images import content_key_column
from catalog.repositories.row_counts import num_rows
from catalog.rows import (
    GalleryRow,
    GalleryState,
    ImageRow,
    ImageState,
    IndexedImageRow,
    MerchantRow,
    OutboxRow,
    image_revision,
)

DEADLY_ATTEMPTS = 2
"""So many claims that ended without a word, and a mark is a suspect: whatever works on it may be killed by it."""


class Work(Enum):
    """Which marks an indexer takes.

    ``ANY`` is all but the suspects. ``LIGHT`` is what needs no network: payloads to replace, points to delete.
    ``SUSPECT`` is what several processes have left without a word, as a killed one does: to be worked on alone.
    """

    ANY = "any"
    LIGHT = "light"
    SUSPECT = "suspect"


@dataclass(frozen=True, slots=True)
class Claim:
    """One dirty image that is this indexer's until the lease ends.

    Args:
        revision: The mark's revision when it was claimed; the mark is finished only if it is still the same.
        attempts: How often it has been claimed since it was marked, this time included.
        lease_until: When the lease ends; also tells this claim from every other one of the image.
    """

    image_id: int
    merchant_id: int
    revision: int
    attempts: int
    lease_until: datetime.datetime


@dataclass(frozen=True, slots=True)
class Postponement:
    """Why a claim's work failed for now, and how long its mark waits.

    Args:
        is_attempt: Whether it counts among those after which is given up.
    """

    delay: datetime.timedelta
    reason: str
    is_attempt: bool = True


@dataclass(frozen=True, slots=True)
class Backlog:
    """How much is dirty.

    Args:
        waiting: Marks in all.
        due: Of these, those that could be claimed now.
        leased: Of these, claimed by an indexer right now.
        failing: Of these, failed at least once.
        oldest_seconds: Age of the mark that has been available longest, or None.
    """

    waiting: int
    due: int
    leased: int
    failing: int
    oldest_seconds: float | None


class OutboxRepository:
    """Questions about dirty images."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._has_marked = False

    def take_marked(self) -> bool:
        """Whether images were marked since this was last asked."""
        marked, self._has_marked = self._has_marked, False
        return marked

    def mark(self, image_ids: Sequence[int]) -> None:
        """Mark existing images dirty, each at a new revision. A mark that waits or is being worked on is renewed.

        A claimed image keeps its lease: the indexer that holds it sees at the end that the revision has moved.
        """
        if image_ids:
            self._mark(ImageRow.id.in_(image_ids))

    def mark_behind(self, merchant_id: int, gallery_id: int, per_second: float | None = None) -> int:
        """Mark the merchant's images that the gallery does not hold at their latest revision; returns how many.

        Marks that wait are renewed: an indexer that has claimed them may not know yet that it is to feed this gallery.

        Args:
            per_second: So many of them become due in a second, so that workers leave time to others; None is all at
                once. Marks that wait become due no later than they would have.
        """
        held = select(literal(1)).where(
            IndexedImageRow.gallery_id == gallery_id,
            IndexedImageRow.image_id == ImageRow.id,
            IndexedImageRow.revision == ImageRow.revision,
        )
        waiting = select(literal(1)).where(OutboxRow.image_id == ImageRow.id)
        behind = and_(ImageRow.merchant_id == merchant_id, or_(~held.exists(), waiting.exists()))
        return self._mark(behind, per_second)

    def renew(self, merchant_id: int) -> None:
        """Renew the merchant's marks, so that what is being worked on is done once more for the galleries fed by then.

        Waits for the transactions that are finishing some of them.
        """
        waiting = select(OutboxRow.image_id).where(OutboxRow.merchant_id == merchant_id)
        self._mark(ImageRow.id.in_(waiting))
        gone = (
            select(OutboxRow.image_id, OutboxRow.merchant_id, func.nextval(image_revision.name), func.now())
            .where(
                OutboxRow.merchant_id == merchant_id,
                ~select(literal(1)).where(ImageRow.id == OutboxRow.image_id).exists(),
            )
            .order_by(OutboxRow.image_id)
        )
        self._insert(gone)

    def mark_products(self, product_ids: Select[int]) -> int:
        """Mark every image of the products that a query gives; returns how many."""
        return self._mark(ImageRow.product_id.in_(product_ids))

    def mark_quarantined(self, merchant_id: int) -> int:
        """Have the merchant's images in quarantine tried again, those whose bytes are kept; returns how many."""
        quarantined = and_(
            ImageRow.merchant_id == merchant_id,
            ImageRow.state == ImageState.QUARANTINED,
            ImageRow.sha256.is_not(None),
        )
        image_ids = list(
            self._session.execute(
                select(ImageRow.id).where(quarantined).order_by(ImageRow.id).with_for_update()
            ).scalars()
        )
        self._session.execute(
            update(ImageRow)
            .where(ImageRow.id.in_(image_ids))
            .values(state=ImageState.READY, last_error=None)
            .execution_options(synchronize_session=False)
        )
        self.mark(image_ids)
        return len(image_ids)

    def mark_leftovers(self, gallery_id: int) -> int:
        """Mark what the gallery holds of images that are gone, so that their points go too; returns how many.

        A gallery that was not fed for a while has missed the removals of that time.
        """
        leftovers = (
            select(IndexedImageRow.image_id, GalleryRow.merchant_id, func.nextval(image_revision.name), func.now())
            .join(GalleryRow, GalleryRow.id == IndexedImageRow.gallery_id)
            .where(
                IndexedImageRow.gallery_id == gallery_id,
                ~select(literal(1)).where(ImageRow.id == IndexedImageRow.image_id).exists(),
            )
            .order_by(IndexedImageRow.image_id)
        )
        return self._insert(leftovers)

    def mark_again(self, claims: Sequence[Claim]) -> None:
        """Mark these images whether or not they still exist: what was written of them may be out of date."""
        if not claims:
            return
        overtaken = values(column("image_id", BigInteger), column("merchant_id", BigInteger), name="overtaken").data(
            [(claim.image_id, claim.merchant_id) for claim in claims]
        )
        self.mark([claim.image_id for claim in claims])
        gone = (
            select(overtaken.c.image_id, overtaken.c.merchant_id, func.nextval(image_revision.name), func.now())
            .where(~select(literal(1)).where(ImageRow.id == overtaken.c.image_id).exists())
            .order_by(overtaken.c.image_id)
        )
        self._insert(gone)

    def _mark(self, which: ColumnElement[bool], per_second: float | None = None) -> int:
        # One statement, whatever the number of images. Locked in the order of ids, as everywhere, so that two writers
        # never wait for each other in a circle.
        locked = select(ImageRow.id).where(which).order_by(ImageRow.id).with_for_update().cte("locked")
        marked = (
            update(ImageRow)
            .where(ImageRow.id == locked.c.id)
            .values(revision=func.nextval(image_revision.name))
            .returning(ImageRow.id, ImageRow.merchant_id, ImageRow.revision)
            .cte("marked")
        )
        due: ColumnElement[datetime.datetime] = func.now()
        if per_second is not None:
            place = func.row_number().over(order_by=marked.c.id) - 1
            due = func.now() + func.make_interval(0, 0, 0, 0, 0, 0, place / per_second)
        marks = select(marked.c.id, marked.c.merchant_id, marked.c.revision, due).order_by(marked.c.id)
        return self._insert(marks, marked, is_spread=per_second is not None)

    def _insert(self, marks: Select[Any], *parts: CTE, is_spread: bool = False) -> int:
        """Insert marks of (image id, merchant id, revision, when due) in the order they come, renewing those there are.

        Args:
            is_spread: Marks that are there stay due as they are, if that is earlier.
        """
        columns = ["image_id", "merchant_id", "revision", "available_at"]
        statement = insert(OutboxRow).from_select(columns, marks).add_cte(*parts)
        due = statement.excluded.available_at
        result = self._session.execute(
            statement.on_conflict_do_update(
                index_elements=[OutboxRow.image_id],
                set_={
                    "revision": statement.excluded.revision,
                    "available_at": func.least(OutboxRow.available_at, due) if is_spread else due,
                    "attempts": 0,
                    "last_error": None,
                },
            )
        )
        num_marked = num_rows(result)
        self._has_marked = self._has_marked or num_marked > 0
        return num_marked

    def claim(
        self, limit: int, lease: datetime.timedelta, merchant_id: int | None = None, work: Work = Work.ANY
    ) -> list[Claim]:
        """Take up to ``limit`` marks that are due and not leased, those that are due longest first."""
        due = (
            select(OutboxRow.image_id)
            .where(*_due(work))
            .order_by(OutboxRow.available_at, OutboxRow.image_id)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        if merchant_id is not None:
            due = due.where(OutboxRow.merchant_id == merchant_id)
        # A CTE runs once. A subquery may be run again for every row, and each run would skip other locked rows.
        taken = due.cte("due")
        claimed = self._session.execute(
            update(OutboxRow)
            .where(OutboxRow.image_id == taken.c.image_id)
            .values(lease_until=func.now() + lease, attempts=OutboxRow.attempts + 1)
            .returning(
                OutboxRow.image_id,
                OutboxRow.merchant_id,
                OutboxRow.revision,
                OutboxRow.attempts,
                OutboxRow.lease_until,
            )
            .execution_options(synchronize_session=False)
        )
        claims = [
            Claim(image_id, merchant, revision, attempts, until)
            for image_id, merchant, revision, attempts, until in claimed
            if until is not None
        ]
        return sorted(claims, key=lambda claim: claim.image_id)

    def is_due(self, work: Work) -> bool:
        """Whether there is a mark of this kind that could be claimed now."""
        return self._session.execute(select(select(literal(1)).where(*_due(work)).exists())).scalar_one()

    def finish(self, claims: Sequence[Claim], postponed: Mapping[int, Postponement]) -> list[Claim]:
        """End the claims: remove the marks whose revision is still the claimed one, release those renewed meanwhile.

        Args:
            postponed: By image id, the claims whose work failed for now: their marks stay and wait.

        Returns:
            Claims whose lease ran out, and whose image another indexer has taken or finished at a later revision. What
            was written for them may have replaced something newer: ``mark_again`` has it written once more.
        """
        if not claims:
            return []
        rows = self._session.execute(
            select(OutboxRow.image_id, OutboxRow.revision, OutboxRow.lease_until)
            .where(OutboxRow.image_id.in_([claim.image_id for claim in claims]))
            .order_by(OutboxRow.image_id)
            .with_for_update()
        )
        now = {image_id: (revision, lease_until) for image_id, revision, lease_until in rows}
        finished: list[int] = []
        renewed: list[int] = []
        overtaken: list[Claim] = []
        for claim in claims:
            revision, lease_until = now.get(claim.image_id, (None, None))
            if revision is not None and lease_until == claim.lease_until:
                if revision != claim.revision:
                    renewed.append(claim.image_id)
                elif claim.image_id in postponed:
                    self._postpone(claim.image_id, postponed[claim.image_id])
                else:
                    finished.append(claim.image_id)
            elif revision != claim.revision and claim.image_id not in postponed:
                overtaken.append(claim)
        if finished:
            self._session.execute(delete(OutboxRow).where(OutboxRow.image_id.in_(finished)))
        if renewed:
            self._session.execute(update(OutboxRow).where(OutboxRow.image_id.in_(renewed)).values(lease_until=None))
        return overtaken

    def _postpone(self, image_id: int, postponement: Postponement) -> None:
        self._session.execute(
            update(OutboxRow)
            .where(OutboxRow.image_id == image_id)
            .values(
                lease_until=None,
                available_at=func.now() + postponement.delay,
                last_error=postponement.reason,
                attempts=OutboxRow.attempts - (0 if postponement.is_attempt else 1),
            )
        )

    def give_back(self, claims: Sequence[Claim]) -> None:
        """End claims that nothing was done for; they do not count as attempts."""
        held = values(column("image_id", BigInteger), column("lease_until", DateTime(timezone=True)), name="held").data(
            [(claim.image_id, claim.lease_until) for claim in claims]
        )
        ours = (
            select(OutboxRow.image_id)
            .join(held, (held.c.image_id == OutboxRow.image_id) & (held.c.lease_until == OutboxRow.lease_until))
            .order_by(OutboxRow.image_id)
            .with_for_update(of=OutboxRow)
            .cte("ours")
        )
        self._session.execute(
            update(OutboxRow)
            .where(OutboxRow.image_id == ours.c.image_id)
            .values(lease_until=None, attempts=func.greatest(OutboxRow.attempts - 1, 0))
            .execution_options(synchronize_session=False)
        )

    def release_abandoned(self) -> None:
        """End every lease. Only for a process that knows no other indexer runs, because it alone owns the index."""
        abandoned = (
            select(OutboxRow.image_id)
            .where(OutboxRow.lease_until.is_not(None))
            .order_by(OutboxRow.image_id)
            .with_for_update()
            .cte("abandoned")
        )
        self._session.execute(
            update(OutboxRow)
            .where(OutboxRow.image_id == abandoned.c.image_id)
            .values(lease_until=None)
            .execution_options(synchronize_session=False)
        )

    def latest_revision(self) -> int:
        """The revision that was given last; 0 before the first."""
        sequence = table(image_revision.name, column("last_value", BigInteger), column("is_called", Boolean))
        latest = case((sequence.c.is_called, sequence.c.last_value), else_=0)
        return int(self._session.execute(select(latest)).scalar_one())

    def backlog(self, merchant_id: int | None = None, since: int = 0) -> Backlog:
        """How much is dirty, of one merchant or of all, among what was marked after this revision."""
        statement = select(
            func.count(),
            func.count().filter(
                OutboxRow.available_at <= func.now(),
                or_(OutboxRow.lease_until.is_(None), OutboxRow.lease_until < func.now()),
            ),
            func.count().filter(OutboxRow.lease_until >= func.now()),
            func.count().filter(OutboxRow.last_error.is_not(None)),
            func.extract("epoch", func.now() - func.min(OutboxRow.available_at)),
        )
        if merchant_id is not None:
            statement = statement.where(OutboxRow.merchant_id == merchant_id)
        if since:
            statement = statement.where(OutboxRow.revision > since)
        waiting, due, leased, failing, oldest = self._session.execute(statement).one()
        return Backlog(waiting, due, leased, failing, None if oldest is None else float(oldest))

    def backlogs(self) -> list[MerchantBacklog]:
        """How much is dirty and how much was set aside, of every merchant, in alphabetical order."""
        is_leased = OutboxRow.lease_until >= func.now()
        is_due = and_(OutboxRow.available_at <= func.now(), or_(OutboxRow.lease_until.is_(None), ~is_leased))
        dirty = (
            select(
                OutboxRow.merchant_id,
                func.count().filter(is_due).label("due"),
                func.count().filter(is_leased).label("leased"),
                func.count().label("waiting"),
                func.extract("epoch", func.now() - func.min(OutboxRow.available_at).filter(is_due)).label("oldest"),
            )
            .group_by(OutboxRow.merchant_id)
            .subquery()
        )
        quarantined = (
            select(ImageRow.merchant_id, func.count().label("number"))
            .where(ImageRow.state == ImageState.QUARANTINED)
            .group_by(ImageRow.merchant_id)
            .subquery()
        )
        rows = self._session.execute(
            select(
                MerchantRow.name,
                func.coalesce(dirty.c.due, 0),
                func.coalesce(dirty.c.leased, 0),
                func.coalesce(dirty.c.waiting - dirty.c.due - dirty.c.leased, 0),
                func.coalesce(dirty.c.oldest, 0),
                func.coalesce(quarantined.c.number, 0),
            )
            .outerjoin(dirty, dirty.c.merchant_id == MerchantRow.id)
            .outerjoin(quarantined, quarantined.c.merchant_id == MerchantRow.id)
            .order_by(MerchantRow.name)
        )
        return [
            MerchantBacklog(name, due, leased, postponed, float(oldest), set_aside)
            for name, due, leased, postponed, oldest, set_aside in rows
        ]


def _due(work: Work) -> tuple[ColumnElement[bool], ...]:
    """What a mark of this kind must be like to be claimed."""
    suspect = and_(OutboxRow.attempts >= DEADLY_ATTEMPTS, OutboxRow.last_error.is_(None))
    match work:
        case Work.ANY:
            kind = ~suspect
        case Work.LIGHT:
            kind = and_(~suspect, ~_needs_network())
        case Work.SUSPECT:
            kind = suspect
    return (
        OutboxRow.available_at <= func.now(),
        or_(OutboxRow.lease_until.is_(None), OutboxRow.lease_until < func.now()),
        kind,
    )


def _needs_network() -> ColumnElement[bool]:
    """Some gallery that is fed holds nothing of the image, or what was embedded from other content."""
    held = select(literal(1)).where(
        IndexedImageRow.gallery_id == GalleryRow.id,
        IndexedImageRow.image_id == ImageRow.id,
        IndexedImageRow.content_key == content_key_column(),
    )
    return (
        select(literal(1))
        .select_from(ImageRow)
        .join(GalleryRow, GalleryRow.merchant_id == ImageRow.merchant_id)
        .where(
            ImageRow.id == OutboxRow.image_id,
            ImageRow.state == ImageState.READY,
            ImageRow.sha256.is_not(None),
            GalleryRow.state != GalleryState.RETIRED,
            ~held.exists(),
        )
        .exists()
    )
