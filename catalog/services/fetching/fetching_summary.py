"""What became of the images by address that an ingest has met, whoever fetched them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from catalog.feeds import Column
from catalog.rows import FETCH_FAILURES, FetchOutcome
from catalog.types import Outcome, RowError
from catalog.unit_of_work import UnitOfWorkFactory


@dataclass(frozen=True, slots=True)
class FetchedImages:
    """What became of them so far.

    Args:
        new, changed, unchanged: Whose bytes have come, are others than before, or are the same.
        waiting: Those that are still to be fetched, for the first time or again.
        postponed: Of these, those that failed for now.
        errors: Those that could not be fetched, as errors of the feed's rows, in its order.
    """

    new: int = 0
    changed: int = 0
    unchanged: int = 0
    waiting: int = 0
    postponed: int = 0
    errors: tuple[RowError, ...] = field(default=(), repr=False)

    @property
    def failed(self) -> int:
        """How many could not be fetched."""
        return len(self.errors)

    @property
    def reasons(self) -> Mapping[str, int]:
        """What was expected, and how many images failed it."""
        return Counter(f"{error.column}: expected {error.expected}" for error in self.errors)


def fetched_images(unit_of_work: UnitOfWorkFactory, merchant_id: int, job_id: int, since: int) -> FetchedImages:
    """What became of the images that a merchant's ingest has wished for.

    Args:
        job_id: The merchant's last ingest.
        since: The latest revision before that ingest.
    """
    with unit_of_work() as work:
        outcomes = work.fetches.outcomes(merchant_id, since)
        backlog = work.fetches.backlog(merchant_id, since)
        is_failed = any(outcomes[outcome] for outcome in FETCH_FAILURES)
        failed = work.fetches.failed(merchant_id, job_id, since) if is_failed else []
    return FetchedImages(
        new=outcomes[FetchOutcome.NEW],
        changed=outcomes[FetchOutcome.CHANGED],
        unchanged=outcomes[FetchOutcome.UNCHANGED],
        waiting=backlog.waiting,
        postponed=backlog.failing,
        errors=tuple(
            RowError(
                one.line,
                Column.IMAGE,
                f"{one.address}: {one.found}",
                one.expected,
                one.external_id,
                Outcome.IMAGE_LEFT_OUT,
            )
            for one in failed
        ),
    )
