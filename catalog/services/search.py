"""Which items look like this one, and why."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from catalog.attributes.mentions import fashion_reader
from catalog.attributes.vocabulary import fashion_vocabulary
from catalog.errors import GalleryNotFound, InvalidRequest, ProductNotFound
from catalog.ports.models import ModelDescription, Models
from catalog.ports.vector_index import Candidates, Filter, ScoredPoint, VectorIndex, VectorQuery
from catalog.repositories.galleries import Gallery
from catalog.repositories.products import ShownProduct
from catalog.services.attribute_queries import ChangedQuery, in_taxonomy, prob_of
from catalog.services.changed_ranking import ChangedRanking
from catalog.services.gallery_layout import HIST, PROB, intersection_bound, search_filter
from catalog.services.query_embedding import QueryEmbedding
from catalog.services.query_words import understand
from catalog.services.requested_attributes import split_changes, with_words
from catalog.types import (
    AttributeChanges,
    Availability,
    Hit,
    Price,
    Reason,
    SearchAnswer,
    SearchFilters,
    SearchMode,
    SearchOptions,
)
from catalog.unit_of_work import UnitOfWorkFactory
from embeddings.crop_box import CropBox
from embeddings.similarity import intersection_from_distance, intersection_shares, lift_query

MAX_LIMIT = 100
MAX_PAGE = 99
MAX_CANDIDATES = 10_000
MOST_TIES = 1_000
REASONS_PER_HIT = 5
SMALLEST_SHARE = 0.01
MIN_CHANGED_CANDIDATES = 200
"""Below that, too few of the candidates have what is wanted."""


@dataclass(frozen=True, slots=True)
class QueryVectors:
    """What is searched with: float32 vectors of the visual feature and of prob, scaled as the version says."""

    visual: NDArray[np.float32]
    prob: NDArray[np.float32]


class SearchService:
    """Answers searches in the merchant's live gallery."""

    def __init__(
        self, unit_of_work: UnitOfWorkFactory, index: VectorIndex, models: Models, queries: QueryEmbedding
    ) -> None:
        self._unit_of_work = unit_of_work
        self._index = index
        self._models = models
        self._queries = queries

    def load(self) -> None:
        """Make the networks of all live galleries ready, so that no query has to wait for that."""
        with self._unit_of_work() as work:
            versions = list(work.galleries.live_versions())
        for version in versions:
            self._queries.load(version)

    def by_image(
        self,
        merchant: str,
        image: bytes,
        filters: SearchFilters | None = None,
        options: SearchOptions | None = None,
        crop: CropBox | None = None,
        changes: AttributeChanges | None = None,
    ) -> SearchAnswer:
        """Items that look like a photo, or as it would with other attributes.

        Raises:
            MerchantNotFound, GalleryNotFound: there is nothing to search.
            embeddings.errors.UnusableImage: the photo cannot be decoded.
            InvalidRequest: the options, filters or changes have no meaning.
        """
        options = _checked(options)
        timings = _Timings()
        merchant_id, gallery = self._gallery(merchant)
        model = self._models.describe(gallery.model_version)
        filters, changes = _with_changes(filters or SearchFilters(), changes, model, options)
        search = search_filter(merchant_id, filters)
        embedded = self._queries.embed(image, gallery.model_version, crop)
        timings.add(embedded.timings_ms)
        query = QueryVectors(embedded.features[model.visual_feature], embedded.features[PROB])
        if changes:
            return self._answer_changed(merchant_id, gallery, model, query, changes, search, options, timings)
        return self._answer(merchant_id, gallery, model, query, search, options, timings)

    def by_product(
        self,
        merchant: str,
        external_id: str,
        filters: SearchFilters | None = None,
        options: SearchOptions | None = None,
        changes: AttributeChanges | None = None,
    ) -> SearchAnswer:
        """Other items that look like a product's main image, or as it would with other attributes. Runs no network.

        Raises:
            ProductNotFound: no such product, or none of its images is indexed.
            InvalidRequest: the options, filters or changes have no meaning.
        """
        options = _checked(options)
        timings = _Timings()
        merchant_id, gallery = self._gallery(merchant)
        model = self._models.describe(gallery.model_version)
        with timings.stage("stored"):
            query, product_id = self._stored(merchant_id, gallery, model, external_id)
        filters, changes = _with_changes(filters or SearchFilters(), changes, model, options)
        search = search_filter(merchant_id, filters, not_product=product_id)
        if changes:
            return self._answer_changed(merchant_id, gallery, model, query, changes, search, options, timings)
        return self._answer(merchant_id, gallery, model, query, search, options, timings)

    def by_words(
        self,
        merchant: str,
        text: str,
        filters: SearchFilters | None = None,
        options: SearchOptions | None = None,
    ) -> SearchAnswer:
        """Items that are as words say: "red lace maxi dress under 50 €, without floral". Runs no network.

        Attributes that the gallery's model knows rank; the others, the category, prices and what is ruled out, filter.
        The answer tells what was understood.

        Raises:
            MerchantNotFound, GalleryNotFound: there is nothing to search.
            InvalidRequest: nothing was understood; or the options or filters have no meaning.
        """
        options = _checked(options)
        _refuse_visual(options, "words")
        timings = _Timings()
        merchant_id, gallery = self._gallery(merchant)
        model = self._models.describe(gallery.model_version)
        with timings.stage("understand"):
            with self._unit_of_work() as work:
                categories = work.facets.categories(merchant_id)
                currencies = work.facets.currencies(merchant_id)
            currency = currencies[0] if len(currencies) == 1 else None
            understood = understand(text, fashion_reader(), categories, currency)
        if not understood.asks_for_something:
            raise InvalidRequest(
                "Nothing in these words can be searched for",
                received=text,
                expected="attributes, categories or prices, such as: red lace maxi dress under 50 EUR",
                remedy="use words of the catalog's attributes and categories, or search by a photo",
            )
        ranked, filtered = in_taxonomy(understood.all_of, model.taxonomy)
        search = search_filter(merchant_id, with_words(filters or SearchFilters(), understood, filtered))
        prob = prob_of(ranked, model.taxonomy, model.prob_normalization)
        query = QueryVectors(np.zeros(model.feature_sizes[model.visual_feature], dtype=np.float32), prob)
        answer = self._answer(merchant_id, gallery, model, query, search, options, timings)
        return replace(answer, understood=understood)

    def _gallery(self, merchant: str) -> tuple[int, Gallery]:
        with self._unit_of_work() as work:
            merchant_id = work.merchants.id_of(merchant)
            gallery = work.galleries.live(merchant_id)
        if gallery is None:
            raise GalleryNotFound(
                "Nothing of this merchant is searchable yet",
                received=merchant,
                expected="a merchant with a live gallery",
                remedy=f"drape ingest FEED --merchant {merchant}",
            )
        return merchant_id, gallery

    def _stored(
        self, merchant_id: int, gallery: Gallery, model: ModelDescription, external_id: str
    ) -> tuple[QueryVectors, int]:
        with self._unit_of_work() as work:
            product_of = dict(work.products.indexable_images_of(merchant_id, external_id))
        points = self._index.retrieve(gallery.collection, list(product_of), (model.visual_feature, HIST))
        if not points:
            raise ProductNotFound(
                "No such product in the gallery" if not product_of else "None of the product's images is indexed yet",
                received=external_id,
                expected="the id of an indexed product",
                remedy="look the id up in the feed; `drape status` tells what waits to be indexed",
            )
        main = points[0]
        return QueryVectors(main.vectors[model.visual_feature], main.vectors[HIST][:-1]), product_of[main.id]

    def _answer(
        self,
        merchant_id: int,
        gallery: Gallery,
        model: ModelDescription,
        query: QueryVectors,
        search: Filter,
        options: SearchOptions,
        timings: _Timings,
    ) -> SearchAnswer:
        ranking = Ranking(model, query, search, options)
        first = options.page * options.limit
        wanted = first + options.limit
        # Several images of one product, and images PostgreSQL no longer has, take places: ask for more until the page
        # fills. From the start each time, because what an approximate search continues need not be what it began.
        limit = wanted * 2 if options.per_product else wanted + 1
        while True:
            with timings.stage("search"):
                points = self._index.search(gallery.collection, ranking.query(limit))
            # Equal scores come in any order from the engine; by id, every page shows parts of one order.
            points.sort(key=ranking.place)
            with timings.stage("products"):
                found = self._with_products(merchant_id, points, options)
            if len(points) < limit or (len(found) >= wanted and ranking.is_settled(found[wanted - 1][0], points)):
                break
            limit *= 2
        with timings.stage("explain"):
            hits = tuple(
                _hit(first + place + 1, ranking.score(point), shown, ranking.reasons(point))
                for place, (point, shown) in enumerate(found[first:wanted])
            )
        return SearchAnswer(hits, options.mode, gallery.model_version, gallery.collection, timings.milliseconds)

    def _answer_changed(
        self,
        merchant_id: int,
        gallery: Gallery,
        model: ModelDescription,
        query: QueryVectors,
        changes: AttributeChanges,
        search: Filter,
        options: SearchOptions,
        timings: _Timings,
    ) -> SearchAnswer:
        changed = ChangedQuery(
            query.visual, query.prob, changes, model.taxonomy, fashion_vocabulary(), model.prob_normalization
        )
        ranking = ChangedRanking(model, changed, search, options)
        first = options.page * options.limit
        wanted = first + options.limit
        with timings.stage("search"):
            limit = max(options.candidates, MIN_CHANGED_CANDIDATES, 2 * wanted)
            points = self._index.search(gallery.collection, ranking.candidates(limit))
        with timings.stage("rank"):
            points = ranking.ranked(points)
        with timings.stage("products"):
            found = self._with_products(merchant_id, points, options)
        with timings.stage("explain"):
            hits = tuple(
                _hit(first + place + 1, point.score, shown, reasons(changed.changed, point, model))
                for place, (point, shown) in enumerate(found[first:wanted])
            )
        return SearchAnswer(hits, options.mode, gallery.model_version, gallery.collection, timings.milliseconds)

    def _with_products(
        self, merchant_id: int, points: Sequence[ScoredPoint], options: SearchOptions
    ) -> list[tuple[ScoredPoint, ShownProduct]]:
        """The points that can be shown, with what to show; of several of one product the first, where that is asked."""
        with self._unit_of_work() as work:
            shown = work.products.shown([point.id for point in points], merchant_id)
        found: list[tuple[ScoredPoint, ShownProduct]] = []
        seen: set[int] = set()
        for point in points:
            product = shown.get(point.id)
            if product is None or (options.per_product and product.product_id in seen):
                continue
            seen.add(product.product_id)
            found.append((point, product))
        return found


class Ranking:
    """One search in the index's terms, and the index's answers in the search's terms."""

    def __init__(self, model: ModelDescription, query: QueryVectors, search: Filter, options: SearchOptions) -> None:
        self._model = model
        self._query = query
        self._filter = search
        self._options = options
        self._sum = float(query.prob.sum())
        self._bound = intersection_bound(model.feature_sizes[PROB])

    def query(self, limit: int) -> VectorQuery:
        options = self._options
        threshold = options.score_threshold
        if options.mode == SearchMode.VISUAL:
            return VectorQuery(
                using=self._model.visual_feature,
                query=self._query.visual,
                limit=limit,
                filter=self._filter,
                exact=options.exact,
                score_threshold=threshold,
                with_vectors=(HIST,),
            )
        candidates = None
        # Words that only filter rank nothing: that has no direction, and an order that only a full comparison repeats.
        ranks_nothing = self._sum == 0
        if options.mode == SearchMode.RERANK and not ranks_nothing:
            candidates = Candidates(PROB, self._query.prob, options.candidates)
        return VectorQuery(
            using=HIST,
            query=lift_query(self._query.prob[np.newaxis])[0],
            limit=limit,
            filter=self._filter,
            candidates=candidates,
            exact=options.exact or ranks_nothing,
            # HI = ½(Σa + S − d) ≥ t is d ≤ Σa + S − 2t.
            score_threshold=None if threshold is None else self._sum + self._bound - 2 * threshold,
            with_vectors=(HIST,),
        )

    def place(self, point: ScoredPoint) -> tuple[float, int]:
        """Smaller is earlier: the index's own order, with ties in the order of ids."""
        return (-point.score if self._options.mode == SearchMode.VISUAL else point.score, point.id)

    @staticmethod
    def is_settled(last: ScoredPoint, points: Sequence[ScoredPoint]) -> bool:
        """Whether points that were not asked for cannot belong before the page's last one, by score or by id.

        A catalog may hold thousands of equal scores (nothing in common); from some number on their order is not worth
        asking for.
        """
        return points[-1].score != last.score or len(points) >= MOST_TIES

    def score(self, point: ScoredPoint) -> float:
        if self._options.mode == SearchMode.VISUAL:
            return point.score
        return float(intersection_from_distance(point.score, self._sum, self._bound))

    def reasons(self, point: ScoredPoint) -> tuple[Reason, ...]:
        return reasons(self._query.prob, point, self._model)


def reasons(prob: NDArray[np.float32], point: ScoredPoint, model: ModelDescription) -> tuple[Reason, ...]:
    """The attributes with the largest shares of the histogram intersection of a query's prob and a point."""
    shares = intersection_shares(prob, point.vectors[HIST][:-1])
    largest = np.argsort(-shares, kind="stable")[:REASONS_PER_HIT]
    names = model.taxonomy.names
    return tuple(Reason(names[at], float(shares[at])) for at in largest if shares[at] >= SMALLEST_SHARE)


class _Timings:
    """Milliseconds per stage; a stage entered again adds up."""

    def __init__(self) -> None:
        self._milliseconds: dict[str, float] = {}

    @property
    def milliseconds(self) -> Mapping[str, float]:
        return dict(self._milliseconds)

    def add(self, timings_ms: Mapping[str, float]) -> None:
        """What others have measured."""
        for name, milliseconds in timings_ms.items():
            self._milliseconds[name] = self._milliseconds.get(name, 0.0) + milliseconds

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            self._milliseconds[name] = self._milliseconds.get(name, 0.0) + (time.perf_counter() - start) * 1000


def _hit(rank: int, score: float, shown: ShownProduct, why: tuple[Reason, ...]) -> Hit:
    price = None
    if shown.price is not None and shown.currency is not None:
        price = Price(shown.price, shown.currency)
    return Hit(
        rank=rank,
        score=score,
        external_id=shown.external_id,
        image_id=shown.image_id,
        image_sha256=shown.sha256,
        title=shown.title,
        category=shown.category,
        attributes=shown.attributes,
        given_attributes=shown.given_attributes,
        price=price,
        availability=Availability(shown.availability),
        link=shown.link,
        item_group=shown.item_group,
        why=why,
    )


def _checked(options: SearchOptions | None) -> SearchOptions:
    options = options or SearchOptions()
    ranges = [
        ("limit", options.limit, 1, MAX_LIMIT),
        ("page", options.page, 0, MAX_PAGE),
        ("candidates", options.candidates, options.limit, MAX_CANDIDATES),
    ]
    for name, value, low, high in ranges:
        if not low <= value <= high:
            raise InvalidRequest(f"{name} is out of range", received=str(value), expected=f"{low} to {high}")
    threshold = options.score_threshold
    if threshold is not None and not math.isfinite(threshold):
        raise InvalidRequest("The score threshold is no number", received=str(threshold), expected="a finite number")
    return options


def _with_changes(
    filters: SearchFilters, changes: AttributeChanges | None, model: ModelDescription, options: SearchOptions
) -> tuple[SearchFilters, AttributeChanges | None]:
    if not changes:
        return filters, None
    _refuse_visual(options, "changed attributes")
    return split_changes(filters, changes, model.taxonomy)


def _refuse_visual(options: SearchOptions, subject: str) -> None:
    if options.mode == SearchMode.VISUAL:
        raise InvalidRequest(
            f"Looks alone cannot be searched by {subject}",
            received=f"mode {options.mode}",
            expected=f"{SearchMode.RERANK} or {SearchMode.NATIVE}",
            remedy="choose one of these modes, or leave the mode out",
        )
