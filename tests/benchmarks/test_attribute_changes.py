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
from embeddings.taxonomy import Taxonomy

NUM_ITEMS = (6000, 3000, 600)
"""The smaller catalogs are the beginnings of the largest, and have fewer items of a colour to choose from."""
NUM_QUERIES = 300
SEED = 11
"""The weights of the ranking were chosen on catalogs of other seeds."""

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


def _as_searched(catalog: _Catalog, query: int, color: str, *, with_feed: bool) -> NDArray[np.intp]:
    """The first hits as ``ChangedSearch`` ranks.

    Args:
        with_feed: The feed gives every item's attributes; else it gives none, and the network alone tells colours.
    """
    changed = ChangedQuery(
        catalog.visual[query],
        catalog.prob[query],
        AttributeChanges((color,)),
        catalog.taxonomy,
        fashion_vocabulary(),
        Normalization.L2,
    )
    nearness = catalog.prob @ changed.for_candidates
    nearness[query] = -np.inf
    candidates = np.argsort(-nearness, kind="stable")[:CANDIDATES]
    said = None
    if with_feed:
        known = np.flatnonzero(catalog.colors == color)
        nearest = known[np.argsort(-(catalog.prob[known] @ changed.rest), kind="stable")[:TOLD_CANDIDATES]]
        candidates = np.union1d(candidates, nearest)
        said = [catalog.attributes[item] for item in candidates]
    scores = changed.scores(catalog.visual[candidates], catalog.prob[candidates], said)
    return candidates[np.argsort(-scores, kind="stable")[:K]]


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
    """300 items in every colour but their own, by the network alone and with a feed that gives attributes.

    Plain searches rank by the network alone in both: what is lost is counted against the same number.
    """
    catalog = _embedded(tmp_path)
    by_network, with_feed = {}, {}
    print()
    for num in NUM_ITEMS:
        part = catalog.beginning(num)
        by_network[num] = _measured(part, partial(_as_searched, with_feed=False))
        with_feed[num] = _measured(part, partial(_as_searched, with_feed=True))
        _print(num, "network alone", by_network[num])
        _print(num, "attributes in the feed", with_feed[num])
        _print(num, "the best of that colour, all attributes known", _measured(part, _by_truth))
    # The aim is 90 % and a loss of at most .1.
    # With a feed it is reached of 6,000 items (94.8 %, .086) and 3,000 (93.1 %, .096); of 600, where all attributes
    # being known would lose .096, it is 86.0 % and .097. The network alone reaches it of 6,000 (90.1 %, .099), not of
    # 3,000 (89.3 %, .111) nor 600 (84.1 %, .113). The bounds leave room for other CPUs' rounding.
    for num, least, most in ((6000, 0.93, 0.095), (3000, 0.91, 0.1), (600, 0.84, 0.105)):
        assert with_feed[num].wanted >= least
        assert with_feed[num].lost <= most
    for num, least, most in ((6000, 0.89, 0.105), (3000, 0.88, 0.115), (600, 0.83, 0.12)):
        assert by_network[num].wanted >= least
        assert by_network[num].lost <= most
