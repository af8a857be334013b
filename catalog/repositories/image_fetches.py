"""Images by address: wished for by ingests, claimed by fetchers under a lease, settled when no later wish came.

Every transaction that locks rows of several tables locks images first, then their fetches, then marks, so that no two
wait for each other in a circle.
"""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from sqlalchemy import ColumnElement, Select, and_, delete, func, literal, or_, select, true, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session, aliased

from catalog.ports.backlog import FetchBacklog
from catalog.ports.remote_files import Validators
from catalog.repositories.row_counts import num_rows
from catalog.rows import (
    FETCH_FAILURES,
    FeedSightingRow,
    FetchHostRow,
    FetchOutcome,
    ImageFetchRow,
    ImageRow,
    ImageState,
    MerchantRow,
    ProductRow,
    image_revision,
)
from embeddings.crop_box import RelativeBox

Fault: TypeAlias = tuple[str | None, str | None]
"""What was found, and what was expected."""

NO_FAULT: Final[Fault] = (None, None)


@dataclass(frozen=True, slots=True)
class FetchClaim:
    """One image that is this fetcher's to fetch until the lease ends.

    Args:
        wish: The number of the wish when it was claimed; the fetch is settled only if it is still the same.
        attempts: How often it has been claimed since it was wished, this time included.
        lease_until: When the lease ends; also tells this claim from every other one of the image.
        known: What the server said of the bytes that are stored, or None where there are none, or it said nothing.
    """

    image_id: int
    merchant_id: int
    address: str
    host: str
    wish: int
    attempts: int
    lease_until: datetime.datetime
    known: Validators | None


@dataclass(frozen=True, slots=True)
class HeldImage:
    """An image whose claim still holds, locked until the transaction ends.

    Args:
        is_renewed: Somebody has wished for it again since it was claimed.
        relative_crop: The item's box in shares of the image, where the feed gives it so.
    """

    sha256: str | None
    width: int | None
    height: int | None
    crop: list[int] | None
    state: str
    last_error: str | None
    is_renewed: bool
    relative_crop: RelativeBox | None


@dataclass(frozen=True, slots=True)
class FailedFetch:
    """An image that could not be fetched, with the line of the feed that names it."""

    line: int
    external_id: str
    address: str
    found: str
    expected: str


class ImageFetchRepository:
    """Questions about images that are fetched."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._has_wished = False

    def take_wished(self) -> bool:
        """Whether fetches were wished for since this was last asked."""
        wished, self._has_wished = self._has_wished, False
        return wished

    def wish(self, product_ids: Sequence[int]) -> int:
        """Have all images by address of these products fetched, those that were fetched before, too; how many.

        A fetch that waits or is being worked on is renewed. A claimed one keeps its lease: the fetcher that holds it
        sees at the end that there is a later wish.
        """
        return self._wish(ImageRow.product_id.in_(product_ids)) if product_ids else 0

    def wish_failed(self, merchant_id: int) -> int:
        """Have the merchant's images fetched that are in quarantine because they could not be; how many."""
        failed = select(ImageFetchRow.image_id).where(
            ImageFetchRow.merchant_id == merchant_id, ImageFetchRow.outcome.in_(FETCH_FAILURES)
        )
        return self._wish(and_(ImageRow.id.in_(failed), ImageRow.state == ImageState.QUARANTINED))

    def _wish(self, which: ColumnElement[bool]) -> int:
        host = func.lower(func.substring(ImageRow.source, "^[^/]*//([^/?#]*)"))
        wishes = (
            select(ImageRow.id, ImageRow.merchant_id, host, func.nextval(image_revision.name), func.now())
            .where(which, ImageRow.source.regexp_match("^https?://", flags="i"))
            .order_by(ImageRow.id)
        )
        statement = insert(ImageFetchRow).from_select(["image_id", "merchant_id", "host", "wish", "due_at"], wishes)
        wished = num_rows(
            self._session.execute(
                statement.on_conflict_do_update(
                    index_elements=[ImageFetchRow.image_id],
                    set_={
                        "wish": statement.excluded.wish,
                        "due_at": statement.excluded.due_at,
                        "attempts": 0,
                        "outcome": None,
                        "last_error": None,
                        "expected": None,
                    },
                )
            )
        )
        self._has_wished = self._has_wished or wished > 0
        return wished

    def sizes(self, merchant_id: int, images: Collection[tuple[str, str]]) -> dict[tuple[str, str], tuple[int, int]]:
        """Width and height of those images, by their product's external id and their source, that have been fetched."""
        if not images:
            return {}
        rows = self._session.execute(
            select(ProductRow.external_id, ImageRow.source, ImageRow.width, ImageRow.height)
            .join(ImageRow, ImageRow.product_id == ProductRow.id)
            .where(
                ProductRow.merchant_id == merchant_id,
                ProductRow.external_id.in_({external_id for external_id, _ in images}),
                ImageRow.sha256.is_not(None),
            )
        )
        return {
            (external_id, source): (width, height)
            for external_id, source, width, height in rows
            if width is not None and height is not None
        }

    def note_relative_crops(
        self, merchant_id: int, external_ids: Collection[str], boxes: Mapping[tuple[str, str], RelativeBox]
    ) -> None:
        """Note boxes in shares of images that are fetched, and that the products' other images have none.

        Args:
            external_ids: The products.
            boxes: By a product's external id and an image's source.
        """
        if not external_ids:
            return
        rows = self._session.execute(
            select(ImageFetchRow.image_id, ImageFetchRow.relative_crop, ProductRow.external_id, ImageRow.source)
            .join(ImageRow, ImageRow.id == ImageFetchRow.image_id)
            .join(ProductRow, ProductRow.id == ImageRow.product_id)
            .where(
                ProductRow.merchant_id == merchant_id,
                ProductRow.external_id.in_(external_ids),
                or_(
                    ImageFetchRow.relative_crop.is_not(None),
                    ImageRow.source.in_({source for _, source in boxes}),
                ),
            )
        )
        changes = []
        for image_id, noted, external_id, source in rows:
            box = boxes.get((external_id, source))
            crop = None if box is None else [box.left, box.top, box.right, box.bottom]
            if crop != noted:
                changes.append({"image_id": image_id, "relative_crop": crop})
        if changes:
            self._session.execute(update(ImageFetchRow), changes)

    def boxed(self, product_ids: Collection[int]) -> set[int]:
        """Images of these products whose box is given in shares of them."""
        images = (
            select(ImageRow.id)
            .join(ImageFetchRow, ImageFetchRow.image_id == ImageRow.id)
            .where(ImageRow.product_id.in_(product_ids), ImageFetchRow.relative_crop.is_not(None))
        )
        return set(self._session.execute(images).scalars())

    def claim(
        self,
        limit: int,
        lease: datetime.timedelta,
        *,
        per_host: int,
        busy: Mapping[str, int],
        merchant_id: int | None = None,
    ) -> list[FetchClaim]:
        """Take up to ``limit`` fetches that are due and not leased, spread over their hosts.

        Of each host those come first that are due longest; hosts that are left alone for now give none.

        Args:
            per_host: The most of one host that the caller works on at the same time.
            busy: How many it works on already, by host.
        """
        full = [host for host, number in busy.items() if number >= per_host]
        hosts = _hosts_with_wishes()
        due = (
            select(ImageFetchRow.image_id, ImageFetchRow.due_at)
            .where(ImageFetchRow.host == hosts.c.host, *_due(), _of(merchant_id))
            .order_by(ImageFetchRow.due_at, ImageFetchRow.image_id)
            .limit(per_host)
            .with_for_update(skip_locked=True)
            .lateral("due")
        )
        place = func.row_number().over(partition_by=hosts.c.host, order_by=(due.c.due_at, due.c.image_id))
        spread = (
            select(due.c.image_id, hosts.c.host, place.label("place"), due.c.due_at)
            .select_from(hosts.join(due, true()))
            .where(hosts.c.host.not_in(full), ~_rests(hosts.c.host))
            .subquery("spread")
        )
        candidates = self._session.execute(
            select(spread.c.image_id, spread.c.host, spread.c.place)
            .order_by(spread.c.place, spread.c.due_at, spread.c.image_id)
            .limit(limit + sum(busy.values()))
        )
        # Rows that are not taken stay locked, too, until the claims are committed; others skip them till then.
        taken = [image_id for image_id, host, place in candidates if place <= per_host - busy.get(host, 0)][:limit]
        if not taken:
            return []
        claimed = self._session.execute(
            update(ImageFetchRow)
            .where(ImageFetchRow.image_id.in_(taken), ImageRow.id == ImageFetchRow.image_id)
            .values(lease_until=func.now() + lease, attempts=ImageFetchRow.attempts + 1)
            .returning(
                ImageFetchRow.image_id,
                ImageFetchRow.merchant_id,
                ImageRow.source,
                ImageFetchRow.host,
                ImageFetchRow.wish,
                ImageFetchRow.attempts,
                ImageFetchRow.lease_until,
                ImageFetchRow.etag,
                ImageFetchRow.last_modified,
                ImageRow.sha256,
            )
            .execution_options(synchronize_session=False)
        )
        claims = {
            image_id: FetchClaim(
                image_id, merchant, source, host, wish, attempts, until, _known(etag, last_modified, sha256)
            )
            for image_id, merchant, source, host, wish, attempts, until, etag, last_modified, sha256 in claimed
            if until is not None
        }
        return [claims[image_id] for image_id in taken if image_id in claims]

    def hold(self, claim: FetchClaim) -> HeldImage | None:
        """Lock the image and its fetch until the transaction ends; None where the claim is void.

        It is void where the image is gone, and where the lease has run out and somebody else has claimed the fetch.
        """
        image = self._session.execute(
            select(ImageRow.sha256, ImageRow.width, ImageRow.height, ImageRow.crop, ImageRow.state, ImageRow.last_error)
            .where(ImageRow.id == claim.image_id)
            .with_for_update()
        ).one_or_none()
        fetch = self._session.execute(
            select(ImageFetchRow.lease_until, ImageFetchRow.wish, ImageFetchRow.relative_crop)
            .where(ImageFetchRow.image_id == claim.image_id)
            .with_for_update()
        ).one_or_none()
        if image is None or fetch is None or fetch.lease_until != claim.lease_until:
            return None
        box = None if fetch.relative_crop is None else RelativeBox(*fetch.relative_crop)
        return HeldImage(*image, is_renewed=fetch.wish != claim.wish, relative_crop=box)

    def settle(self, claim: FetchClaim, outcome: FetchOutcome, validators: Validators | None, fault: Fault) -> None:
        """End a claim that is held: the wish is fulfilled, or there is no use in trying again.

        Where there is a later wish it stays due, and what became of this one is not noted.

        Args:
            validators: Of the bytes that are stored from now on; None where those stay that are.
            fault: What was found and expected, empty where it went well.
        """
        values: dict[str, Any] = {"lease_until": None}
        if outcome not in FETCH_FAILURES:
            values["fetched_at"] = func.now()
        if validators is not None:
            values.update(etag=validators.etag, last_modified=validators.last_modified)
        self._end(claim, values)
        found, expected = fault
        self._end(
            claim,
            {"due_at": None, "attempts": 0, "outcome": outcome.value, "last_error": found, "expected": expected},
            of_this_wish=True,
        )

    def postpone(self, claim: FetchClaim, delay: datetime.timedelta, fault: Fault, *, is_attempt: bool = True) -> None:
        """End a claim that is held: it failed for now, and is due again after the delay, or as a later wish has it."""
        found, expected = fault
        values = {
            "due_at": func.now() + delay,
            "last_error": found,
            "expected": expected,
            "attempts": ImageFetchRow.attempts - (0 if is_attempt else 1),
        }
        self._end(claim, values, of_this_wish=True)
        self._end(claim, {"lease_until": None})

    def give_back(self, claim: FetchClaim) -> None:
        """End a claim that nothing came of; it does not count as an attempt."""
        self._session.execute(
            update(ImageFetchRow)
            .where(ImageFetchRow.image_id == claim.image_id, ImageFetchRow.lease_until == claim.lease_until)
            .values(lease_until=None, attempts=func.greatest(ImageFetchRow.attempts - 1, 0))
        )

    def _end(self, claim: FetchClaim, values: Mapping[str, Any], *, of_this_wish: bool = False) -> None:
        statement = update(ImageFetchRow).where(ImageFetchRow.image_id == claim.image_id)
        if of_this_wish:
            statement = statement.where(ImageFetchRow.wish == claim.wish)
        self._session.execute(statement.values(**values))

    def release_abandoned(self) -> None:
        """End every lease. Only for a process that knows that no other fetches."""
        # Locked in the order of ids, as by wishes.
        abandoned = (
            select(ImageFetchRow.image_id)
            .where(ImageFetchRow.lease_until.is_not(None))
            .order_by(ImageFetchRow.image_id)
            .with_for_update()
            .cte("abandoned")
        )
        self._session.execute(
            update(ImageFetchRow)
            .where(ImageFetchRow.image_id == abandoned.c.image_id)
            .values(lease_until=None)
            .execution_options(synchronize_session=False)
        )

    def host_answered(self, host: str) -> None:
        """Note that the host answers: nothing that it failed at before is held against it, once its rest is over."""
        is_over = or_(FetchHostRow.rest_until.is_(None), FetchHostRow.rest_until <= func.now())
        self._session.execute(delete(FetchHostRow).where(FetchHostRow.host == host, is_over))

    def host_failed(self, host: str) -> int:
        """Note that the host has not answered well; how often in a row."""
        statement = insert(FetchHostRow).values(host=host, failures=1)
        failures: int = self._session.execute(
            statement.on_conflict_do_update(
                index_elements=[FetchHostRow.host], set_={"failures": FetchHostRow.failures + 1}
            ).returning(FetchHostRow.failures)
        ).scalar_one()
        return failures

    def rest(self, host: str, delay: datetime.timedelta) -> None:
        """Leave the host alone for so long, or for longer where that was said before."""
        until = func.now() + delay
        self._session.execute(
            update(FetchHostRow)
            .where(FetchHostRow.host == host)
            .values(rest_until=func.greatest(func.coalesce(FetchHostRow.rest_until, until), until))
        )

    def seconds_until_due(self, merchant_id: int | None = None) -> float | None:
        """How long until something can be claimed that nobody holds; 0 where it can now, None where nothing waits."""
        ready = func.greatest(ImageFetchRow.due_at, FetchHostRow.rest_until)
        wait: float | None = self._session.execute(
            select(func.extract("epoch", func.min(ready) - func.now()))
            .select_from(ImageFetchRow)
            .outerjoin(FetchHostRow, FetchHostRow.host == ImageFetchRow.host)
            .where(ImageFetchRow.due_at.is_not(None), _is_free(), _of(merchant_id))
        ).scalar_one()
        return None if wait is None else max(0.0, float(wait))

    def num_waiting(self, merchant_id: int | None = None) -> int:
        """How many images wait to be fetched, those included that are being fetched."""
        waiting = select(func.count()).where(ImageFetchRow.due_at.is_not(None), _of(merchant_id))
        return self._session.execute(waiting).scalar_one()

    def backlog(self, merchant_id: int, since: int = 0) -> FetchBacklog:
        """How much waits to be fetched of a merchant's images, of what was wished for after this revision."""
        rows = self._session.execute(
            _backlogs().where(ImageFetchRow.merchant_id == merchant_id, ImageFetchRow.wish > since)
        )
        return next((FetchBacklog(*row[1:]) for row in rows), FetchBacklog())

    def backlogs(self) -> dict[str, FetchBacklog]:
        """How much waits to be fetched, by merchant's name; only those are there for whom anything does."""
        rows = self._session.execute(_backlogs())
        return {name: FetchBacklog(*counts) for name, *counts in rows}

    def failures(self, merchant_id: int | None = None) -> dict[str, Counter[FetchOutcome]]:
        """How many images could not be fetched, by merchant's name and reason."""
        rows = self._session.execute(
            select(MerchantRow.name, ImageFetchRow.outcome, func.count())
            .join(MerchantRow, MerchantRow.id == ImageFetchRow.merchant_id)
            .where(ImageFetchRow.outcome.in_(FETCH_FAILURES), _of(merchant_id))
            .group_by(MerchantRow.name, ImageFetchRow.outcome)
        )
        counts: dict[str, Counter[FetchOutcome]] = {}
        for name, outcome, number in rows:
            counts.setdefault(name, Counter())[FetchOutcome(str(outcome))] = number
        return counts

    def outcomes(self, merchant_id: int, since: int) -> Counter[FetchOutcome]:
        """What became of the wishes that a merchant's ingest has made since this revision, as far as it is known."""
        rows = self._session.execute(
            select(ImageFetchRow.outcome, func.count())
            .where(
                ImageFetchRow.merchant_id == merchant_id,
                ImageFetchRow.wish > since,
                ImageFetchRow.outcome.is_not(None),
            )
            .group_by(ImageFetchRow.outcome)
        )
        return Counter({FetchOutcome(str(outcome)): number for outcome, number in rows})

    def failed(self, merchant_id: int, job_id: int, since: int) -> list[FailedFetch]:
        """The images that were wished for since this revision and could not be fetched, by their line of the feed."""
        rows = self._session.execute(
            select(
                FeedSightingRow.line,
                ProductRow.external_id,
                ImageRow.source,
                ImageFetchRow.last_error,
                ImageFetchRow.expected,
            )
            .join(ImageRow, ImageRow.id == ImageFetchRow.image_id)
            .join(ProductRow, ProductRow.id == ImageRow.product_id)
            .join(FeedSightingRow, FeedSightingRow.external_id == ProductRow.external_id)
            .where(
                ImageFetchRow.merchant_id == merchant_id,
                ImageFetchRow.wish > since,
                ImageFetchRow.outcome.in_(FETCH_FAILURES),
                FeedSightingRow.job_id == job_id,
            )
            .order_by(FeedSightingRow.line, ImageRow.position)
        )
        return [
            FailedFetch(line, external_id, source, found or "", expected or "")
            for line, external_id, source, found, expected in rows
        ]


def _known(etag: str | None, last_modified: str | None, sha256: str | None) -> Validators | None:
    is_known = sha256 is not None and (etag is not None or last_modified is not None)
    return Validators(etag, last_modified) if is_known else None


def _of(merchant_id: int | None) -> ColumnElement[bool]:
    return true() if merchant_id is None else ImageFetchRow.merchant_id == merchant_id


def _is_free() -> ColumnElement[bool]:
    return or_(ImageFetchRow.lease_until.is_(None), ImageFetchRow.lease_until < func.now())


def _due() -> tuple[ColumnElement[bool], ...]:
    return (ImageFetchRow.due_at <= func.now(), _is_free())


def _rests(host: ColumnElement[str] | Any) -> ColumnElement[bool]:  # noqa: ANN401 - SQLAlchemy's mapped column.
    resting = select(literal(1)).where(FetchHostRow.host == host, FetchHostRow.rest_until > func.now())
    return resting.correlate_except(FetchHostRow).exists()


def _hosts_with_wishes() -> Any:  # noqa: ANN401 - a recursive CTE.
    """All hosts of which something waits, each found by one look into the index, however many images it has."""
    first = select(func.min(ImageFetchRow.host).label("host")).where(ImageFetchRow.due_at.is_not(None))
    hosts = first.cte("hosts", recursive=True)
    later = aliased(ImageFetchRow)
    following = select(func.min(later.host)).where(later.due_at.is_not(None), later.host > hosts.c.host)
    return hosts.union_all(select(following.correlate(hosts).scalar_subquery()).where(hosts.c.host.is_not(None)))


def _backlogs() -> Select[str, int, int, int, int]:
    is_leased = ImageFetchRow.lease_until >= func.now()
    is_resting = and_(FetchHostRow.rest_until.is_not(None), FetchHostRow.rest_until > func.now())
    is_failing = or_(ImageFetchRow.last_error.is_not(None), is_resting)
    return (
        select(
            MerchantRow.name,
            func.count(),
            func.count().filter(*_due(), or_(FetchHostRow.host.is_(None), ~is_resting)),
            func.count().filter(is_leased),
            func.count().filter(and_(is_failing, func.coalesce(~is_leased, true()))),
        )
        .select_from(ImageFetchRow)
        .join(MerchantRow, MerchantRow.id == ImageFetchRow.merchant_id)
        .outerjoin(FetchHostRow, FetchHostRow.host == ImageFetchRow.host)
        .where(ImageFetchRow.due_at.is_not(None))
        .group_by(MerchantRow.name)
        .order_by(MerchantRow.name)
    )
