"""The vector index against PostgreSQL, both ways by id and revision, a page at a time; and what differs put right."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from catalog.errors import GalleryNotFound
from catalog.ports.models import Models
from catalog.ports.vector_index import Filter, Match, StoredPoint, VectorIndex
from catalog.repositories.comparisons import LARGEST_ID, Known
from catalog.repositories.galleries import Gallery
from catalog.services.galleries.gallery_layout import collection_name, collection_spec
from catalog.services.indexing.index_differences import (
    EXAMPLES,
    Finding,
    ReadIds,
    ReadPoints,
    Tally,
    Window,
    difference,
    held_point,
    repair,
    windows,
)
from catalog.services.progress import Advance, unheard
from catalog.unit_of_work import UnitOfWorkFactory


@dataclass(slots=True)
class ComparedGallery:
    """A gallery, and how its points differ from its merchant's images.

    Args:
        num_compared: Ids looked at, on either side.
        num_pending: Of these, dirty or changed while they were looked at: the indexer's business, nothing wrong.
    """

    merchant: str
    gallery: Gallery
    num_compared: int = 0
    num_pending: int = 0
    differences: Tally = field(default_factory=Tally)


@dataclass(slots=True)
class StrayPoints:
    """Points of merchants without a gallery in the collection, all of them orphaned.

    Args:
        num: How many.
        examples: The first of their ids.
    """

    collection: str
    num: int = 0
    examples: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """What was found, and whether it was put right.

    Args:
        merchant_id: Whose galleries were compared; None for everybody's.
        strays: Of each collection that has any.
        is_repaired: What was found was marked or deleted. What was marked is right once the indexer has run.
        num_marked: Images that the repair marked for the indexer.
        num_deleted: Points that the repair deleted.
        is_complete: Everything was compared; it was not stopped before.
    """

    merchant_id: int | None
    galleries: tuple[ComparedGallery, ...]
    strays: tuple[StrayPoints, ...]
    is_repaired: bool
    num_marked: int
    num_deleted: int
    is_complete: bool = True

    @property
    def num_differences(self) -> int:
        """How much is, or was, wrong."""
        return sum(one.differences.total for one in self.galleries) + sum(one.num for one in self.strays)

    @property
    def num_pending(self) -> int:
        """How much was dirty or changing, over all galleries."""
        return sum(one.num_pending for one in self.galleries)


@dataclass(slots=True)
class _Done:
    """What repairs have done so far."""

    num_marked: int = 0
    num_deleted: int = 0


class ReconciliationService:
    """Compares every fed gallery with PostgreSQL.

    An image changes in one transaction that also marks it, and its mark goes only after the index has been written. So
    the index may differ for a marked image, and for one whose mark came or went between two readings. Therefore what
    looks wrong is read again: its point after PostgreSQL's first word on it, and PostgreSQL once more after the point.
    Only where PostgreSQL says the same both times, and no mark, was the point read in between wrong.

    Args:
        page_size: Entries of each side in memory at a time.
    """

    def __init__(
        self, unit_of_work: UnitOfWorkFactory, index: VectorIndex, models: Models, *, page_size: int = 1000
    ) -> None:
        self._unit_of_work = unit_of_work
        self._index = index
        self._models = models
        self._page_size = page_size

    def run(
        self,
        merchant: str | None = None,
        *,
        repairs: bool = False,
        advance: Advance = unheard,
        stop: Callable[[], bool] = lambda: False,
    ) -> Reconciliation:
        """Compare, and put right what differs where that is asked for.

        Safe beside ingests, indexers and searches. A repair that was stopped half-way loses nothing: what it marked is
        the indexer's, and the rest is found again.

        Args:
            merchant: Only this merchant's galleries and points; None takes everybody's.
            repairs: Mark what the indexer must look at, and delete points that belong to nothing.
            advance: Told the number of ids compared.
            stop: Asked after every page; once it says so, the rest is left.

        Raises:
            MerchantNotFound: no merchant of that name.
            IndexUnavailable, IndexBusy, DatabaseUnavailable: a service is down or busy.
        """
        with self._unit_of_work() as work:
            names = work.merchants.names() if merchant is None else [merchant]
            ids = {name: work.merchants.id_of(name) for name in names}
            fed = [(name, gallery) for name, id in ids.items() for gallery in work.galleries.fed(id)]
            ours = {collection_name(version) for version in work.galleries.noted_versions()}
        stored = set(self._index.list_collections())
        done = _Done()
        compared: list[ComparedGallery] = []
        num_compared = 0
        for name, gallery in fed:
            one = ComparedGallery(name, gallery)
            compared.append(one)
            for window in windows(self._point_reader(gallery), self._id_reader(gallery), self._page_size):
                findings = self._findings(one, window)
                if repairs and findings:
                    self._repair(gallery, findings, stored, done)
                num_compared += len(window.ids)
                advance(num_compared, None)
                if stop() or not self._is_fed(gallery):
                    break
        only = None if merchant is None else ids[merchant]
        # Collections that PostgreSQL has never heard of may be somebody else's, on a server that is shared.
        strays = [
            self._strays(collection, only, done if repairs else None)
            for collection in sorted(stored & ours)
            if not stop()
        ]
        return Reconciliation(
            merchant_id=only,
            galleries=tuple(compared),
            strays=tuple(one for one in strays if one.num),
            is_repaired=repairs,
            num_marked=done.num_marked,
            num_deleted=done.num_deleted,
            is_complete=not stop(),
        )

    def _point_reader(self, gallery: Gallery) -> ReadPoints:
        of_merchant = Filter(must=(Match("merchant", (str(gallery.merchant_id),)),))

        def read(after: int | None, limit: int) -> list[StoredPoint]:
            return self._scroll(gallery.collection, of_merchant, limit, after)

        return read

    # A folder of vectors that was lost, and a gallery that was pruned meanwhile, have no collection, and so no points.

    def _scroll(self, collection: str, filter: Filter, limit: int, after: int | None) -> list[StoredPoint]:
        try:
            return self._index.scroll(collection, filter, limit, after)
        except GalleryNotFound:
            return []

    def _retrieve(self, collection: str, ids: Sequence[int]) -> list[StoredPoint]:
        try:
            return self._index.retrieve(collection, ids)
        except GalleryNotFound:
            return []

    def _id_reader(self, gallery: Gallery) -> ReadIds:
        def read(after: int, limit: int) -> list[int]:
            with self._unit_of_work() as work:
                return work.comparisons.expected_ids(gallery, after, limit)

        return read

    def _is_fed(self, gallery: Gallery) -> bool:
        with self._unit_of_work() as work:
            return any(one.id == gallery.id for one in work.galleries.fed(gallery.merchant_id))

    def _findings(self, compared: ComparedGallery, window: Window) -> list[Finding]:
        """What is wrong in a window, after a second look; counts it, and what is pending."""
        gallery = compared.gallery
        version = gallery.model_version
        known = self._known(gallery, window.ids)
        compared.num_compared += len(window.ids)
        compared.num_pending += sum(known[id].marked for id in window.ids)
        suspects = [
            id
            for id in window.ids
            if not known[id].marked and difference(window.points.get(id), known[id], version) is not None
        ]
        if not suspects:
            return []
        found = self._retrieve(gallery.collection, suspects)
        points = {one.id: held_point(one) for one in found if str(gallery.merchant_id) in _merchants_of(one)}
        later = self._known(gallery, suspects)
        if not self._is_fed(gallery):
            # Nobody has kept it up to date since it was retired, and nobody should.
            compared.num_pending += len(suspects)
            return []
        findings: list[Finding] = []
        for id in suspects:
            if later[id] != known[id]:
                compared.num_pending += 1
                continue
            kind = difference(points.get(id), later[id], version)
            if kind is not None:
                compared.differences.add(kind, id)
                findings.append(Finding(id, kind, points.get(id), later[id]))
        return findings

    def _known(self, gallery: Gallery, ids: Sequence[int]) -> dict[int, Known]:
        with self._unit_of_work() as work:
            return work.comparisons.known(gallery, ids)

    def _repair(self, gallery: Gallery, findings: Sequence[Finding], stored: set[str], done: _Done) -> None:
        if gallery.collection not in stored:
            self._index.create_collection(
                gallery.collection, collection_spec(self._models.describe(gallery.model_version))
            )
            stored.add(gallery.collection)
        with self._unit_of_work() as work:
            # What was marked since is the indexer's: a note forgotten now would be noted again by a refresh under way.
            settled = work.comparisons.settle(gallery, [one.id for one in findings])
            plan = repair([one for one in findings if settled[one.id] == one.known], gallery.model_version)
            work.comparisons.forget_notes(gallery.collection, plan.forgotten, gallery.id)
            work.outbox.mark(plan.marked)
            work.commit()
        done.num_marked += len(plan.marked)
        self._delete(gallery.collection, plan.deleted, done)

    def _delete(self, collection: str, ids: Sequence[int], done: _Done) -> None:
        """Delete orphaned points, and make up for any that has become an image's since it was last looked at."""
        if not ids:
            return
        try:
            self._index.delete(collection, ids)
        except GalleryNotFound:
            return
        done.num_deleted += len(ids)
        with self._unit_of_work() as work:
            merchants = work.galleries.merchants_in(collection)
            images = work.images.indexable([id for id in ids if id <= LARGEST_ID])
            adopted = sorted(id for id, image in images.items() if image.merchant_id in merchants)
            work.comparisons.forget_notes(collection, adopted)
            work.outbox.mark(adopted)
            work.commit()
        done.num_marked += len(adopted)

    def _strays(self, collection: str, only: int | None, done: _Done | None) -> StrayPoints:
        """Points of merchants that have no gallery in the collection; deletes them where ``done`` is given."""
        strays = StrayPoints(collection)
        after: int | None = None
        while True:
            merchants = self._merchants_in(collection)
            if only is None:
                filter = Filter(must_not=(Match("merchant", tuple(sorted(merchants))),) if merchants else ())
            elif str(only) in merchants:
                return strays
            else:
                filter = Filter(must=(Match("merchant", (str(only),)),))
            page = self._scroll(collection, filter, self._page_size, after)
            # A gallery is noted before its first point is written: whose merchant has none now had none then.
            merchants = self._merchants_in(collection)
            ids = [point.id for point in page if merchants.isdisjoint(_merchants_of(point))]
            strays.num += len(ids)
            strays.examples.extend(ids[: EXAMPLES - len(strays.examples)])
            if done is not None:
                self._delete(collection, ids, done)
            if len(page) < self._page_size:
                return strays
            after = page[-1].id

    def _merchants_in(self, collection: str) -> set[str]:
        with self._unit_of_work() as work:
            return {str(id) for id in work.galleries.merchants_in(collection)}


def _merchants_of(point: StoredPoint) -> set[str]:
    """The merchants whose searches find the point: one, unless something else than Drape has written it."""
    value = point.payload.get("merchant")
    return {value} if isinstance(value, str) else set(map(str, value)) if isinstance(value, list) else set()
