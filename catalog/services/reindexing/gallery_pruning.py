"""Dropping the galleries that nobody goes back to, and their points."""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable
from dataclasses import dataclass

from catalog.errors import GalleryBusy
from catalog.ports.vector_index import VectorIndex
from catalog.repositories.galleries import Gallery
from catalog.rows import GalleryState
from catalog.services.galleries.gallery_layout import collection_name
from catalog.services.queries.search_filter import search_filter
from catalog.types import SearchFilters
from catalog.unit_of_work import UnitOfWork, UnitOfWorkFactory

POINTS_PER_DELETION = 1000

LONGEST_SEARCH = datetime.timedelta(seconds=10)
"""A search may be in the gallery that was live when it began for so long after the change to another."""


@dataclass(frozen=True, slots=True)
class PruneSummary:
    """What was dropped.

    Args:
        galleries: Those of the merchant whose rows went.
        points: How many points went, those that an interrupted run had left included.
        collections: Names of those that were dropped whole, because no merchant has a gallery in them.
    """

    galleries: tuple[Gallery, ...]
    points: int
    collections: tuple[str, ...]


class GalleryPruning:
    """Drops galleries: first their rows, so that nothing speaks of them any more, then their points.

    Points are found by asking the collections and not by what was noted of them. So whatever a killed run has left is
    found again by the next one.

    Args:
        alone: True when nobody else indexes or searches, because this process owns the index.
        sleep: Waits for so many seconds.
    """

    def __init__(
        self,
        unit_of_work: UnitOfWorkFactory,
        index: VectorIndex,
        *,
        alone: bool,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._unit_of_work = unit_of_work
        self._sleep = sleep
        self._index = index
        self._alone = alone

    def run(self, merchant_id: int, *, building: bool = False) -> PruneSummary:
        """Drop the merchant's retired galleries. There is no way back to them but building them again.

        Args:
            building: Drop those that are being built, too, as abandoned.

        Raises:
            GalleryBusy: a gallery is being built, or images of the merchant are being indexed right now. Nothing was
                dropped.
            IndexBusy, IndexUnavailable, DatabaseUnavailable: a service is held or down; the next run goes on.
        """
        # Held open until the end: nobody builds a gallery meanwhile, and where somebody does, this ends here.
        with self._unit_of_work() as guard:
            guard.merchants.claim_galleries(merchant_id)
            return self._run(merchant_id, building=building)

    def _run(self, merchant_id: int, *, building: bool) -> PruneSummary:
        collections = self._index.list_collections()
        if self._alone:
            with self._unit_of_work() as work:
                work.outbox.release_abandoned()
                work.commit()
        else:
            self._let_searches_end(merchant_id)
        dropped = self._drop_rows(merchant_id, building=building)
        points = 0
        whole: list[str] = []
        with self._unit_of_work() as work:
            ours = {collection_name(version) for version in work.galleries.noted_versions()}
        for collection in collections:
            # A server may hold collections of others, whatever they are called.
            if collection not in ours:
                continue
            # Held open until the points are gone: who makes a gallery in this collection meanwhile waits.
            with self._unit_of_work() as guard:
                guard.galleries.lock_collection(collection)
                merchants = guard.galleries.merchants_in(collection)
                if not merchants:
                    points += self._index.count(collection)
                    self._index.drop_collection(collection)
                    whole.append(collection)
                elif merchant_id not in merchants:
                    points += self._delete_points(merchant_id, collection)
        return PruneSummary(tuple(dropped), points, tuple(whole))

    def _let_searches_end(self, merchant_id: int) -> None:
        """Wait until no search can still be in a gallery that was live when it began."""
        with self._unit_of_work() as work:
            since = work.galleries.since_last_change(merchant_id)
        if since is not None and since < LONGEST_SEARCH:
            self._sleep((LONGEST_SEARCH - since).total_seconds())

    def _drop_rows(self, merchant_id: int, *, building: bool) -> list[Gallery]:
        with self._unit_of_work() as work:
            work.merchants.lock(merchant_id)
            _require_idle(work, merchant_id)
            galleries = work.galleries.of_merchant(merchant_id)
            abandoned = [one.id for one in galleries if building and one.state == GalleryState.BUILDING]
            work.galleries.set_state(abandoned, GalleryState.RETIRED)
            work.commit()
        # From here on no indexer that begins a batch reads that these are fed. One that began between the two looks
        # at what is being indexed may have: then everything is put back.
        with self._unit_of_work() as work:
            work.merchants.lock(merchant_id)
            try:
                _require_idle(work, merchant_id)
            except GalleryBusy:
                work.galleries.set_state(abandoned, GalleryState.BUILDING)
                work.commit()
                raise
            retired = [one for one in work.galleries.of_merchant(merchant_id) if one.state == GalleryState.RETIRED]
            work.galleries.drop([one.id for one in retired])
            work.commit()
        return retired

    def _delete_points(self, merchant_id: int, collection: str) -> int:
        ours = search_filter(merchant_id, SearchFilters())
        number = 0
        after: int | None = None
        while points := self._index.scroll(collection, ours, POINTS_PER_DELETION, after):
            self._index.delete(collection, [point.id for point in points])
            number += len(points)
            after = points[-1].id
        return number


def _require_idle(work: UnitOfWork, merchant_id: int) -> None:
    leased = work.outbox.backlog(merchant_id).leased
    if leased:
        raise GalleryBusy(
            "A gallery of this merchant may be being filled, so none was dropped",
            received=f"{leased} images that are being indexed right now",
            expected="a merchant whose images nobody is indexing",
            remedy="wait until the indexing has ended, or end it; then run the command again",
        )
