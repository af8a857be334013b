"""Searches: ranking, filters, paging, grouping and reasons, on the real engine."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest

from catalog.errors import GalleryNotFound, InvalidRequest, MerchantNotFound, ProductNotFound
from catalog.types import Availability, SearchFilters, SearchMode, SearchOptions
from embeddings.errors import UnusableImage
from embeddings.images import decode_image, prepare
from embeddings.similarity import histogram_intersection
from tests.integration.services.conftest import MERCHANT, picture

BANDS = {
    "R4": ("red", "red", "red", "red"),
    "R3B1": ("red", "red", "red", "blue"),
    "R2B2": ("red", "red", "blue", "blue"),
    "R1B3": ("red", "blue", "blue", "blue"),
    "B4": ("blue", "blue", "blue", "blue"),
    "G4": ("green", "green", "green", "green"),
}


@pytest.fixture
def gallery(shop):
    """Six products between red, blue and green; R4 has a second picture."""
    rows = []
    for number, (name, colors) in enumerate(BANDS.items()):
        rows.append(
            {
                "id": name,
                "title": f"Dress {name}",
                "image": shop.photo(f"{name}.png", *colors),
                "category": ["Women", "Dresses"] if number % 2 == 0 else ["Women", "Skirts"],
                "attributes": sorted({f"color={color}" for color in colors}),
                "price": f"{10 * (number + 1)} EUR",
                "availability": "in stock" if number < 4 else "out of stock",
                "link": f"https://shop.example/{name}",
            }
        )
    rows[0]["additional_images"] = [shop.photo("R4-back.png", "red", "red", "red", "white")]
    shop.take(rows)
    return shop


def _ids(answer) -> list[str]:
    return [hit.external_id for hit in answer.hits]


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("mode", list(SearchMode))
def test_hits_come_in_order_of_likeness(gallery, mode, exact):
    """A red photo finds red first and less red after; one hit per product; ranks count from 1."""
    answer = gallery.search.by_image(MERCHANT, picture("red"), options=SearchOptions(mode=mode, exact=exact))
    assert _ids(answer)[:4] == ["R4", "R3B1", "R2B2", "R1B3"]
    assert [hit.rank for hit in answer.hits] == list(range(1, len(answer.hits) + 1))
    scores = [hit.score for hit in answer.hits]
    assert scores == sorted(scores, reverse=True)
    assert answer.model_version == "colors-1"


@pytest.mark.parametrize("mode", [SearchMode.RERANK, SearchMode.NATIVE])
def test_scores_are_the_histogram_intersection_itself(gallery, mode):
    """What the engine computed from lifted Manhattan distances is what NumPy computes from the histograms."""
    query = ("red", "red", "blue", "white")
    answer = gallery.search.by_image(MERCHANT, picture(*query), options=SearchOptions(mode=mode))
    embedder = gallery.models.embedder("colors-1")

    def prob(*colors: str):
        pixels = prepare(decode_image(picture(*colors), max_pixels=10**6), embedder.input_size)
        return embedder.embed(pixels[np.newaxis])["prob"]

    for hit in answer.hits:
        images = [BANDS[hit.external_id]]
        if hit.external_id == "R4":
            images.append(("red", "red", "red", "white"))
        best = max(histogram_intersection(prob(*query), prob(*colors))[0, 0] for colors in images)
        assert hit.score == pytest.approx(best, abs=1e-5)


def test_the_reasons_are_the_attributes_that_both_have(gallery):
    """Half red, half blue against three quarters red: red is the larger share, and shares sum to at most 1."""
    answer = gallery.search.by_image(
        MERCHANT, picture("red", "red", "blue", "blue"), options=SearchOptions(mode=SearchMode.NATIVE)
    )
    hit = next(hit for hit in answer.hits if hit.external_id == "R3B1")
    # Query (1, 1)/√2; hit (3, 1)/√10; minima 0.7071 of red and 0.3162 of blue; shares 0.691 and 0.309.
    assert [(reason.attribute, round(reason.share, 2)) for reason in hit.why] == [
        ("color=red", 0.69),
        ("color=blue", 0.31),
    ]


def test_a_product_query_runs_no_network_and_leaves_the_product_out(gallery):
    """The stored vectors are the query."""
    before = gallery.models.num_embedded
    answer = gallery.search.by_product(MERCHANT, "R3B1", options=SearchOptions(mode=SearchMode.NATIVE))
    assert gallery.models.num_embedded == before
    assert "R3B1" not in _ids(answer)
    # R2B2 by HI: min((3,1)/√10, (2,2)/√8) = 0.7071 + 0.3162 = 1.023; R4: 0.949; so R2B2 first, then R4.
    assert _ids(answer)[:2] == ["R2B2", "R4"]


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        (SearchFilters(category="Dresses"), {"R4", "R2B2", "B4"}),
        (SearchFilters(category="women > skirts"), {"R3B1", "R1B3", "G4"}),
        (SearchFilters(category=" Women  >SKIRTS > "), {"R3B1", "R1B3", "G4"}),
        (SearchFilters(all_of=("color=red", "color=blue")), {"R3B1", "R2B2", "R1B3"}),
        (SearchFilters(any_of=("color=green", "color=blue")), {"R3B1", "R2B2", "R1B3", "B4", "G4"}),
        (SearchFilters(none_of=("color=blue",)), {"R4", "G4"}),
        (SearchFilters(all_of=("Color: RED",), none_of=("color=blue",)), {"R4"}),
        (SearchFilters(min_price=Decimal(20), max_price=Decimal(40)), {"R3B1", "R2B2", "R1B3"}),
        (SearchFilters(max_price=Decimal("9.99")), set()),
        (SearchFilters(availability=(Availability.OUT_OF_STOCK,)), {"B4", "G4"}),
        (SearchFilters(currency="eur"), set(BANDS)),
        (SearchFilters(currency="USD"), set()),
    ],
)
@pytest.mark.parametrize("mode", list(SearchMode))
def test_filters_decide_what_can_be_a_hit(gallery, filters, expected, mode):
    """Every filter, in every mode, by words as a person writes them."""
    answer = gallery.search.by_image(MERCHANT, picture("red"), filters, SearchOptions(mode=mode))
    assert set(_ids(answer)) == expected


@pytest.mark.parametrize("mode", list(SearchMode))
def test_pages_continue_the_ranking(gallery, mode):
    """Three pages of two are the six hits in order, with ranks that go on; the fourth is empty."""
    whole = gallery.search.by_image(MERCHANT, picture("red"), options=SearchOptions(mode=mode))
    pages = [
        gallery.search.by_image(MERCHANT, picture("red"), options=SearchOptions(mode=mode, limit=2, page=page))
        for page in range(4)
    ]
    assert [hit for page in pages for hit in page.hits] == list(whole.hits)
    assert pages[3].hits == ()


@pytest.mark.parametrize("mode", list(SearchMode))
def test_equal_scores_come_in_the_order_of_ids(shop, mode):
    """Twelve of the very same photo: each page shows what the whole answer shows, and nothing twice."""
    photo = shop.photo("red.png", "red")
    shop.take([{"id": f"P{number:02}", "title": "t", "image": photo} for number in range(12)])
    pages = [
        shop.search.by_image(MERCHANT, picture("red"), options=SearchOptions(mode=mode, limit=4, page=page))
        for page in range(3)
    ]
    assert [hit.external_id for page in pages for hit in page.hits] == [f"P{number:02}" for number in range(12)]


def test_every_image_can_be_shown_or_one_per_product(gallery):
    """R4 has two pictures: both are hits of their own when asked for, its nearest one otherwise."""
    every = gallery.search.by_image(MERCHANT, picture("red"), options=SearchOptions(per_product=False))
    assert _ids(every).count("R4") == 2
    single = gallery.search.by_image(MERCHANT, picture("red"))
    assert _ids(single).count("R4") == 1
    assert single.hits[0].image_id == every.hits[0].image_id


@pytest.mark.parametrize("mode", list(SearchMode))
def test_a_threshold_leaves_out_what_scores_lower(gallery, mode):
    """Exactly the hits of the whole answer that reach it."""
    whole = gallery.search.by_image(MERCHANT, picture("red"), options=SearchOptions(mode=mode))
    threshold = (whole.hits[2].score + whole.hits[3].score) / 2
    cut = gallery.search.by_image(MERCHANT, picture("red"), options=SearchOptions(mode=mode, score_threshold=threshold))
    assert _ids(cut) == _ids(whole)[:3]


def test_what_postgresql_no_longer_has_is_never_shown(gallery):
    """A product deleted while its points still stand is not a hit, and the page is filled from further down."""
    with gallery.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM product WHERE external_id = 'R4'")
    answer = gallery.search.by_image(MERCHANT, picture("red"), options=SearchOptions(limit=2))
    assert _ids(answer) == ["R3B1", "R2B2"]


def test_a_merchant_sees_its_own_catalog_alone(gallery):
    """Two merchants of one model version share a collection; neither finds the other's items."""
    from catalog.services.ingesting.ingest import IngestRequest

    feed = gallery.write_feed([{"id": "OTHER", "title": "t", "image": gallery.photo("other.png", "red")}])
    other = gallery.ingest_service.run(IngestRequest(feed, "other", "colors-1"), gallery.errors.append)
    gallery.indexing.run(other.merchant_id)
    assert _ids(gallery.search.by_image("other", picture("red"))) == ["OTHER"]
    assert "OTHER" not in _ids(gallery.search.by_image(MERCHANT, picture("red")))
    with pytest.raises(ProductNotFound):
        gallery.search.by_product("other", "R4")


def test_the_answer_tells_when_the_gallery_last_changed(shop):
    """Later with every change of what is indexed, and the total with it; the same while nothing changes."""
    rows = [{"id": f"P{number}", "title": "t", "image": shop.photo("red.png", "red")} for number in range(3)]
    search, options = shop.search, SearchOptions(mode=SearchMode.NATIVE, limit=1)

    def told():
        answer = search.by_image(MERCHANT, picture("red"), options=options)
        return answer.indexed_at, answer.total.value

    shop.take(rows[:2])
    first, total = told()
    assert total == 2
    shop.take(rows[:2])
    assert told() == (first, 2)
    shop.take(rows)
    second, total = told()
    assert second > first
    assert total == 3
    shop.take(rows[2:], full_sync=True, max_removal=1.0)
    third, total = told()
    assert third > second
    assert total == 1


def test_wrong_questions_get_clear_errors(gallery):
    """Each names what was received and what would be right."""
    search = gallery.search
    with pytest.raises(MerchantNotFound, match="one of atelier"):
        search.by_product("nobody", "R4")
    with pytest.raises(ProductNotFound, match="R99"):
        search.by_product(MERCHANT, "R99")
    with pytest.raises(UnusableImage):
        search.by_image(MERCHANT, b"no picture")
    with pytest.raises(InvalidRequest, match="limit"):
        search.by_image(MERCHANT, picture("red"), options=SearchOptions(limit=101))
    with pytest.raises(InvalidRequest, match="candidates"):
        search.by_image(MERCHANT, picture("red"), options=SearchOptions(limit=50, candidates=49))
    with pytest.raises(InvalidRequest, match="price range"):
        search.by_image(MERCHANT, picture("red"), SearchFilters(min_price=Decimal(2), max_price=Decimal(1)))
    with pytest.raises(InvalidRequest, match="category"):
        search.by_image(MERCHANT, picture("red"), SearchFilters(category=" > "))
    with pytest.raises(InvalidRequest, match="threshold"):
        search.by_image(MERCHANT, picture("red"), options=SearchOptions(score_threshold=float("nan")))
    with pytest.raises(InvalidRequest, match="color=red"):
        search.by_image(MERCHANT, picture("red"), SearchFilters(all_of=("color=",)))


def test_a_merchant_without_a_gallery_is_told_so(shop):
    """Known by name, but nothing to search."""
    with shop.unit_of_work() as work:
        work.merchants.ensure("empty")
        work.commit()
    with pytest.raises(GalleryNotFound, match="empty"):
        shop.search.by_image("empty", picture("red"))
