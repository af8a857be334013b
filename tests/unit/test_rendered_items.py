"""The rendered catalog's items: the same for the same seed, true to their attributes, described in words."""

from __future__ import annotations

import csv
import io
from collections import Counter
from decimal import Decimal

import pytest

from embeddings.datasets.rendered import items
from embeddings.datasets.rendered import vocabulary as words
from embeddings.datasets.rendered.catalog import FEED_COLUMNS, feed_row
from embeddings.taxonomy import Taxonomy, normalize_attribute, split_attribute

CATALOG = list(items(1500, seed=4))


def values_of(group: str, kind: str | None = None) -> set[str]:
    return {
        value
        for item in CATALOG
        if kind is None or item.look.kind == kind
        for name, value in map(split_attribute, item.attributes)
        if name == group
    }


def test_the_same_seed_gives_the_same_items():
    """Items are equal in every field, and a longer catalog begins with the shorter one."""
    assert list(items(30, seed=4)) == CATALOG[:30]
    assert list(items(30, seed=5)) != CATALOG[:30]


def test_ids_are_unique_also_across_seeds():
    """Two rendered catalogs can be put into one gallery."""
    ids = [item.item_id for seed in (4, 5) for item in items(200, seed)]

    assert len(set(ids)) == 400


def test_no_two_items_look_alike():
    """Even where attributes agree, some number of the look differs."""
    assert len({item.look for item in CATALOG}) == len(CATALOG)


def test_none_and_negative():
    """An empty catalog is empty; a negative one is a mistake."""
    assert list(items(0, seed=1)) == []
    with pytest.raises(ValueError, match="negative"):
        items(-1, seed=1)
    with pytest.raises(ValueError, match="negative"):
        items(1, seed=-1)


def test_most_items_are_dresses_and_no_kind_is_rare():
    """65 % dresses by design: within 60 to 70 % of 1500; every other kind at least 8 %."""
    counts = Counter(item.category for item in CATALOG)

    assert 900 <= counts["Women", "Dresses"] <= 1050
    assert set(counts) == set(words.CATEGORY_PATHS.values())
    assert min(counts.values()) >= 120


def test_every_attribute_value_occurs():
    """All values of the vocabulary are met within 1500 items, so that a network can learn each."""
    assert values_of("color") == set(words.COLORS)
    assert values_of("accent") == set(words.COLORS)
    assert values_of("pattern") == set(words.PATTERNS)
    assert values_of("stripes") == set(words.STRIPES)
    assert values_of("fabric") == set(words.FABRICS)
    assert values_of("detail") == set(words.DETAILS)
    assert values_of("neckline") == set(words.DRESS_NECKLINES)
    assert values_of("sleeve") == set(words.SLEEVES)
    assert values_of("length", "dress") == set(words.DRESS_LENGTHS)
    assert values_of("length", "skirt") == set(words.SKIRT_LENGTHS)
    assert values_of("length", "trousers") == set(words.TROUSER_LENGTHS)
    assert values_of("silhouette", "dress") == set(words.DRESS_SILHOUETTES)
    assert values_of("silhouette", "skirt") == set(words.SKIRT_SILHOUETTES)
    assert values_of("fit") == {*words.TOP_FITS, *words.TROUSER_FITS}


def test_attributes_are_in_normal_form():
    """Sorted, without repeats, and what the taxonomy calls normal."""
    for item in CATALOG:
        assert list(item.attributes) == sorted(set(item.attributes))
        assert all(normalize_attribute(name) == name for name in item.attributes)
    # 18 colors, 18 accents, 8 patterns, 3 stripes, 7 fabrics, 8 necklines, 7 sleeves, 4 + 3 lengths (skirts share the
    # dresses'), 6 + 3 silhouettes (a-line is shared), 2 + 3 fits, 6 details.
    expected = 18 + 18 + 8 + 3 + 7 + 8 + 7 + 7 + 9 + 5 + 6
    assert len(Taxonomy.from_items(item.attributes for item in CATALOG)) == expected == 96


def test_groups_belong_to_their_kind():
    """Trousers have no neckline, skirts no sleeves, dresses both."""
    for item in CATALOG:
        groups = {split_attribute(name)[0] for name in item.attributes}
        assert {"color", "fabric", "pattern"} <= groups
        assert ("neckline" in groups) == (item.look.kind in ("dress", "top"))
        assert ("sleeve" in groups) == ("neckline" in groups)
        assert ("accent" in groups) == ("pattern=plain" not in item.attributes)
        assert ("stripes" in groups) == ("pattern=striped" in item.attributes)


def test_cuts_go_together():
    """No sleeves on a strapless or halter dress, straps under open necklines only, denim in denim's colours."""
    for item in CATALOG:
        look = item.look
        if look.neckline in words.BARE_NECKLINES:
            assert look.sleeve == "sleeveless"
        if look.sleeve == "straps":
            assert look.neckline in words.NECKLINES_WITH_STRAPS
        if look.fabric == "denim":
            assert look.color in words.DENIM_COLORS
        if look.fabric in words.UNPRINTED_FABRICS:
            assert look.pattern == "plain"


def test_every_value_has_words_that_begin_with_itself():
    """A text that uses the first wording names the value: it can be mined without knowing synonyms."""
    for name, wordings in words.SYNONYMS.items():
        _, value = split_attribute(name)
        core = {"straps": "straps"}.get(value, value)
        assert core.split("-")[0] in wordings[0], name
        assert len(wordings) >= 2


def test_text_mentions_every_attribute():
    """Title and description together hold a wording of each attribute."""
    for item in CATALOG:
        text = f"{item.title} {item.description}".casefold()
        for name in item.attributes:
            group, value = split_attribute(name)
            wordings = (
                (value,) if group == "stripes" else words.SYNONYMS[f"color={value}" if group == "accent" else name]
            )
            assert any(wording.casefold() in text for wording in wordings), (name, text)


def test_texts_vary():
    """Titles and descriptions are written item by item, not stamped from one form."""
    assert len({item.title for item in CATALOG}) > 1300
    assert len({item.description for item in CATALOG}) > 1480
    assert len({item.description.split()[0] for item in CATALOG}) > 10


def test_prices_are_shop_prices():
    """Positive euros with two decimals at most; a sequin garment costs more than the cotton average."""
    assert all(item.price > 0 and item.currency == "EUR" for item in CATALOG)
    assert all(item.price == item.price.quantize(Decimal("0.01")) for item in CATALOG)

    def mean(fabric: str) -> Decimal:
        prices = [item.price for item in CATALOG if item.look.fabric == fabric and item.look.kind == "dress"]
        return sum(prices, Decimal()) / len(prices)

    assert mean("sequin") > mean("cotton")


def test_a_feed_row_holds_what_the_feed_defines():
    """Columns, separators and the price's form are those of the product feed."""
    item = CATALOG[0]

    row = feed_row(item, num_views=3)

    assert tuple(row) == FEED_COLUMNS
    assert row["category"] == " > ".join(item.category)
    assert row["attributes"] == "; ".join(item.attributes)
    assert row["price"] == f"{item.price} EUR"
    assert row["image"] == f"images/{item.item_id}-0.jpg"
    assert row["additional_images"] == f"images/{item.item_id}-1.jpg;images/{item.item_id}-2.jpg"
    buffer = io.StringIO()
    csv.DictWriter(buffer, FEED_COLUMNS).writerow(row)
    assert next(csv.DictReader(io.StringIO(buffer.getvalue()), FEED_COLUMNS)) == row
