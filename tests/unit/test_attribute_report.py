"""Counting words and attributes over a catalog."""

from __future__ import annotations

from catalog.attributes.mining import Conflict, ProductAttributes
from catalog.attributes.report import AttributeTally, ReportCounter
from catalog.attributes.word_counts import WordCounts


def product(*names, text=(), conflicts=(), words=()):
    """A product whose attributes come from the feed, those of ``text`` from texts."""
    return ProductAttributes(
        names=tuple(sorted({*names, *text})),
        from_feed=frozenset(names),
        from_text=frozenset(text),
        conflicts=tuple(conflicts),
        denied=frozenset(),
        unknown_words=frozenset(words),
        unknown_pairs=frozenset(),
    )


def test_an_empty_catalog_has_a_report():
    """No products, no shares to divide by."""
    report = ReportCounter().report()
    assert (report.num_products, report.coverage, report.mean_attributes) == (0, 0.0, 0.0)
    assert report.attributes == ()


def test_rare_attributes_count_for_nothing_but_are_told():
    """With lace on one product of three below the minimum of two, that product is not covered."""
    products = [product("color=red", words=["gown"]), product("color=red", text=["color=red"]), product("fabric=lace")]
    tally = AttributeTally()
    for one in products:
        tally.add(one)
    assert tally.rarer_than(2) == {"fabric=lace"}
    counter = ReportCounter(min_count=2, rare=tally.rarer_than(2))
    assert [counter.add(one) for one in products] == [("color=red",), ("color=red",), ()]
    report = counter.report()
    assert (report.num_covered, report.num_assigned) == (2, 2)
    assert [(one.name, one.from_feed, one.from_text) for one in report.attributes] == [("color=red", 2, 1)]
    assert [(one.name, one.num_products) for one in report.rare] == [("fabric=lace", 1)]
    assert [(one.group, one.num_products, one.num_values) for one in report.groups] == [("color", 2, 1)]


def test_conflicts_are_counted_by_product_and_by_kind():
    """Two conflicts on one product are one product with conflicts."""
    color = Conflict("color", ("blue",), ("red",))
    fabric = Conflict("fabric", ("silk",), ("lace",))
    counter = ReportCounter()
    for conflicts in ([color, fabric], [color], []):
        counter.add(product("color=blue", conflicts=conflicts))
    report = counter.report()
    assert report.num_conflicts == 2
    assert [(one.conflict, one.num_products) for one in report.conflicts] == [(color, 2), (fabric, 1)]


def test_words_are_counted_once_a_product_and_ranked():
    """Most frequent first, then by the alphabet."""
    counts = WordCounts()
    counts.add(["gown", "gown", "boho"], [])
    counts.add(["gown", "aztec"], [])
    assert counts.most_frequent(2) == [("gown", 2), ("aztec", 1)]
    assert len(counts) == 3


def test_words_worth_learning():
    """Not what most products have (dress, 5 of 5), not the rare (solo, 1), and the pair in place of its parts.

    "mandala" is on 2 products, both times in "mandala gown": 2 ≥ 0.8 · 2, so the pair stands for it. "gown" is on a
    third product alone: 2 < 0.8 · 3, but 3 > 0.5 · 5, so that it tells too little apart.
    """
    counts = WordCounts()
    counts.add(["dress", "mandala", "gown"], ["mandala gown"])
    counts.add(["dress", "mandala", "gown"], ["mandala gown"])
    counts.add(["dress", "gown", "boho"], [])
    counts.add(["dress", "boho"], [])
    counts.add(["dress", "solo"], [])
    assert counts.worth_learning(10) == ["boho", "mandala gown"]
    assert counts.worth_learning(1) == ["boho"]
    assert counts.worth_learning(0) == []


def test_memory_for_words_is_bounded():
    """The rarest are forgotten first; frequent ones keep their counts."""
    counts = WordCounts(max_counted=10)
    for number in range(1000):
        counts.add(["gown", f"word{number}"], [f"gown word{number}"])
    assert len(counts) <= 10
    assert counts.most_frequent(1) == [("gown", 1000)]
