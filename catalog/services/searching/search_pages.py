"""From a ranking to a page of hits: what is shown of each product, why it is there, and which part is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from catalog.ports.models import ModelDescription
from catalog.ports.vector_index import Filter, ScoredPoint, VectorIndex
from catalog.repositories.galleries import Gallery
from catalog.repositories.products import ShownProduct
from catalog.services.galleries.gallery_layout import HIST
from catalog.services.searching.hit_totals import HitTotals
from catalog.services.searching.image_products import ImageProducts
from catalog.services.searching.ranked_search import RankedSearch
from catalog.services.searching.reasons import reasons
from catalog.services.searching.search_timings import Timings
from catalog.services.searching.shown_products import ShownProducts
from catalog.types import Availability, Hit, Price, Reason, SearchAnswer, SearchOptions
from catalog.unit_of_work import UnitOfWorkFactory


@dataclass(frozen=True, slots=True)
class SearchedGallery:
    """Where a search looks."""

    merchant_id: int
    gallery: Gallery
    model: ModelDescription


class SearchPages:
    """Cuts pages of hits from rankings."""

    def __init__(self, unit_of_work: UnitOfWorkFactory, index: VectorIndex) -> None:
        self._unit_of_work = unit_of_work
        self._index = index
        self._products = ImageProducts()
        self._totals = HitTotals(unit_of_work, index, self._products)

    def shown(self, merchant_id: int) -> ShownProducts:
        """Reads the merchant's products for one search."""
        return ShownProducts(self._unit_of_work, merchant_id, self._products)

    def answer(
        self,
        searched: SearchedGallery,
        ranked: RankedSearch,
        search: Filter,
        options: SearchOptions,
        timings: Timings,
        shown: ShownProducts,
    ) -> SearchAnswer:
        """The page that the options ask for; empty past the last.

        Args:
            search: The filter that is ranked under.
            shown: Reads the merchant's products.
        """
        first = options.page * options.limit
        wanted = first + options.limit
        found: list[tuple[ScoredPoint, ShownProduct]] = []
        # Several images of one product, and images PostgreSQL no longer has, take places: ask for more until the page
        # fills.
        num = wanted * 2 if options.per_product else wanted
        while True:
            with timings.stage("search"):
                ranking = ranked.first(num)
            with timings.stage("products"):
                found = shown.hits(ranking.points, wanted, per_product=options.per_product)
            if ranking.are_all or len(found) >= wanted:
                break
            num = 2 * max(num, len(ranking.points))
        with timings.stage("explain"):
            hits = self._hits(searched, ranked, found[first:wanted], first + 1)
        gallery = searched.gallery
        with timings.stage("total"):
            # A page that is not filled has seen all there is.
            num_found = len(found) if ranking.are_all and len(found) < wanted else None
            total = self._totals.of(
                gallery, ranked, ranking, search, per_product=options.per_product, num_found=num_found
            )
        return SearchAnswer(
            hits,
            options.mode,
            gallery.model_version,
            gallery.collection,
            timings.milliseconds,
            total=total,
            indexed_at=gallery.indexed_at,
            ranked_by=ranked.ranked_by,
            reordered_by=options.reordered_by,
        )

    def _hits(
        self,
        searched: SearchedGallery,
        ranked: RankedSearch,
        found: Sequence[tuple[ScoredPoint, ShownProduct]],
        first_rank: int,
    ) -> tuple[Hit, ...]:
        ids = [point.id for point, _ in found]
        stored = self._index.retrieve(searched.gallery.collection, ids, (HIST,), with_payload=False)
        why: dict[int, tuple[Reason, ...]] = {}
        if stored:
            hists = np.stack([point.vectors[HIST] for point in stored])
            why = dict(zip((point.id for point in stored), reasons(ranked.prob, hists, searched.model), strict=True))
        return tuple(
            # A point that was deleted meanwhile has nothing to say.
            _hit(rank, point.score, shown, why.get(point.id, ()))
            for rank, (point, shown) in enumerate(found, start=first_rank)
        )


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
