"""The same, but in another colour: how often hits have it, and what that costs of the other attributes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
import pytest
from numpy.typing import NDArray

from catalog.attributes.vocabulary import fashion_vocabulary
from catalog.services.queries.attribute_queries import ChangedQuery
from catalog.types import AttributeChanges
from embeddings.datasets.rendered.catalog import encode_view
from embeddings.datasets.rendered.items import items
from embeddings.images import decode_image, prepare
from embeddings.metrics import attribute_iou_at_k
from embeddings.model_store import ModelStore
from embeddings.normalization import Normalization
from embeddings.open_embedder import open_embedder
from embeddings.similarity import histogram_intersection
from embeddings.taxonomy import Taxonomy, split_attribute

NUM_ITEMS = (6000, 3000, 600)
"""The smaller catalogs are the beginnings of the largest, and have fewer items of a colour to choose from."""
NUM_QUERIES = 300
SEED = 11
"""The weights of the ranking were chosen on catalogs of other seeds."""

BOUNDS = {
    "the network alone": ((0.89, 0.105), (0.88, 0.115), (0.83, 0.12)),
    "a product, all attributes told": ((0.92, 0.01), (0.92, 0.035), (0.92, 0.08)),
    "a product, half of them told": ((0.955, 0.07), (0.95, 0.09), (0.925, 0.105)),
    "a product, the colour told": ((0.93, 0.095), (0.91, 0.1), (0.84, 0.105)),
    "a photo, all attributes told": ((0.97, 0.09), (0.96, 0.1), (0.92, 0.11)),
}
"""At least so much of the first hits in the wanted colour, and at most so much IoU lost, of each number of items.

The aim is 90 % and .1. It is reached where feeds tell half of a product's attributes, or all; by the colour alone not
among 600 items, and by the network alone among 6,000 only. The bounds leave room for other CPUs' rounding.
"""

BATCH = 32
K = 5
CANDIDATES = 200
TOLD_CANDIDATES = 25


@dataclass(frozen=True)
class _Catalog:
    """Rendered items as the network sees them: (n, V), (n, K), and the true attributes of each."""

    visual: NDArray[np.float32]
    prob: NDArray[np.float32]
    attributes: Sequence[tuple[str, ...]]
    taxonomy: Taxonomy

    @cached_property
    def colors(self) -> NDArray[np.str_]:
        return np.array([next(name for name in of if name.startswith("color=")) for of in self.attributes])

    @cached_property
    def others(self) -> list[frozenset[str]]:
        """What is not to change."""
        return [frozenset(name for name in of if not name.startswith("color=")) for of in self.attributes]

    def beginning(self, num: int) -> _Catalog:
        return _Catalog(self.visual[:num], self.prob[:num], self.attributes[:num], self.taxonomy)


@dataclass(frozen=True)
class _Result:
    """Share of the first hits in the wanted colour, and IoU of the other attributes, of plain searches beside it."""

    wanted: float
    kept: float
    plain: float

    @property
    def lost(self) -> float:
        return self.plain - self.kept


def _embedded(tmp_path) -> _Catalog:
    version = ModelStore(tmp_path).open("compact-rendered")
    embedder = open_embedder(version)
    catalog = list(items(max(NUM_ITEMS), SEED))
    visual, prob = [], []
    for first in range(0, len(catalog), BATCH):
        photos = [
            prepare(decode_image(encode_view(item, 0, 200), max_pixels=10**6), embedder.input_size)
            for item in catalog[first : first + BATCH]
        ]
        features = embedder.embed(np.stack(photos))
        visual.append(features[version.manifest.visual_feature])
        prob.append(features["prob"])
    attributes = [item.attributes for item in catalog]
    return _Catalog(np.concatenate(visual), np.concatenate(prob), attributes, version.manifest.taxonomy)


def _as_searched(
    catalog: _Catalog, query: int, color: str, *, feed: Sequence[tuple[str, ...]] | None, is_product: bool
) -> NDArray[np.intp]:
    """The first hits as ``ChangedSearch`` ranks.

    Args:
        feed: What it says of each item, of which the colour is a part; None where the network alone tells colours.
        is_product: Whether the query is an item of the catalog, and not just a photo of it.
    """
    changed = ChangedQuery(
        catalog.visual[query],
        catalog.prob[query],
        AttributeChanges((color,)),
        catalog.taxonomy,
        fashion_vocabulary(),
        Normalization.L2,
        feed[query] if feed is not None and is_product else (),
    )
    nearness = catalog.prob @ changed.for_candidates
    nearness[query] = -np.inf
    candidates = np.argsort(-nearness, kind="stable")[:CANDIDATES]
    said = None
    if feed is not None:
        known = np.flatnonzero(catalog.colors == color)
        nearest = known[np.argsort(-(catalog.prob[known] @ changed.rest), kind="stable")[:TOLD_CANDIDATES]]
        candidates = np.setdiff1d(np.union1d(candidates, nearest), [query])
        said = [feed[item] for item in candidates]
    scores = changed.scores(catalog.visual[candidates], catalog.prob[candidates], said)
    return candidates[np.argsort(-scores, kind="stable")[:K]]


def _half(attributes: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """What a feed says that gives the colour, and of each item any other group as if by the toss of a coin."""
    coin = np.random.default_rng(SEED)
    told = []
    for of in attributes:
        groups = {split_attribute(name)[0] for name in of}
        given = {group for group in sorted(groups) if group == "color" or coin.random() < 0.5}
        told.append(tuple(name for name in of if split_attribute(name)[0] in given))
    return told


def _by_truth(catalog: _Catalog, query: int, color: str) -> NDArray[np.intp]:
    """The items of that colour, by the true IoU of the others: of hits that all have it, none lose less."""
    asked, others = catalog.others[query], catalog.others
    of_color = np.flatnonzero(catalog.colors == color)
    same = [len(asked & others[item]) / len(asked | others[item]) for item in of_color]
    return of_color[np.argsort(-np.array(same), kind="stable")[:K]]


def _measured(catalog: _Catalog, hits_of: Callable[[_Catalog, int, str], NDArray[np.intp]]) -> _Result:
    """Each of the first items in every colour but its own of which there are enough."""
    colors, others = catalog.colors, catalog.others
    wanted_colors = sorted(name for name, count in Counter(colors.tolist()).items() if count >= K)
    has_wanted, queries, hits_others, plain_hits = [], [], [], []
    for query in range(NUM_QUERIES):
        similarity = histogram_intersection(catalog.prob[query : query + 1], catalog.prob)[0]
        similarity[query] = -1
        plain_hits.append([others[hit] for hit in np.argsort(-similarity, kind="stable")[:K]])
        for color in wanted_colors:
            if color == colors[query]:
                continue
            hits = hits_of(catalog, query, color)
            has_wanted.append((colors[hits] == color).mean())
            queries.append(others[query])
            hits_others.append([others[hit] for hit in hits])
    return _Result(
        float(np.mean(has_wanted)),
        attribute_iou_at_k(queries, hits_others, K),
        attribute_iou_at_k(others[:NUM_QUERIES], plain_hits, K),
    )


def _print(num_items: int, kind: str, result: _Result) -> None:
    print(
        f"the same, but in another colour, {num_items} items, {kind}: {result.wanted:.1%} of the first {K} have it; "
        f"IoU of the other attributes {result.kept:.3f}, of plain searches {result.plain:.3f}: {result.lost:.3f} lost"
    )


@pytest.mark.benchmark
@pytest.mark.timeout(1800)
def test_the_wanted_colour_holds_and_the_rest_stays(tmp_path):
    """300 items in every colour but their own, by the network alone and with feeds that give attributes.

    Plain searches rank by the network alone in all: what is lost is counted against the same number.
    """
    catalog = _embedded(tmp_path)
    colors = [(color,) for color in catalog.colors]
    feeds = {"all attributes": catalog.attributes, "half of them": _half(catalog.attributes), "the colour": colors}
    searches = {
        "the network alone": partial(_as_searched, feed=None, is_product=False),
        **{
            f"a product, {told} told": partial(_as_searched, feed=feed, is_product=True) for told, feed in feeds.items()
        },
        "a photo, all attributes told": partial(_as_searched, feed=catalog.attributes, is_product=False),
        "the best of that colour, by the truth": _by_truth,
    }
    print()
    for num in NUM_ITEMS:
        for kind, hits_of in searches.items():
            result = _measured(catalog.beginning(num), hits_of)
            _print(num, kind, result)
            if kind in BOUNDS:
                least, most = BOUNDS[kind][NUM_ITEMS.index(num)]
                assert result.wanted >= least
                assert result.lost <= most
