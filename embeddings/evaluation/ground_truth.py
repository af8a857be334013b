"""What is right for each query of a data set, and how right a ranking is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embeddings.datasets.records import Dataset, DatasetImage, UnusableDataset
from embeddings.evaluation.feature_rows import Positions, blocks
from embeddings.evaluation.ranking import num_own, num_rankable
from embeddings.metrics import precision_at_k, recall_at_k, top_k_accuracy

MOST_RANKS = 50
"""The protocols look at k = 1…50."""

_QUERIES_PER_BLOCK = 512


@dataclass(frozen=True, slots=True)
class LevelMeasures:
    """One level of labels. The curves start at k = 1 and are empty where every query was left out.

    Args:
        num_queries: How many queries the means are over.
        num_excluded: Queries left out because the gallery has nothing of their label but their own picture.
    """

    num_queries: int
    num_excluded: int
    precision: tuple[float, ...]
    recall: tuple[float, ...]
    top_k_accuracy: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class AttributeMeasures:
    """Attribute IoU@k, k from 1, over the queries that have attributes; empty where none has.

    Args:
        num_excluded: Queries left out because nothing is known of their attributes.
    """

    num_queries: int
    num_excluded: int
    iou: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class RankingMeasures:
    """How good a ranking is: by level of labels, from fine to coarse, and by attributes."""

    levels: Mapping[str, LevelMeasures]
    attributes: AttributeMeasures


class GroundTruth:
    """What a data set's protocol calls right.

    A query's own picture, that is any gallery image of the same file and crop, is never a result. A query that nothing
    else in the gallery is relevant to at a level is left out of that level's means, and counted.

    Args:
        dataset: With at least one query and one other image in the gallery.

    Attributes:
        pictures: Every different picture of queries and gallery.
        query_ids, gallery_ids: (n_q,) and (n_g,) int64, positions in ``pictures``.
        num_ranks: How many results every query can have, at most 50.

    Raises:
        UnusableDataset: there is nothing to search or to search with, or nothing to judge the results by.
    """

    def __init__(self, dataset: Dataset) -> None:
        self.pictures, self.query_ids, self.gallery_ids = _pictures(dataset.queries, dataset.gallery)
        self.num_ranks = min(MOST_RANKS, num_rankable(self.query_ids, self.gallery_ids))
        if self.num_ranks < 1:
            raise UnusableDataset(
                f"There is nothing to rank in {dataset.name}",
                received=f"{len(dataset.queries)} queries, a gallery of {len(dataset.gallery)} images",
                expected="at least one query, and in the gallery at least one image that is not the query's own",
                remedy="choose another category, or search the gallery of all",
            )
        self._levels = {level: _Level(dataset, level, self.query_ids, self.gallery_ids) for level in dataset.levels}
        self._query_attributes, self._gallery_attributes = _packed_attributes(dataset.queries, dataset.gallery)
        self._described = np.array([bool(image.attributes) for image in dataset.queries])
        if not self._described.any() and not any(level.judged.any() for level in self._levels.values()):
            raise UnusableDataset(
                f"Nothing in {dataset.name} tells a right result from a wrong one",
                received=f"no query of {len(dataset.queries)} has attributes or a relevant image in the gallery",
                expected="attributes, or several images with the same label",
                remedy="check the data set's labels and attributes",
            )

    def relevant(self, level: str, queries: Positions, ranking: Positions) -> NDArray[np.bool_]:
        """Whether the results of some queries are relevant at a level: (len(queries), ranks) boolean."""
        return self._levels[level].relevant(queries, ranking)

    def measure(self, ranking: Positions) -> RankingMeasures:
        """How good a ranking is, at every k up to its number of ranks.

        Args:
            ranking: (n_q, ranks) gallery positions, nearest first, ranks ≥ 1, without any query's own picture.

        Raises:
            ValueError: the ranking is of other queries, or holds a query's own picture.
        """
        if ranking.ndim != 2 or len(ranking) != len(self.query_ids) or not ranking.shape[1]:
            raise ValueError(f"expected a ranking for {len(self.query_ids)} queries, received shape {ranking.shape}")
        if (self.gallery_ids[ranking] == self.query_ids[:, np.newaxis]).any():
            raise ValueError("a query's own picture is among its results")
        return RankingMeasures(
            levels={name: level.measure(ranking) for name, level in self._levels.items()},
            attributes=self._measure_attributes(ranking),
        )

    def _measure_attributes(self, ranking: Positions) -> AttributeMeasures:
        queries = np.flatnonzero(self._described)
        excluded = len(ranking) - len(queries)
        if not len(queries):
            return AttributeMeasures(0, excluded, ())
        total = np.zeros(ranking.shape[1])
        for block in blocks(len(queries), _QUERIES_PER_BLOCK):
            chosen = queries[block]
            asked = self._query_attributes[chosen][:, np.newaxis]
            found = self._gallery_attributes[ranking[chosen]]
            shared = np.bitwise_count(asked & found).sum(axis=2, dtype=np.int64)
            # Never 0, because these queries have attributes.
            either = np.bitwise_count(asked | found).sum(axis=2, dtype=np.int64)
            total += np.sum(shared / either, axis=0)
        return AttributeMeasures(len(queries), excluded, _running_means(total / len(queries)))


class _Level:
    """One level of labels as numbers."""

    def __init__(
        self, dataset: Dataset, level: str, query_ids: NDArray[np.int64], gallery_ids: NDArray[np.int64]
    ) -> None:
        numbers: dict[str, int] = {}
        self._queries = _numbered((image.labels[level] for image in dataset.queries), numbers)
        self._gallery = _numbered((image.labels[level] for image in dataset.gallery), numbers)
        # The query's own picture is never found, so where it has the query's label it does not count.
        own = num_own(query_ids * len(numbers) + self._queries, gallery_ids * len(numbers) + self._gallery)
        self._num_relevant = np.bincount(self._gallery, minlength=len(numbers))[self._queries] - own
        self.judged = self._num_relevant > 0

    def relevant(self, queries: Positions, ranking: Positions) -> NDArray[np.bool_]:
        found: NDArray[np.bool_] = self._gallery[ranking] == self._queries[queries][:, np.newaxis]
        return found

    def measure(self, ranking: Positions) -> LevelMeasures:
        judged = np.flatnonzero(self.judged)
        excluded = len(ranking) - len(judged)
        if not len(judged):
            return LevelMeasures(0, excluded, (), (), ())
        relevant = self.relevant(judged, ranking[judged])
        num_relevant = self._num_relevant[judged]
        ks = range(1, ranking.shape[1] + 1)
        return LevelMeasures(
            num_queries=len(judged),
            num_excluded=excluded,
            precision=tuple(precision_at_k(relevant, k) for k in ks),
            recall=tuple(recall_at_k(relevant, num_relevant, k) for k in ks),
            top_k_accuracy=tuple(top_k_accuracy(relevant, k) for k in ks),
        )


def _numbered(labels: Iterable[str], numbers: dict[str, int]) -> NDArray[np.int64]:
    """Each label's number, new labels numbered on."""
    return np.fromiter((numbers.setdefault(label, len(numbers)) for label in labels), dtype=np.int64)


def _pictures(
    queries: Sequence[DatasetImage], gallery: Sequence[DatasetImage]
) -> tuple[tuple[DatasetImage, ...], NDArray[np.int64], NDArray[np.int64]]:
    """The different pictures, and which of them each query and each gallery image is."""
    numbers: dict[object, int] = {}
    pictures: list[DatasetImage] = []

    def number(image: DatasetImage) -> int:
        found = numbers.setdefault((image.path, image.crop), len(pictures))
        if found == len(pictures):
            pictures.append(image)
        return found

    query_ids = np.fromiter(map(number, queries), dtype=np.int64, count=len(queries))
    gallery_ids = np.fromiter(map(number, gallery), dtype=np.int64, count=len(gallery))
    return tuple(pictures), query_ids, gallery_ids


def _packed_attributes(
    queries: Sequence[DatasetImage], gallery: Sequence[DatasetImage]
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """(n, ⌈K/8⌉) uint8 each: one bit per attribute that occurs."""
    names = sorted({name for images in (queries, gallery) for image in images for name in image.attributes})
    position = {name: number for number, name in enumerate(names)}

    def packed(images: Sequence[DatasetImage]) -> NDArray[np.uint8]:
        bits = np.zeros((len(images), max(1, -(-len(names) // 8))), dtype=np.uint8)
        for row, image in enumerate(images):
            for name in image.attributes:
                byte, bit = divmod(position[name], 8)
                bits[row, byte] |= 1 << bit
        return bits

    return packed(queries), packed(gallery)


def _running_means(values: NDArray[np.float64]) -> tuple[float, ...]:
    """The mean of the first k values, k = 1…n."""
    means = np.cumsum(values) / np.arange(1, len(values) + 1)
    return tuple(float(mean) for mean in means)
