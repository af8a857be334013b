"""The same, but in another colour, on a gallery whose attributes are known and whose network errs now and then."""

from __future__ import annotations

import numpy as np

from catalog.attributes.vocabulary import fashion_vocabulary
from catalog.services.queries.attribute_queries import ChangedQuery
from catalog.types import AttributeChanges
from embeddings.metrics import attribute_iou_at_k
from embeddings.normalization import Normalization
from embeddings.similarity import histogram_intersection, l2_normalize
from embeddings.taxonomy import Taxonomy

NUM_ITEMS, NUM_QUERIES, K, CANDIDATES = 3000, 30, 5, 200
GROUPS = {"color": 12} | {f"group{number}": 2 for number in range(6)}
WRONG_COLORS = 0.1


def test_the_wanted_colour_holds_and_the_rest_stays():
    """In 90 % of the first five at least, while the other attributes' IoU loses 0.1 at most.

    The network is sure of every attribute but noise; of 10 % of the items it takes the colour for another one.
    """
    random = np.random.default_rng(5)
    taxonomy = Taxonomy(tuple(f"{group}={value}" for group, size in GROUPS.items() for value in range(size)))
    truth = np.zeros((NUM_ITEMS, len(taxonomy)), dtype=bool)
    for start, stop in taxonomy.spans.values():
        truth[np.arange(NUM_ITEMS), random.integers(start, stop, NUM_ITEMS)] = True
    seen = truth.copy()
    num_colors = GROUPS["color"]
    wrong = random.random(NUM_ITEMS) < WRONG_COLORS
    seen[wrong, :num_colors] = np.eye(num_colors, dtype=bool)[random.integers(0, num_colors, wrong.sum())]
    certain = np.where(seen, random.beta(8, 2, seen.shape), random.beta(1, 60, seen.shape))
    # Where it is wrong it is less sure, and sees something of the true colour, too.
    certain[wrong, :num_colors] = np.maximum(certain[wrong, :num_colors] * 0.6, 0.4 * truth[wrong, :num_colors])
    prob = l2_normalize(certain)
    visual = l2_normalize(truth + random.normal(0, 0.2, truth.shape))
    others = truth.copy()
    others[:, :num_colors] = False
    has_wanted, queries, plain, changed = [], [], [], []
    for query in range(NUM_QUERIES):
        similarity = histogram_intersection(prob[query : query + 1], prob)[0]
        for color in range(num_colors):
            if truth[query, color]:
                continue
            asked = ChangedQuery(
                visual[query],
                prob[query],
                AttributeChanges((f"color={color}",)),
                taxonomy,
                fashion_vocabulary(),
                Normalization.L2,
            )
            nearest = np.argsort(-(prob @ asked.for_candidates))[:CANDIDATES]
            nearest = nearest[nearest != query]
            hits = nearest[np.argsort(-asked.scores(visual[nearest], prob[nearest]))[:K]]
            has_wanted.append(truth[hits, color].mean())
            queries.append(others[query])
            changed.append(others[hits])
            plain.append(others[np.argsort(-similarity)[1 : K + 1]])
    assert np.mean(has_wanted) >= 0.9
    lost = attribute_iou_at_k(queries, plain, K) - attribute_iou_at_k(queries, changed, K)
    assert lost <= 0.1
