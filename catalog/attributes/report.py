"""What mining a catalog gave: coverage, counts, sources, conflicts and the words that were left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from catalog.attributes.mining import Conflict, ProductAttributes
from catalog.attributes.word_counts import WordCounts
from embeddings.taxonomy import split_attribute

NUM_WORDS_KEPT = 200
NUM_CONFLICTS_KEPT = 100


@dataclass(frozen=True, slots=True)
class AttributeCount:
    """An attribute and the number of products that have it.

    Args:
        from_feed, from_text: Products whose feed says so, and whose texts say so; one may be counted in both.
    """

    name: str
    num_products: int
    from_feed: int
    from_text: int


@dataclass(frozen=True, slots=True)
class GroupCoverage:
    """Products with at least one attribute of the group, and the number of its different values."""

    group: str
    num_products: int
    num_values: int


@dataclass(frozen=True, slots=True)
class ConflictCount:
    """A conflict between feed and texts, and the number of products that have it."""

    conflict: Conflict
    num_products: int


@dataclass(frozen=True, slots=True)
class MiningReport:
    """The result of mining a catalog, in numbers. Lists are in order of their numbers, largest first.

    Args:
        num_products: Products looked at.
        num_covered: Those with at least one attribute.
        num_assigned: Attributes over all products, so that ``num_assigned / num_products`` is the mean.
        groups: Coverage by group.
        attributes: Every attribute that at least ``min_count`` products have.
        rare: Those that fewer have; no product has them in the result.
        num_conflicts: Products in which feed and texts contradict each other; the feed is believed.
        conflicts: The most frequent contradictions.
        denied: Attributes that texts say a product has not ("no pockets").
        learned: Phrases that were learned, as attributes ``word=phrase``.
        num_left_out: Different words that are in no vocabulary.
        left_out: The most frequent of them, with their number of products.
    """

    num_products: int
    num_covered: int
    num_assigned: int
    min_count: int
    groups: tuple[GroupCoverage, ...]
    attributes: tuple[AttributeCount, ...]
    rare: tuple[AttributeCount, ...]
    num_conflicts: int
    conflicts: tuple[ConflictCount, ...]
    denied: tuple[tuple[str, int], ...]
    learned: tuple[str, ...]
    num_left_out: int
    left_out: tuple[tuple[str, int], ...]

    @property
    def coverage(self) -> float:
        """Share of the products that have at least one attribute, 0 to 1; 0 where there are no products."""
        return self.num_covered / self.num_products if self.num_products else 0.0

    @property
    def mean_attributes(self) -> float:
        """Attributes per product; 0 where there are no products."""
        return self.num_assigned / self.num_products if self.num_products else 0.0


class AttributeTally:
    """Counts products by attribute, once each; what decides which attributes are frequent enough."""

    def __init__(self) -> None:
        self.words = WordCounts()
        self._names: Counter[str] = Counter()

    def add(self, product: ProductAttributes) -> None:
        """Count one product."""
        self._names.update(product.names)
        self.words.add(product.unknown_words, product.unknown_pairs)

    def rarer_than(self, min_count: int) -> frozenset[str]:
        """Attributes that fewer products have."""
        return frozenset(name for name, count in self._names.items() if count < min_count)


class ReportCounter:
    """Counts what a report tells, product by product.

    Args:
        rare: Attributes that are taken from every product.
    """

    def __init__(
        self, *, min_count: int = 1, rare: AbstractSet[str] = frozenset(), learned: tuple[str, ...] = ()
    ) -> None:
        self._min_count = min_count
        self._rare = rare
        self._learned = learned
        self._num_products = self._num_covered = self._num_assigned = self._num_conflicts = 0
        self._names: Counter[str] = Counter()
        self._from_feed: Counter[str] = Counter()
        self._from_text: Counter[str] = Counter()
        self._groups: Counter[str] = Counter()
        self._conflicts: Counter[Conflict] = Counter()
        self._denied: Counter[str] = Counter()
        self._words = WordCounts()

    def add(self, product: ProductAttributes) -> tuple[str, ...]:
        """Count one product; returns those of its attributes that are not rare, sorted."""
        kept = tuple(name for name in product.names if name not in self._rare)
        self._num_products += 1
        self._num_covered += bool(kept)
        self._num_assigned += len(kept)
        self._num_conflicts += bool(product.conflicts)
        self._names.update(product.names)
        self._from_feed.update(product.from_feed)
        self._from_text.update(product.from_text)
        self._groups.update({split_attribute(name)[0] for name in kept})
        self._conflicts.update(product.conflicts)
        self._denied.update(product.denied)
        self._words.add(product.unknown_words, ())
        return kept

    def report(self) -> MiningReport:
        """What was counted so far."""
        counts = [
            AttributeCount(name, count, self._from_feed[name], self._from_text[name])
            for name, count in _by_count(self._names)
        ]
        num_values = Counter(split_attribute(one.name)[0] for one in counts if one.name not in self._rare)
        conflicts = sorted(self._conflicts.items(), key=lambda entry: (-entry[1], entry[0].group, entry[0].feed))
        return MiningReport(
            num_products=self._num_products,
            num_covered=self._num_covered,
            num_assigned=self._num_assigned,
            min_count=self._min_count,
            groups=tuple(GroupCoverage(group, count, num_values[group]) for group, count in _by_count(self._groups)),
            attributes=tuple(one for one in counts if one.name not in self._rare),
            rare=tuple(one for one in counts if one.name in self._rare),
            num_conflicts=self._num_conflicts,
            conflicts=tuple(ConflictCount(conflict, count) for conflict, count in conflicts[:NUM_CONFLICTS_KEPT]),
            denied=tuple(_by_count(self._denied)),
            learned=self._learned,
            num_left_out=len(self._words),
            left_out=tuple(self._words.most_frequent(NUM_WORDS_KEPT)),
        )


def _by_count(counts: Counter[str]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))
