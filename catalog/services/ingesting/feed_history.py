"""What ingests changed, run by run and product by product."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final

from catalog.errors import JobNotFound
from catalog.repositories.changes import ProductChange
from catalog.repositories.jobs import Job, JobKind
from catalog.rows import ChangeKind
from catalog.services.ingesting.ingest_images import told_of
from catalog.types import JobState, Price
from catalog.unit_of_work import UnitOfWorkFactory

RUNS: Final = (JobKind.INGEST, JobKind.REMOVAL)
"""What changes products: a feed that is taken, and removals of single products, which are one run a day."""


class Undone(StrEnum):
    """Whether a run was undone."""

    NO = "no"
    PARTLY = "partly"
    YES = "yes"


@dataclass(frozen=True, slots=True)
class FeedRun:
    """One ingest, or one day's removals of single products.

    Args:
        undone: ``partly``: undoing it was begun and has not ended, or left products as they are that were no longer
            as the run had left them.
        num_changes: Products whose change is kept, to be looked at or undone; 0 of older runs.
    """

    job: Job
    undone: Undone
    num_changes: int


class FeedHistoryService:
    """Reads what ingests noted."""

    def __init__(self, unit_of_work: UnitOfWorkFactory) -> None:
        self._unit_of_work = unit_of_work

    def runs(self, merchant: str, limit: int = 20) -> list[FeedRun]:
        """The merchant's ingests and removals, newest first.

        Raises:
            MerchantNotFound: no such merchant.
        """
        with self._unit_of_work() as work:
            work.jobs.end_lockless()
            merchant_id = work.merchants.id_of(merchant)
            jobs = work.jobs.latest(merchant_id, limit, *RUNS)
            job_ids = [job.id for job in jobs]
            undoings = work.jobs.undoings(merchant_id, job_ids)
            numbers = work.changes.counts(job_ids)
            work.commit()
        return [FeedRun(job, _undone(undoings.get(job.id)), numbers.get(job.id, 0)) for job in jobs]

    def run(self, merchant: str, job_id: int) -> FeedRun:
        """One of the merchant's ingests or removals.

        Raises:
            MerchantNotFound: no such merchant.
            JobNotFound: the merchant has no ingest and no removals of this number.
        """
        with self._unit_of_work() as work:
            work.jobs.end_lockless()
            merchant_id = work.merchants.id_of(merchant)
            job = work.jobs.find(job_id)
            work.commit()
            if job is None or job.kind not in RUNS or job.merchant != merchant:
                raise JobNotFound(
                    "No such run of a feed",
                    received=f"job {job_id}",
                    expected=f"the number of a run that changed products of {merchant}",
                    remedy=f"drape feed history --merchant {merchant} lists them",
                )
            undoings = work.jobs.undoings(merchant_id, [job_id])
            return FeedRun(job, _undone(undoings.get(job_id)), work.changes.counts([job_id]).get(job_id, 0))

    def changes(self, job_id: int) -> Iterator[ProductChange]:
        """What the job changed, by product id; read a page at a time."""
        last = ""
        while True:
            with self._unit_of_work() as work:
                page = work.changes.of(job_id, last)
            yield from page
            if not page:
                return
            last = page[-1].external_id


@dataclass(frozen=True, slots=True)
class FieldChange:
    """How a run changed one field of a product.

    Args:
        old, new: JSON-serialisable but for ``price``, which is a ``Price``, without a currency where an early version
            noted none; of ``images``, what is told of each of them.
    """

    field: str
    old: Any
    new: Any


def field_changes(change: ProductChange) -> list[FieldChange]:
    """What a run changed of a known product, field by field; empty for a product that came or went.

    A currency that changed with the price is told with it.
    """
    if change.kind is not ChangeKind.CHANGED or change.before is None or change.after is None:
        return []
    names = [name for name in change.fields if name != "currency" or "price" not in change.fields]
    return [FieldChange(name, *_values(name, change.before, change.after)) for name in names]


def _values(name: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[Any, Any]:
    """Old and new, of the images, of a column, or of one of the feed's own."""
    if name == "images":
        return [told_of(image) for image in before["images"]], after["images"]
    old, new = before["columns"], after["columns"]
    if name == "price":
        return _price(old), _price(new)
    if name in new:
        return old[name], new[name]
    return old.get("raw", {}).get(name), new.get("raw", {}).get(name)


def _price(columns: Mapping[str, Any]) -> Price | None:
    if columns["price"] is None:
        return None
    return Price(Decimal(columns["price"]), columns.get("currency", ""))


def _undone(undoing: Job | None) -> Undone:
    if undoing is None:
        return Undone.NO
    is_whole = undoing.state is JobState.DONE and not undoing.counts.get("products_kept")
    return Undone.YES if is_whole else Undone.PARTLY
