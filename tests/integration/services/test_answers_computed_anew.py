"""What searches answer, computed anew: filters from the feed's rows, and scores by NumPy from the photos' features."""

from __future__ import annotations

import itertools
import random
from collections import defaultdict
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from sqlalchemy import create_engine

from catalog.adapters.files.fsspec_image_store import FsspecImageStore
from catalog.adapters.qdrant.qdrant_edge_index import QdrantEdgeIndex
from catalog.errors import InvalidRequest
from catalog.services.browsing.facets import FacetService
from catalog.services.browsing.product_browsing import ProductBrowsing, ProductOrder
from catalog.services.indexing.indexing import IndexingLimits
from catalog.types import (
    AttributeChanges,
    Availability,
    Examples,
    Hit,
    SearchAnswer,
    SearchFilters,
    SearchMode,
    SearchOptions,
    TotalRelation,
)
from tests.fakes import COLORS, INPUT_SIZE, ColorEmbedder, ColorModels
from tests.integration.services.conftest import MERCHANT, Shop, picture

NUM_PRODUCTS = 40
IDS = [f"p{number}" for number in range(NUM_PRODUCTS)]
EVERYTHING = 300
"""Candidates: more than there are images."""
CLOSE = 2e-3
"""Looks are stored as float16."""


class World:
    """A shop with all that a feed said of its products, and what a network says of their photos."""

    def __init__(self, shop: Shop, rows: Sequence[dict[str, Any]], merchant_id: int) -> None:
        self.shop, self.merchant_id = shop, merchant_id
        self.search = shop.search
        self.rows = {row["id"]: row for row in rows}
        self.product_of: dict[int, str] = {}
        self.images = defaultdict[str, list[int]](list)
        self.visual: dict[int, np.ndarray] = {}
        self.prob: dict[int, np.ndarray] = {}
        shown = shop.rows(
            "SELECT image.id, external_id, source FROM image JOIN product ON product.id = product_id "
            "WHERE state = 'ready' ORDER BY position"
        )
        for id, product, source in shown:
            self.product_of[id] = product
            self.images[product].append(id)
            with Image.open(shop.folder / source) as photo:
                pixels = np.asarray(photo.resize((INPUT_SIZE, INPUT_SIZE), Image.Resampling.NEAREST))
            features = ColorEmbedder("colors-1").embed(pixels[np.newaxis])
            self.visual[id], self.prob[id] = features["pool"][0], features["prob"][0]

    def scores(self, like: Sequence[str], unlike: Sequence[str], mode: SearchMode) -> dict[int, float]:
        """Of every image, by the formulas that are documented."""

        def mean(features: dict[int, np.ndarray], products: Sequence[str]) -> np.ndarray:
            return np.mean([features[self.images[product][0]] for product in products], axis=0)

        visual, prob = mean(self.visual, like), mean(self.prob, like)
        if unlike:
            less_visual = visual - mean(self.visual, unlike) / 3
            less_prob = np.maximum(prob - mean(self.prob, unlike) / 3, 0)
            visual = less_visual if less_visual.any() else visual
            prob = less_prob if less_prob.any() else prob
        visual, prob = visual / np.linalg.norm(visual), prob / np.linalg.norm(prob)
        looks = {id: float(one @ visual) for id, one in self.visual.items()}
        common = {id: float(np.minimum(one, prob).sum()) for id, one in self.prob.items()}
        if mode is SearchMode.VISUAL:
            return looks
        if mode is SearchMode.FUSED:
            return {id: 0.4 * looks[id] + 0.6 * common[id] / float(prob.sum()) for id in looks}
        return common


def _rows(shop: Shop) -> list[dict[str, Any]]:
    rng = random.Random(3)

    def photo(name: str) -> str:
        # Bands of whole rows of the network's input, so that scaling blends nothing.
        bands = rng.choices(list(COLORS), k=rng.choice([1, 2, 4]))
        (shop.folder / name).write_bytes(picture(*bands, size=(INPUT_SIZE, INPUT_SIZE)))
        return name

    return [
        {
            "id": id,
            "title": f"Item {id}",
            "category": rng.choice(["Women > Dresses", "Women > Skirts", "Men > Skirts", "Men > Coats > Parkas", ""]),
            "attributes": [f"color={rng.choice(list(COLORS))}", f"fabric={rng.choice(['linen', 'silk'])}", "fit=slim"],
            "price": rng.choice(["", "9.99 EUR", "10 EUR", "20.0001 EUR", "35.5 EUR", "10 USD", "80 USD"]),
            "availability": str(rng.choice(list(Availability))),
            "image": photo(f"{id}.png"),
            "additional_images": [photo(f"{id}-{part}.png") for part in range(rng.choice([0, 0, 1, 2]))],
            "Season": rng.choice(["Summer", "Winter", "Spring; Summer", ""]),
        }
        for id in IDS
    ]


@pytest.fixture(scope="module")
def world(module_database, tmp_path_factory):
    folder = tmp_path_factory.mktemp("computed")
    (folder / "feed").mkdir()
    engine = create_engine(module_database)
    index = QdrantEdgeIndex(folder / "vectors")
    images = FsspecImageStore((folder / "images").as_uri())
    shop = Shop(folder / "feed", engine, index, ColorModels(), images, limits=IndexingLimits(batch_size=64))
    rows = _rows(shop)
    summary, _ = shop.take(rows)
    assert (shop.errors, shop.scalar("SELECT count(*) FROM product")) == ([], NUM_PRODUCTS)
    yield World(shop, rows, summary.merchant_id)
    index.close()
    engine.dispose()


def _passes(row: dict[str, Any], filters: SearchFilters) -> bool:
    attributes = set(row["attributes"])
    levels = row["category"].casefold().split(" > ")
    names = {*levels, *itertools.accumulate(levels, "{} > {}".format)}
    amount, _, currency = row["price"].partition(" ")
    seasons = set(row["Season"].casefold().split("; "))
    return (
        (filters.category is None or filters.category.casefold() in names)
        and attributes.issuperset(filters.all_of)
        and (not filters.any_of or not attributes.isdisjoint(filters.any_of))
        and attributes.isdisjoint(filters.none_of)
        and (filters.min_price is None or (amount != "" and Decimal(amount) >= filters.min_price))
        and (filters.max_price is None or (amount != "" and Decimal(amount) <= filters.max_price))
        and (filters.currency is None or currency == filters.currency.upper())
        and (not filters.availability or row["availability"] in filters.availability)
        and all(not seasons.isdisjoint(values) for _, values in filters.fields)
    )


def _some(values: Sequence[Any], most: int) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(st.sampled_from(values), max_size=most, unique=True).map(tuple)


def _means_something(filters: SearchFilters) -> bool:
    has_bounds = filters.min_price is not None or filters.max_price is not None
    wanted = set(filters.none_of).isdisjoint(filters.all_of)
    choice = not filters.any_of or not set(filters.any_of) <= set(filters.none_of)
    return wanted and choice and not (has_bounds and filters.currency is None)


ATTRIBUTES = [*(f"color={name}" for name in COLORS), "fabric=linen", "fabric=silk", "fit=slim"]
FILTERS = st.builds(
    SearchFilters,
    category=st.none() | st.sampled_from(["women", "Skirts", "men > coats", "Men > Coats > Parkas", "Women > Dresses"]),
    all_of=_some(ATTRIBUTES, 1),
    any_of=_some(ATTRIBUTES, 3),
    none_of=_some(ATTRIBUTES, 2),
    min_price=st.none() | st.sampled_from([Decimal(one) for one in ("0", "9.99", "20")]),
    max_price=st.none() | st.sampled_from([Decimal(one) for one in ("20", "20.0001", "35.5", "1E+3")]),
    currency=st.none() | st.sampled_from(["EUR", "usd"]),
    availability=_some(list(Availability), 2),
    fields=st.just(()) | st.sampled_from([(("Season", ("summer",)),), (("season", ("winter", "spring")),)]),
).filter(_means_something)
PRODUCTS = _some(IDS, 3)


def _all_pages(ask: Callable[[int], SearchAnswer]) -> list[Hit]:
    """The hits of all pages, of which each says the same total: theirs, or less where it is a bound."""
    answers: list[SearchAnswer] = []
    while not answers or answers[-1].hits:
        answers.append(ask(len(answers)))
    hits = [hit for answer in answers for hit in answer.hits]
    assert [hit.rank for hit in hits] == list(range(1, len(hits) + 1))
    for answer in answers:
        total = answer.total
        assert total is not None
        assert total.value == len(hits) if total.relation is TotalRelation.EXACT else total.value <= len(hits)
    return hits


@settings(max_examples=15, deadline=None)
@given(filters=FILTERS)
def test_searches_lists_and_facets_choose_what_the_feed_says(world, filters):
    """The index's filters, PostgreSQL's and those of the test are one."""
    expected = {id for id, row in world.rows.items() if _passes(row, filters)}
    options = SearchOptions(SearchMode.NATIVE, limit=100)
    found = world.search.by_product(MERCHANT, "p0", filters, options)
    assert {hit.external_id for hit in found.hits} == expected - {"p0"}
    # Counted by PostgreSQL, where a page does not show all.
    first = world.search.by_product(MERCHANT, "p0", filters, SearchOptions(SearchMode.NATIVE, limit=1))
    assert first.total == found.total
    assert FacetService(world.shop.unit_of_work).count(MERCHANT, filters).num_products == len(expected)
    browsing = ProductBrowsing(world.shop.unit_of_work)
    for order in ProductOrder:
        pages = [browsing.page(world.merchant_id, filters, order, limit=7)]
        while pages[-1].following is not None:
            pages.append(browsing.page(world.merchant_id, filters, order, after=pages[-1].following, limit=7))
        assert sorted(one.external_id for page in pages for one in page.products) == sorted(expected)
        assert {page.total for page in pages} == {len(expected)}


@settings(max_examples=15, deadline=None)
@given(
    like=PRODUCTS.filter(bool),
    unlike=PRODUCTS,
    filters=st.just(SearchFilters()) | FILTERS,
    mode=st.sampled_from(list(SearchMode)),
    per_product=st.booleans(),
    threshold=st.none() | st.floats(0, 1.2),
    limit=st.integers(5, 40),
)
def test_hits_of_all_pages_are_those_computed_anew(world, like, unlike, filters, mode, per_product, threshold, limit):
    """Every image or product that passes, with its score, in order; whatever the size of the pages."""
    unlike = tuple(id for id in unlike if id not in like)

    def ask(page: int) -> SearchAnswer:
        options = SearchOptions(mode, limit, page, EVERYTHING, score_threshold=threshold, per_product=per_product)
        return world.search.by_examples(MERCHANT, Examples(like, unlike), filters, options)

    hits = _all_pages(ask)
    scores = world.scores(like, unlike, mode)
    best = dict[object, float]()
    for id, score in scores.items():
        product = world.product_of[id]
        if _passes(world.rows[product], filters) and product not in {*like, *unlike}:
            shown = product if per_product else id
            best[shown] = max(score, best.get(shown, score))
    expected = sorted(best.values(), reverse=True)
    if threshold is not None:
        surely, perhaps = (sum(score > threshold + slack for score in expected) for slack in (CLOSE, -CLOSE))
        assert surely <= len(hits) <= perhaps
        expected = expected[: len(hits)]
    np.testing.assert_allclose([hit.score for hit in hits], expected, atol=CLOSE)
    np.testing.assert_allclose([scores[hit.image_id] for hit in hits], expected, atol=CLOSE)
    assert len({hit.external_id if per_product else hit.image_id for hit in hits}) == len(hits)


@settings(max_examples=15, deadline=None)
@given(
    like=PRODUCTS.filter(bool),
    filters=st.just(SearchFilters()) | FILTERS,
    mode=st.sampled_from([mode for mode in SearchMode if mode is not SearchMode.VISUAL]),
    wanted=_some(ATTRIBUTES[: len(COLORS)], 2),
    unwanted=_some(ATTRIBUTES, 2),
    per_product=st.booleans(),
    candidates=st.sampled_from([40, 60, EVERYTHING]),
    threshold=st.none() | st.floats(0, 1.2),
    limit=st.integers(5, 40),
)
def test_pages_of_changed_searches_and_of_few_candidates_are_one_order(
    world, like, filters, mode, wanted, unwanted, per_product, candidates, threshold, limit
):
    """Nothing twice, best first, and no total of more than there are."""

    def ask(page: int) -> SearchAnswer:
        options = SearchOptions(mode, limit, page, candidates, score_threshold=threshold, per_product=per_product)
        return world.search.by_examples(MERCHANT, Examples(like), filters, options, AttributeChanges(wanted, unwanted))

    refused = {*unwanted, *filters.none_of}
    if refused & {*wanted, *filters.all_of} or (filters.any_of and refused.issuperset(filters.any_of)):
        with pytest.raises(InvalidRequest):
            ask(0)
        return
    hits = _all_pages(ask)
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    assert len({hit.external_id if per_product else hit.image_id for hit in hits}) == len(hits)
