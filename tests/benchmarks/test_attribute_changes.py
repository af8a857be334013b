"""The same, but in another colour: how often hits have it, and what that costs of the other attributes."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from catalog.attributes.vocabulary import fashion_vocabulary
from catalog.services.attribute_queries import ChangedQuery
from catalog.types import AttributeChanges
from embeddings.datasets.rendered.catalog import encode_view
from embeddings.datasets.rendered.items import items
from embeddings.images import decode_image, prepare
from embeddings.metrics import attribute_iou_at_k
from embeddings.model_store import ModelStore
from embeddings.normalization import Normalization
from embeddings.open_embedder import open_embedder
from embeddings.similarity import histogram_intersection

NUM_ITEMS = 6000
NUM_QUERIES = 300
SEED = 11
"""The weights of the ranking were chosen on catalogs of other seeds."""

BATCH = 32
K = 5
CANDIDATES = 200


def _color(attributes: tuple[str, ...]) -> str:
    return next(name for name in attributes if name.startswith("color="))


@pytest.mark.benchmark
@pytest.mark.timeout(1200)
def test_the_wanted_colour_holds_and_the_rest_stays(tmp_path):
    """300 items, each in every colour but its own, among 6,000 rendered ones."""
    version = ModelStore(tmp_path).open("compact-rendered")
    embedder = open_embedder(version)
    catalog = list(items(NUM_ITEMS, SEED))
    visual_rows, prob_rows = [], []
    for first in range(0, NUM_ITEMS, BATCH):
        photos = [
            prepare(decode_image(encode_view(item, 0, 200), max_pixels=10**6), embedder.input_size)
            for item in catalog[first : first + BATCH]
        ]
        features = embedder.embed(np.stack(photos))
        visual_rows.append(features[version.manifest.visual_feature])
        prob_rows.append(features["prob"])
    visual, prob = np.concatenate(visual_rows), np.concatenate(prob_rows)
    colors = np.array([_color(item.attributes) for item in catalog])
    others = [frozenset(item.attributes) - {_color(item.attributes)} for item in catalog]
    wanted_colors = sorted(name for name, count in Counter(colors.tolist()).items() if count >= K)
    queries, plain_hits, changed_queries, changed_hits, has_wanted = [], [], [], [], []
    for query in range(NUM_QUERIES):
        similarity = histogram_intersection(prob[query : query + 1], prob)[0]
        similarity[query] = -1
        queries.append(others[query])
        plain_hits.append([others[hit] for hit in np.argsort(-similarity, kind="stable")[:K]])
        for color in wanted_colors:
            if color == colors[query]:
                continue
            changed = ChangedQuery(
                visual[query],
                prob[query],
                AttributeChanges((color,)),
                version.manifest.taxonomy,
                fashion_vocabulary(),
                Normalization.L2,
            )
            nearness = prob @ changed.for_candidates
            nearness[query] = -1
            candidates = np.argsort(-nearness, kind="stable")[:CANDIDATES]
            order = np.argsort(-changed.scores(visual[candidates], prob[candidates]), kind="stable")
            hits = candidates[order[:K]]
            has_wanted.append((colors[hits] == color).mean())
            changed_queries.append(others[query])
            changed_hits.append([others[hit] for hit in hits])
    wanted = float(np.mean(has_wanted))
    plain = attribute_iou_at_k(queries, plain_hits, K)
    kept = attribute_iou_at_k(changed_queries, changed_hits, K)
    print(
        f"\nthe same, but in another colour ({len(has_wanted)} searches of {NUM_ITEMS} items): {wanted:.1%} of the "
        f"first {K} have it; IoU of the other attributes {kept:.3f}, of plain searches {plain:.3f}"
    )
    # The aim is 90 % and a loss of at most .1: reached here, with 90.1 % and .100, and nearly on the catalogs that the
    # weights were chosen on: 90.7 % and .105 of 6,000 items, 88.1 % and .105 of 3,000. The bounds leave room for other
    # CPUs' rounding. Of 3,000 items, where fewer have a colour, even an order that knows all colours loses .11.
    assert wanted >= 0.89
    assert plain - kept <= 0.105
