"""What a gallery must pass before searches go to it: counts, recall under every shape of filter, precision."""

from __future__ import annotations

import dataclasses

import pytest

from catalog.errors import GalleryRejected, InvalidRequest
from catalog.services.indexing.reconciliation import ReconciliationService
from catalog.services.reindexing.filter_shapes import FilterShape
from catalog.services.reindexing.gallery_checks import CheckLimits, SameProductPrecision, recall_of_scores
from catalog.services.searching.search import SearchService
from tests.integration.services.conftest import MERCHANT

NUM_PRODUCTS = 36
COLORS = ("red", "green", "blue", "white", "black", "yellow")


def _rows(shop, number: int = NUM_PRODUCTS):
    """Products of two categories, three and two values of two attributes, and prices from 20 EUR on.

    The first two bands of colour write the product's number in base six.
    """
    rows = []
    for at in range(number):
        bands = (COLORS[at % 6], COLORS[at // 6 % 6], COLORS[(at + at // 6) % 6])
        rows.append(
            {
                "id": f"P{at}",
                "title": f"Item {at}",
                "image": shop.photo(f"{at}.png", *bands, "black"),
                "category": f"Women > {'Dresses' if at % 2 else 'Coats'}",
                "attributes": [f"color=c{at % 3}", f"size=s{at % 2}"],
                "price": f"{20 + at} EUR",
            }
        )
    return rows


class DeafIndex:
    """A vector index whose approximate searches by one vector lose their nearest results under some filters."""

    def __init__(self, index, using: str, num_conditions: int, lost: int) -> None:
        self._index = index
        self._using = using
        self._num_conditions = num_conditions
        self._lost = lost

    def search(self, collection, query):
        found = self._index.search(collection, query)
        deaf = query.using == self._using and len(query.filter.must) == self._num_conditions and not query.exact
        return found[self._lost :] if deaf else found

    def __getattr__(self, name: str):
        return getattr(self._index, name)


def test_a_gallery_that_finds_everything_is_told_of_and_changed_to(shop):
    """Every shape is measured: of 36 products, 12 have a colour, but only 6 a colour and a size, too few for ten."""
    summary, _ = shop.take(_rows(shop))
    changed = shop.reindexing.run(summary.merchant_id, "colors-2")
    report = changed.report
    assert (changed.live, report.num_images, report.num_points, report.precision) == (True, 36, 36, None)
    told = {one.shape: (one.num_queries, dict(one.by_vector)) for one in report.recalls}
    whole = {"pool": 1.0, "hist": 1.0}
    for shape in (FilterShape.NONE, FilterShape.CATEGORY, FilterShape.ATTRIBUTE):
        assert told[shape] == (20, whole)
    assert told[FilterShape.TWO_ATTRIBUTES] == (0, {})
    # The wider range of a price, from half of it to twice, has ten others wherever in 20 to 55 the price is.
    assert told[FilterShape.PRICE] == (20, whole)


def test_a_gallery_that_misses_too_much_is_kept_and_not_searched(shop):
    """Under a category alone, by hist alone, 2 of 10 are lost: .8. The merchant is one condition, the category two."""
    summary, _ = shop.take(_rows(shop))
    whole = shop.index
    shop.index = DeafIndex(whole, "hist", 2, lost=2)
    with pytest.raises(
        GalleryRejected, match=r"colors-2 would miss too much.*recall@10 0\.800 with category \(hist, 20 queries\)"
    ) as refused:
        shop.reindexing.run(summary.merchant_id, "colors-2")
    assert "pool" not in str(refused.value)
    assert "two attributes" not in str(refused.value)
    assert shop.rows("SELECT state FROM gallery ORDER BY id") == [("live",), ("building",)]
    embedded = shop.models.num_embedded
    assert shop.reindexing.run(summary.merchant_id, "colors-2", limits=CheckLimits(0.7)).live
    assert shop.models.num_embedded == embedded
    assert (
        SearchService(shop.unit_of_work, whole, shop.models, shop.query_embedding)
        .by_product(MERCHANT, "P3")
        .model_version
        == "colors-2"
    )


def test_recall_is_not_measured_where_nothing_is_asked(shop):
    """Counting stays: it costs nothing."""
    summary, _ = shop.take(_rows(shop))
    shop.index = DeafIndex(shop.index, "hist", 2, lost=9)
    changed = shop.reindexing.run(summary.merchant_id, "colors-2", limits=CheckLimits(0))
    assert (changed.live, changed.report.recalls, changed.report.num_points) == (True, (), 36)


def test_points_that_were_lost_keep_a_gallery_from_being_searched(shop):
    """PostgreSQL has noted 36 as held; the index, which lost two of them to whatever, is asked itself."""
    summary, _ = shop.take(_rows(shop))
    gallery = shop.galleries.build_beside(summary.merchant_id, "colors-2")
    shop.indexing.run(summary.merchant_id)
    some = [point.id for point in shop.index.scroll(gallery.collection, limit=2)]
    shop.index.delete(gallery.collection, some)
    with pytest.raises(
        GalleryRejected, match=r"34 points, 36 images noted.*that can be indexed: 36.*drape reconcile --repair"
    ):
        shop.reindexing.run(summary.merchant_id, "colors-2")
    assert shop.search.by_product(MERCHANT, "P3").model_version == "colors-1"
    ReconciliationService(shop.unit_of_work, shop.index, shop.models).run(MERCHANT, repairs=True)
    assert shop.reindexing.run(summary.merchant_id, "colors-2").live
    shop.assert_consistent()


def test_images_that_come_while_a_gallery_is_checked_are_indexed_before_the_change(shop):
    """They are dirty by then, so the counts allow for them; the gallery is changed to with all of them."""
    rows = _rows(shop)
    summary, _ = shop.take(rows[:30])
    whole, meanwhile = shop.index, [lambda: shop.ingest(rows)]

    class IndexDuringWhich:
        def optimize(self, collection) -> None:
            # The collection is made fit to be measured after what was due has been indexed.
            whole.optimize(collection)
            if shop.scalar("SELECT count(*) FROM outbox") == 0 and meanwhile:
                meanwhile.pop()()

        def __getattr__(self, name: str):
            return getattr(whole, name)

    shop.index = IndexDuringWhich()
    changed = shop.reindexing.run(summary.merchant_id, "colors-2")
    shop.index = whole
    assert (changed.live, changed.indexing.embedded) == (True, 36)
    assert shop.search.by_product(MERCHANT, "P35").model_version == "colors-2"
    shop.assert_consistent()


def test_the_nearest_image_must_be_of_the_same_product_often_enough(shop):
    """Both views of P0 are red and find each other; P1's blue and yellow find the half blue and half yellow: 2 of 4."""
    shop.limits = dataclasses.replace(shop.limits, hide_duplicates=False)
    pictures = {"P0": [["red"], ["red"]], "P1": [["blue"], ["yellow"]]}
    pictures |= {"P2": [["blue", "black"]], "P3": [["yellow", "white"]]}
    rows = []
    for name, views in pictures.items():
        photos = [shop.photo(f"{name}-{at}.png", *bands) for at, bands in enumerate(views)]
        rows.append({"id": name, "title": name, "image": photos[0], "additional_images": ";".join(photos[1:])})
    summary, _ = shop.take(rows)
    with pytest.raises(GalleryRejected, match=r"too rarely.*precision@1 0\.500 over 4 queries.*at least 0\.51"):
        shop.reindexing.run(summary.merchant_id, "colors-2", limits=CheckLimits(min_precision=0.51))
    assert shop.search.by_product(MERCHANT, "P0").model_version == "colors-1"
    changed = shop.reindexing.run(summary.merchant_id, "colors-2", limits=CheckLimits(min_precision=0.5))
    assert (changed.live, changed.report.precision) == (True, SameProductPrecision(0.5, 4))


def test_precision_cannot_be_asked_of_products_with_one_image(shop):
    """Then nothing is right or wrong, and an asked-for check is not skipped silently."""
    summary, _ = shop.take(_rows(shop, 12))
    with pytest.raises(GalleryRejected, match=r"no product with several images.*without --min-precision"):
        shop.reindexing.run(summary.merchant_id, "colors-2", limits=CheckLimits(min_precision=0.1))


@pytest.mark.parametrize("limit", [-0.1, 1.5, float("nan")])
def test_limits_are_shares(limit):
    """A percentage is not one."""
    with pytest.raises(InvalidRequest, match="from 0 to 1"):
        CheckLimits(min_recall=limit)
    with pytest.raises(InvalidRequest, match="from 0 to 1"):
        CheckLimits(min_precision=limit)


@pytest.mark.parametrize(
    ("found", "share"),
    [([0.1, 0.4, 0.4, 0.4], 0.75), ([0.1, 0.2, 0.4], 0.75), ([0.4] * 4, 0.5), ([], 0.0), ([0.5, 0.6], 0.0)],
)
def test_recall_counts_ties_with_the_last_result_as_often_as_they_are_there(found, share):
    """The true four are at 0.1, 0.2, 0.4 and 0.4: of any number at 0.4, two are right."""
    assert recall_of_scores(found, [0.1, 0.2, 0.4, 0.4]) == share
