"""Whether a gallery that was built is fit to be searched: its counts, its recall, and what its model finds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from catalog.errors import GalleryRejected, InvalidRequest
from catalog.ports.models import Models
from catalog.ports.vector_index import Filter, HasId, ScoredPoint, VectorIndex
from catalog.repositories.galleries import Gallery
from catalog.repositories.images import IndexableImage
from catalog.services.galleries.gallery_layout import HIST
from catalog.services.queries.search_filter import search_filter
from catalog.services.reindexing.filter_shapes import FilterShape, filters_like
from catalog.services.searching.direct_search import Ranking
from catalog.services.searching.query_vectors import QueryVectors
from catalog.types import SearchFilters, SearchMode, SearchOptions
from catalog.unit_of_work import UnitOfWorkFactory

RANKS = 10
"""Recall is that of the first so many results."""

LEAST_RECALL = 0.9

RECALL_QUERIES = 20

FEWEST_QUERIES = 5
"""Of fewer, one unlucky query would speak for a whole shape."""

PRECISION_QUERIES = 500

_SAME_SCORE = 1e-5
"""Scores are float32 sums whose order of addition differs between a walk of the graph and a full scan."""


@dataclass(frozen=True, slots=True)
class CheckLimits:
    """What a gallery must reach.

    Args:
        min_recall: recall@10 of approximate against exact search, in [0, 1], for every shape of filter; 0 leaves the
            measurement out.
        min_precision: Same-product precision@1, in [0, 1]; None leaves the measurement out.

    Raises:
        InvalidRequest: a limit is out of its range.
    """

    min_recall: float = LEAST_RECALL
    min_precision: float | None = None

    def __post_init__(self) -> None:
        for name, limit in (("recall", self.min_recall), ("precision", self.min_precision)):
            if limit is not None and not 0 <= limit <= 1:
                raise InvalidRequest(
                    f"No gallery can be held to this {name}", received=str(limit), expected="a number from 0 to 1"
                )


@dataclass(frozen=True, slots=True)
class ShapeRecall:
    """recall@10 under one shape of filter.

    Args:
        num_queries: Those under whose filter at least ten images pass.
        by_vector: Mean recall by the name of the vector that ranked; empty where there were too few queries.
    """

    shape: FilterShape
    num_queries: int
    by_vector: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class SameProductPrecision:
    """How often the nearest image is another one of the query's own product, ranked as searches are by default."""

    value: float
    num_queries: int


@dataclass(frozen=True, slots=True)
class GalleryReport:
    """What was measured of a gallery that passed.

    Args:
        num_images: The merchant's images that can be indexed, as PostgreSQL has them.
        num_points: The merchant's points in the gallery's collection, as the index counts them.
        recalls: In the order of the shapes; empty where recall was not asked for.
    """

    num_images: int
    num_points: int
    recalls: tuple[ShapeRecall, ...] = ()
    precision: SameProductPrecision | None = None


@dataclass(frozen=True, slots=True)
class _Noted:
    """What PostgreSQL knows: images that can be indexed, those noted as held, and those dirty or being worked on."""

    ready: int
    held: int
    waiting: int
    leased: int


class GalleryChecks:
    """Measures galleries before searches go to them. Runs no network: the queries are images that they hold."""

    def __init__(self, unit_of_work: UnitOfWorkFactory, index: VectorIndex, models: Models) -> None:
        self._unit_of_work = unit_of_work
        self._index = index
        self._models = models

    def check(self, gallery: Gallery, limits: CheckLimits) -> GalleryReport:
        """Count and measure.

        Raises:
            GalleryRejected: the gallery lacks points or has too many, or one of the limits is not reached.
            IndexUnavailable, DatabaseUnavailable: a service is down.
        """
        num_images, num_points = self._counts(gallery)
        # An earlier run may have been stopped after its last batch, before what makes searches fast was built: without
        # it every search is exact, and measuring would say nothing of those to come.
        self._index.optimize(gallery.collection)
        recalls = self._recalls(gallery) if limits.min_recall > 0 else ()
        _require_recall(gallery, recalls, limits.min_recall)
        precision = None if limits.min_precision is None else self._precision(gallery, limits.min_precision)
        return GalleryReport(num_images, num_points, recalls, precision)

    def _counts(self, gallery: Gallery) -> tuple[int, int]:
        before = self._noted(gallery)
        points = self._index.count(gallery.collection, search_filter(gallery.merchant_id, SearchFilters()))
        after = self._noted(gallery)
        # Ingests and other indexers may go on meanwhile. The numbers may differ by what these have in their hands;
        # where that is nothing, they are equal.
        moved = abs(after.held - before.held)
        in_hand = moved + max(before.leased, after.leased)
        waiting = moved + max(before.waiting, after.waiting)
        if abs(points - after.held) > in_hand or abs(after.ready - after.held) > waiting:
            raise GalleryRejected(
                f"The gallery of {gallery.model_version} does not hold what it should, so searches stay where they are",
                received=f"{points:,} points, {after.held:,} images noted as held",
                expected=f"as many as there are images that can be indexed: {after.ready:,}",
                remedy="run `drape reconcile --repair`, which puts the gallery right; then the same command again",
            )
        return after.ready, points

    def _noted(self, gallery: Gallery) -> _Noted:
        with self._unit_of_work() as work:
            ready, _ = work.images.counts(gallery.merchant_id)
            held = work.galleries.count_indexed(gallery.id)
            backlog = work.outbox.backlog(gallery.merchant_id)
        return _Noted(ready, held, backlog.waiting, backlog.leased)

    def _recalls(self, gallery: Gallery) -> tuple[ShapeRecall, ...]:
        with self._unit_of_work() as work:
            images = work.images.indexable(work.galleries.sample_of_held(gallery.id, RECALL_QUERIES))
        model = self._models.describe(gallery.model_version)
        measured: dict[FilterShape, dict[SearchMode, list[float]]] = {
            shape: {SearchMode.VISUAL: [], SearchMode.NATIVE: []} for shape in FilterShape
        }
        for turn, (image, query) in enumerate(self._queries(gallery, images)):
            for shape, choices in filters_like(image, turn).items():
                search = self._wide_enough(gallery, image, choices)
                if search is None:
                    continue
                for mode, recalls in measured[shape].items():
                    ranking = Ranking(model, query, search, SearchOptions(mode=mode, limit=RANKS))
                    exact = Ranking(model, query, search, SearchOptions(mode=mode, limit=RANKS, exact=True))
                    recalls.append(
                        recall_of_scores(
                            [ranking.place(one)[0] for one in self._search(gallery, ranking)],
                            [exact.place(one)[0] for one in self._search(gallery, exact)],
                        )
                    )
        names = {SearchMode.VISUAL: model.visual_feature, SearchMode.NATIVE: HIST}
        return tuple(
            ShapeRecall(
                shape,
                len(by_mode[SearchMode.VISUAL]),
                {
                    names[mode]: sum(recalls) / len(recalls)
                    for mode, recalls in by_mode.items()
                    if len(recalls) >= FEWEST_QUERIES
                },
            )
            for shape, by_mode in measured.items()
        )

    def _queries(
        self, gallery: Gallery, images: Mapping[int, IndexableImage]
    ) -> list[tuple[IndexableImage, QueryVectors]]:
        visual = self._models.describe(gallery.model_version).visual_feature
        points = self._index.retrieve(gallery.collection, sorted(images), (visual, HIST), with_payload=False)
        return [(images[point.id], QueryVectors(point.vectors[visual], point.vectors[HIST][:-1])) for point in points]

    def _wide_enough(self, gallery: Gallery, image: IndexableImage, choices: Sequence[SearchFilters]) -> Filter | None:
        """The first of the filters that enough images of other products pass."""
        for filters in choices:
            search = search_filter(gallery.merchant_id, filters, not_products=(image.product_id,))
            if self._index.count(gallery.collection, search) >= RANKS:
                return search
        return None

    def _search(self, gallery: Gallery, ranking: Ranking) -> list[ScoredPoint]:
        return self._index.search(gallery.collection, ranking.query(RANKS))

    def _precision(self, gallery: Gallery, least: float) -> SameProductPrecision:
        with self._unit_of_work() as work:
            ids = work.galleries.sample_of_held(gallery.id, PRECISION_QUERIES, with_siblings=True)
            images = work.images.indexable(ids)
        if not images:
            raise GalleryRejected(
                "There is nothing to measure same-product precision by, so searches stay where they are",
                received="no product with several images",
                expected="products with two images or more",
                remedy="run the same command without --min-precision",
            )
        model = self._models.describe(gallery.model_version)
        ours = search_filter(gallery.merchant_id, SearchFilters())
        right = 0
        for image, query in self._queries(gallery, images):
            others = Filter(must=ours.must, must_not=(*ours.must_not, HasId((image.id,))))
            ranking = Ranking(model, query, others, SearchOptions())
            nearest = min(self._search(gallery, ranking), key=ranking.place, default=None)
            right += nearest is not None and nearest.payload["product"] == image.product_id
        precision = SameProductPrecision(right / len(images), len(images))
        if precision.value < least:
            raise GalleryRejected(
                f"The gallery of {gallery.model_version} finds other images of the same product too rarely, so "
                "searches stay where they are",
                received=f"same-product precision@1 {precision.value:.3f} over {precision.num_queries} queries",
                expected=f"at least {least:g}",
                remedy="use another model version, or run the same command with a lower --min-precision; what was "
                "built is kept",
            )
        return precision


def recall_of_scores(found: Sequence[float], exact: Sequence[float]) -> float:
    """Share of the true results that was found, in [0, 1]. Of those that tie with the last one, any are right.

    Args:
        found: Of each result of the search in question, how far away it is: lower is nearer.
        exact: The same of the true results; at least one.

    >>> recall_of_scores([0.1, 0.4], [0.1, 0.2]), recall_of_scores([0.1, 0.4, 0.4, 0.4], [0.1, 0.2, 0.4, 0.4])
    (0.5, 0.75)
    """
    last = max(exact)
    tolerance = _SAME_SCORE * max(1.0, abs(last))
    nearer = sum(distance < last - tolerance for distance in found)
    tied = sum(abs(distance - last) <= tolerance for distance in found)
    return (nearer + min(tied, sum(last - distance <= tolerance for distance in exact))) / len(exact)


def _require_recall(gallery: Gallery, recalls: Sequence[ShapeRecall], least: float) -> None:
    low = [
        f"{value:.3f} with {one.shape} ({vector}, {one.num_queries} queries)"
        for one in recalls
        for vector, value in one.by_vector.items()
        if value < least
    ]
    if low:
        raise GalleryRejected(
            f"Searches in the gallery of {gallery.model_version} would miss too much, so they stay where they are",
            received=f"recall@{RANKS} " + ", ".join(low),
            expected=f"at least {least:g} of what an exact search finds, for every shape of filter",
            remedy="run the same command with a lower --min-recall (0 leaves the check out); what was built is kept",
        )
