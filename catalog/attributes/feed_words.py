"""What a feed's words for attributes left open: those without a meaning, and columns that titles contradict."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from catalog.attributes.normalizer import AttributeNormalizer, Normalized
from catalog.attributes.product_texts import texts_of_product
from embeddings.taxonomy import split_attribute

MAX_COUNTED = 10_000
"""Different words, and different conflicts, that are counted; bounds the memory of large feeds."""

IDS_KEPT = 20

Key = TypeVar("Key", tuple[str, str], tuple[str, tuple[str, ...], tuple[str, ...]])


@dataclass(frozen=True, slots=True)
class UnmappedWord:
    """A merchant's word that no value of its group is known for, and the number of products that have it."""

    group: str
    word: str
    count: int


@dataclass(frozen=True, slots=True)
class ColumnConflict:
    """A group in which titles say something else than the column; both are kept.

    Args:
        column, title: Values, sorted.
        count: Products that have it.
        ids: Of the first of them, in the feed's order.
    """

    group: str
    column: tuple[str, ...]
    title: tuple[str, ...]
    count: int
    ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FeedWordsReport:
    """What a feed's words left open, most frequent first.

    Args:
        num_conflicting: Products with a conflict.
    """

    unmapped: tuple[UnmappedWord, ...] = ()
    conflicts: tuple[ColumnConflict, ...] = ()
    num_conflicting: int = 0


class FeedWords:
    """Normalises the attributes of a feed's products and counts what that leaves open."""

    def __init__(self, normalizer: AttributeNormalizer, *, max_counted: int = MAX_COUNTED) -> None:
        self._normalizer = normalizer
        self._max_counted = max_counted
        self._unmapped: Counter[tuple[str, str]] = Counter()
        self._conflicts: Counter[tuple[str, tuple[str, ...], tuple[str, ...]]] = Counter()
        self._ids: dict[tuple[str, tuple[str, ...], tuple[str, ...]], list[str]] = {}
        self._num_conflicting = 0

    def normalize(self, attributes: tuple[str, ...]) -> Normalized:
        """What a product's attributes mean; counts nothing."""
        return self._normalizer.normalize(attributes)

    def add(
        self, external_id: str, title: str, attributes: tuple[str, ...], raw: Mapping[str, object]
    ) -> tuple[int, bool]:
        """Count one product.

        Args:
            attributes: The feed's own, in normal form.
            raw: The feed's row, of which the maker's name is read.

        Returns:
            The number of its words without a meaning, and whether its title contradicts a column.
        """
        found = self._normalizer.normalize(attributes)
        self._unmapped.update(found.unmapped)
        _forget_rare(self._unmapped, self._max_counted)
        conflicts = list(self._conflicts_of(title, found))
        if conflicts:
            # The maker's name is no colour: "Red Tape shoes". Few products come here, so it is looked up only now.
            texts = texts_of_product(title, "", attributes, raw)
            brands = (value for name, value in map(split_attribute, attributes) if name == "brand")
            brand = texts.brand or next(brands, "")
            conflicts = list(self._conflicts_of(texts.title, found, brand))
        for conflict in conflicts:
            if conflict in self._conflicts or len(self._conflicts) < self._max_counted:
                self._conflicts[conflict] += 1
                ids = self._ids.setdefault(conflict, [])
                if len(ids) < IDS_KEPT:
                    ids.append(external_id)
        self._num_conflicting += bool(conflicts)
        return len(found.unmapped), bool(conflicts)

    def report(self) -> FeedWordsReport:
        """What was counted so far."""
        return FeedWordsReport(
            unmapped=tuple(UnmappedWord(*pair, count) for pair, count in _by_count(self._unmapped)),
            conflicts=tuple(
                ColumnConflict(*conflict, count, tuple(self._ids[conflict]))
                for conflict, count in _by_count(self._conflicts)
            ),
            num_conflicting=self._num_conflicting,
        )

    def _conflicts_of(
        self, title: str, found: Normalized, brand: str = ""
    ) -> Iterator[tuple[str, tuple[str, ...], tuple[str, ...]]]:
        """Groups in which nothing that the title says agrees with anything that the columns say.

        A group with a word of unknown meaning contradicts nothing.
        """
        compared = self._normalizer.compared_groups
        columns: dict[str, list[str]] = {}
        for name in found.attributes:
            group, value = split_attribute(name)
            if group in compared:
                columns.setdefault(group, []).append(value)
        for group, _ in found.unmapped:
            columns.pop(self._normalizer.group_of(group) or group, None)
        if not columns or not self._may_conflict(columns, title):
            return
        for group, said in sorted(self._normalizer.values_in_text(title, brand).items()):
            values = columns.get(group)
            if values and not any(compared[group].agree(one, other) for one in values for other in said):
                yield group, tuple(values), tuple(sorted(said))

    def _may_conflict(self, columns: Mapping[str, Sequence[str]], title: str) -> bool:
        """Whether the title may say anything that some value of a column does not agree with. Most titles cannot."""
        possible = self._normalizer.possible_values_in_text(title)
        if possible is None:
            return True
        return any(
            not all(any(self._normalizer.compared_groups[group].agree(one, other) for one in values) for other in said)
            for group, values in columns.items()
            if (said := possible.get(group))
        )


def _forget_rare(counts: Counter[tuple[str, str]], max_counted: int) -> None:
    """Where there are too many different ones, the rarest are forgotten."""
    threshold = 1
    while len(counts) > max_counted:
        for pair in [pair for pair, count in counts.items() if count <= threshold]:
            del counts[pair]
        threshold += 1


def _by_count(counts: Counter[Key]) -> list[tuple[Key, int]]:
    return sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))
