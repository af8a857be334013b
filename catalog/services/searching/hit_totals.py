"""How many hits a search has on all pages."""

from __future__ import annotations

import datetime
import threading
from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import Final

from catalog.ports.vector_index import Filter, Match, VectorIndex
from catalog.repositories.galleries import Gallery
from catalog.services.browsing.facets import product_conditions
from catalog.services.searching.example_queries import MAX_EXAMPLES
from catalog.services.searching.image_products import ImageProducts
from catalog.services.searching.ranked_search import RankedPoints, RankedSearch
from catalog.services.searching.search_limits import MAX_LIMIT, MAX_PAGE
from catalog.types import Total, TotalRelation
from catalog.unit_of_work import UnitOfWorkFactory

MOST_TOLD: Final = MAX_LIMIT * (MAX_PAGE + 1)
"""What is told of more products than are counted: as many as all pages together can show."""

MOST_COUNTED: Final = MOST_TOLD + MAX_EXAMPLES + 1
"""Products that are counted. What is searched with is taken off, and must leave as many as are told of more."""

MOST_KEPT: Final = 1_000
"""Numbers that are remembered."""


@dataclass(frozen=True, slots=True)
class _Counted:
    """What a number is of. A change of the gallery makes it another."""

    gallery_id: int
    indexed_at: datetime.datetime
    search: Filter
    per_product: bool


class HitTotals:
    """Counts what rankings rank.

    Numbers of a filter are remembered until the gallery changes, so that the usual search does not count. The products
    that are searched with, which are no hits, differ from search to search and are taken off afterwards. Which images
    are of one product is remembered, too: what is taken out of the catalog counts until the index has heard of it.

    Args:
        products: Where that is remembered.
    """

    def __init__(self, unit_of_work: UnitOfWorkFactory, index: VectorIndex, products: ImageProducts) -> None:
        self._unit_of_work = unit_of_work
        self._index = index
        self._kept: OrderedDict[_Counted, Total] = OrderedDict()
        self._products = products
        self._lock = threading.Lock()

    def of(
        self,
        gallery: Gallery,
        ranked: RankedSearch,
        ranking: RankedPoints,
        search: Filter,
        *,
        per_product: bool,
        num_found: int | None = None,
    ) -> Total:
        """The number, or a bound of it.

        Where everything that passes the filter is ranked, that is counted. Where only candidates are ranked, it is as
        many as these allow, and exact where there were no others. Where a threshold cuts the ranking, it is what has
        been seen above it.

        Args:
            ranking: As much of it as the page needed.
            search: The filter, without the products that are searched with.
            per_product: A product is one hit, however many of its images are ranked.
            num_found: How many hits the ranked points are, where that is known already.
        """
        if ranking.are_all or not ranked.ranks_all:
            exact = ranking.are_all and not ranking.leaves_out
            number = self._num_ranked(gallery, ranking, per_product=per_product) if num_found is None else num_found
            return Total(number, TotalRelation.EXACT if exact else TotalRelation.AT_LEAST)
        anything, own = _without_own(search)
        total = self._counted(gallery, anything, per_product=per_product)
        if not own or total.relation is TotalRelation.AT_LEAST:
            return total
        among = replace(anything, must=(*anything.must, Match("product", own)))
        points = self._index.scroll(gallery.collection, among)
        num_own = len({point.payload["product"] for point in points}) if per_product else len(points)
        return replace(total, value=max(0, total.value - num_own))

    def _num_ranked(self, gallery: Gallery, ranking: RankedPoints, *, per_product: bool) -> int:
        if not per_product or not ranking.points:
            return len(ranking.points)
        # Candidates are hundreds of images at every search.
        ids = [point.id for point in ranking.points]
        known = self._products.all_known(ids)
        products = set(known) - {None}
        if None in known:
            missing = [image_id for image_id, product_id in zip(ids, known, strict=True) if product_id is None]
            with self._unit_of_work() as work:
                found = work.products.products_of(missing, gallery.merchant_id)
            products.update(found.values())
            self._products.learn(found)
        return len(products)

    def _counted(self, gallery: Gallery, search: Filter, *, per_product: bool) -> Total:
        key = _Counted(gallery.id, gallery.indexed_at, search, per_product)
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        total = self._num_products(gallery, search) if per_product else self._num_images(gallery, search)
        with self._lock:
            self._kept[key] = total
            while len(self._kept) > MOST_KEPT:
                self._kept.popitem(last=False)
        return total

    def _num_images(self, gallery: Gallery, search: Filter) -> Total:
        return Total(self._index.count(gallery.collection, search), TotalRelation.EXACT)

    def _num_products(self, gallery: Gallery, search: Filter) -> Total:
        # Not by the index, which knows images alone.
        with self._unit_of_work() as work:
            by_category = any(isinstance(one, Match) and one.field == "category" for one in search.must)
            paths = work.facets.categories(gallery.merchant_id) if by_category else []
            conditions = product_conditions(search, paths)
            number = work.facets.num_held(gallery.merchant_id, gallery.id, conditions, MOST_COUNTED + 1)
        if number > MOST_COUNTED:
            return Total(MOST_TOLD, TotalRelation.AT_LEAST)
        return Total(number, TotalRelation.EXACT)


def _without_own(search: Filter) -> tuple[Filter, tuple[str | int, ...]]:
    """The filter without what it leaves out as searched with, and that."""
    own = [one for one in search.must_not if isinstance(one, Match) and one.field == "product"]
    others = tuple(one for one in search.must_not if one not in own)
    return replace(search, must_not=others), tuple(value for one in own for value in one.values)
