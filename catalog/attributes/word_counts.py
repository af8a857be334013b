"""How many products use each word that is in no vocabulary, and which of these words are worth learning."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

MAX_COUNTED = 200_000
"""Words, and as many pairs, that are counted at a time; bounds the memory of large catalogs."""

_MAX_SHARE = 0.5
"""A word on more of the products than this tells little apart."""

_PAIR_SHARE = 0.8
"""A word that is this often part of one pair has no meaning of its own."""


class WordCounts:
    """Counts words by product. Where there are too many different ones, the rarest are forgotten."""

    def __init__(self, max_counted: int = MAX_COUNTED) -> None:
        self._max_counted = max_counted
        self._words: Counter[str] = Counter()
        self._pairs: Counter[str] = Counter()
        self._num_products = 0

    def add(self, words: Iterable[str], pairs: Iterable[str]) -> None:
        """Count one product's words and pairs of words, each once."""
        self._num_products += 1
        for counts, found in ((self._words, words), (self._pairs, pairs)):
            counts.update(set(found))
            self._forget_rare(counts)

    def __len__(self) -> int:
        """Number of different words."""
        return len(self._words)

    def most_frequent(self, limit: int) -> list[tuple[str, int]]:
        """Words with their number of products, most frequent first, equally frequent ones in alphabetical order."""
        return sorted(self._words.items(), key=_by_count)[:limit]

    def worth_learning(self, limit: int, min_count: int = 2) -> list[str]:
        """The most frequent words and pairs of words that can tell products apart.

        Left out: what fewer than ``min_count`` products or more than half of them use, and words that hardly appear
        outside of one pair, for which the pair is learned.
        """
        most = self._num_products * _MAX_SHARE
        covered: set[str] = set()
        for pair, count in self._pairs.items():
            covered.update(word for word in pair.split(" ") if count >= _PAIR_SHARE * self._words[word])
        candidates = {word: count for word, count in self._words.items() if word not in covered} | dict(self._pairs)
        frequent = {phrase: count for phrase, count in candidates.items() if min_count <= count <= most}
        return [phrase for phrase, _ in sorted(frequent.items(), key=_by_count)[:limit]]

    def _forget_rare(self, counts: Counter[str]) -> None:
        threshold = 1
        while len(counts) > self._max_counted:
            for phrase in [phrase for phrase, count in counts.items() if count <= threshold]:
                del counts[phrase]
            threshold += 1


def _by_count(entry: tuple[str, int]) -> tuple[int, str]:
    return -entry[1], entry[0]
