"""What a ranking is worth: by arithmetic, by the public metrics, and by independent libraries."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import pytrec_eval
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from sklearn.metrics import jaccard_score

from embeddings.crop_box import CropBox
from embeddings.datasets.records import Dataset, DatasetImage, UnusableDataset
from embeddings.evaluation.ground_truth import GroundTruth
from embeddings.evaluation.ranking import rank_blockwise
from embeddings.metrics import attribute_iou_at_k
from tests.unit.test_evaluation_ranking import GivenScores


def bird(name, species, *attributes, crop=None):
    labels = {"species": species, "family": species.split()[-1]}
    return DatasetImage(Path(f"{name}.jpg"), labels, attributes, crop=crop)


DOWNY_1 = bird("d1", "Downy Woodpecker", "back=black", "bill=dagger")
DOWNY_2 = bird("d2", "Downy Woodpecker", "back=black")
HAIRY = bird("h1", "Hairy Woodpecker", "bill=dagger")
WREN = bird("w1", "House Wren")
HERON = bird("q1", "Green Heron", "bill=dagger", "back=green")


def dataset(queries, gallery):
    return Dataset("birds", (), tuple(queries), tuple(gallery))


def test_measures_by_hand():
    """Every image asks for the others; a query is left out of a level at which nothing else is right."""
    truth = GroundTruth(dataset([DOWNY_1, DOWNY_2, HAIRY, WREN], [DOWNY_1, DOWNY_2, HAIRY, WREN]))
    assert truth.num_ranks == 3
    measured = truth.measure(np.array([[2, 1, 3], [0, 3, 2], [3, 0, 1], [0, 1, 2]]))
    species, family = measured.levels["species"], measured.levels["family"]
    # Only the two downy woodpeckers have a sibling: found at rank 2 and at rank 1.
    assert (species.num_queries, species.num_excluded) == (2, 2)
    assert species.precision == pytest.approx([1 / 2, (1 / 2 + 1 / 2) / 2, (1 / 3 + 1 / 3) / 2])
    assert species.recall == pytest.approx([1 / 2, 1, 1])
    assert species.top_k_accuracy == pytest.approx([1 / 2, 1, 1])
    # Three woodpeckers with two relatives each: ranks 1 and 2; 1 and 3; 2 and 3.
    assert (family.num_queries, family.num_excluded) == (3, 1)
    assert family.precision == pytest.approx([2 / 3, (1 + 1 / 2 + 1 / 2) / 3, 2 / 3])
    assert family.recall == pytest.approx([(1 / 2 + 1 / 2 + 0) / 3, (1 + 1 / 2 + 1 / 2) / 3, 1])
    # The wren has no attributes. {black, dagger}: {dagger} 1/2, {black} 1/2, {} 0. {black}: {black, dagger} 1/2, {} 0,
    # {dagger} 0. {dagger}: {} 0, {black, dagger} 1/2, {black} 0.
    assert (measured.attributes.num_queries, measured.attributes.num_excluded) == (3, 1)
    ranks = [(1 / 2 + 1 / 2 + 0) / 3, (1 / 2 + 0 + 1 / 2) / 3, 0]
    assert measured.attributes.iou == pytest.approx([ranks[0], (ranks[0] + ranks[1]) / 2, sum(ranks) / 3])


def test_a_query_from_outside_of_the_gallery_may_use_all_of_it():
    """Nothing is left out where the gallery does not hold the query's picture; another crop is another picture."""
    other_crop = bird("d1", "Downy Woodpecker", crop=CropBox(0, 0, 9, 9))
    truth = GroundTruth(dataset([other_crop], [DOWNY_1, DOWNY_2, HAIRY]))
    assert truth.num_ranks == 3
    assert truth.measure(np.array([[2, 0, 1]])).levels["species"].recall == pytest.approx([0, 1 / 2, 1])


def test_the_same_picture_under_another_label_is_no_result_and_takes_nothing_away():
    """It is left out, but it was not among the relevant ones either: the one relative is all there is to recall."""
    mislabelled = bird("d1", "House Wren")
    truth = GroundTruth(dataset([DOWNY_1], [mislabelled, DOWNY_2, HAIRY]))
    assert truth.measure(np.array([[2, 1]])).levels["species"].recall == pytest.approx([0, 1])
    with pytest.raises(ValueError, match="own picture"):
        truth.measure(np.array([[0, 1]]))


@pytest.mark.parametrize("ranking", [np.zeros((2, 1), int), np.zeros((1, 0), int), np.zeros(1, int)])
def test_rankings_of_something_else_are_refused(ranking):
    """One row per query, at least one rank."""
    with pytest.raises(ValueError, match="expected a ranking for 1 queries"):
        GroundTruth(dataset([HERON], [DOWNY_1, DOWNY_2])).measure(ranking)


def test_no_attributes_leave_the_labels():
    """Without attributes there is no IoU, and its queries are counted as left out."""
    measured = GroundTruth(dataset([WREN], [bird("w2", "House Wren")])).measure(np.array([[0]]))
    assert measured.attributes.iou == ()
    assert measured.attributes.num_excluded == 1
    assert measured.levels["species"].precision == (1.0,)


def test_no_relevant_image_leaves_the_attributes():
    """A heron among woodpeckers has no relatives but attributes to share."""
    measured = GroundTruth(dataset([HERON], [DOWNY_1, HAIRY])).measure(np.array([[1, 0]]))
    assert measured.levels["species"].precision == measured.levels["family"].top_k_accuracy == ()
    assert measured.levels["species"].num_excluded == 1
    # {dagger, green} with {dagger} 1/2, with {black, dagger} 1/3.
    assert measured.attributes.iou == pytest.approx([1 / 2, (1 / 2 + 1 / 3) / 2])


@pytest.mark.parametrize(
    ("queries", "gallery", "message"),
    [
        ([], [WREN], "0 queries"),
        ([WREN], [], "gallery of 0"),
        ([WREN], [WREN], "1 queries, a gallery of 1"),
        ([WREN], [HAIRY], "no query of 1 has attributes or a relevant image"),
    ],
)
def test_what_cannot_be_measured_is_refused(queries, gallery, message):
    """Nothing to rank, or nothing to judge by: an error that says so."""
    with pytest.raises(UnusableDataset, match=message):
        GroundTruth(dataset(queries, gallery))


NAMES = [f"group={number}" for number in range(11)]


def random_dataset(random, num_queries, num_gallery, own_share):
    def image(name):
        species = f"kind{random.integers(0, 4)} family{random.integers(0, 2)}"
        return bird(name, species, *sorted(random.choice(NAMES, random.integers(0, 5), replace=False)))

    gallery = [image(f"g{number}") for number in range(num_gallery)]
    queries = [
        gallery[number] if number < num_gallery and random.random() < own_share else image(f"q{number}")
        for number in range(num_queries)
    ]
    return dataset(queries, gallery)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 100_000), st.integers(1, 12), st.integers(2, 80), st.sampled_from([0.0, 0.5, 1.0]))
def test_measures_agree_with_independent_libraries(seed, num_queries, num_gallery, own_share):
    """At every k, trec_eval's P, recall and success over the queries it can judge, scikit-learn's Jaccard score, and
    our own metric."""
    random = np.random.default_rng(seed)
    data = random_dataset(random, num_queries, num_gallery, own_share)
    try:
        truth = GroundTruth(data)
    except UnusableDataset:
        reject()
    ranking = rank_blockwise(
        GivenScores(random.normal(size=(num_queries, num_gallery)), 7),
        truth.query_ids,
        truth.gallery_ids,
        truth.num_ranks,
    )
    measured = truth.measure(ranking)
    ks = range(1, truth.num_ranks + 1)
    for level in ("species", "family"):
        right = {
            f"q{query}": {
                f"g{number}": 1
                for number, image in enumerate(data.gallery)
                if image.labels[level] == asked.labels[level] and image.path != asked.path
            }
            for query, asked in enumerate(data.queries)
        }
        right = {query: items for query, items in right.items() if items}
        run = {
            query: {f"g{number}": float(-rank) for rank, number in enumerate(ranking[int(query[1:])])}
            for query in right
        }
        ours = measured.levels[level]
        assert (ours.num_queries, ours.num_excluded) == (len(right), num_queries - len(right))
        if not right:
            continue
        text = ",".join(map(str, ks))
        judged = pytrec_eval.RelevanceEvaluator(right, {f"{name}.{text}" for name in ("P", "recall", "success")})
        theirs = judged.evaluate(run).values()
        curves = {"P": ours.precision, "recall": ours.recall, "success": ours.top_k_accuracy}
        for name, curve in curves.items():
            expected = [np.mean([query[f"{name}_{k}"] for query in theirs]) for k in ks]
            assert curve == pytest.approx(expected), (level, name)
    described = [number for number, image in enumerate(data.queries) if image.attributes]
    asked = [data.queries[number].attributes for number in described]
    found = [[data.gallery[at].attributes for at in ranking[number]] for number in described]
    assert measured.attributes.num_queries == len(described)
    if described:
        assert measured.attributes.iou == pytest.approx([attribute_iou_at_k(asked, found, k) for k in ks])
        assert measured.attributes.iou == pytest.approx([jaccard_at_k(asked, found, k) for k in ks])


def jaccard_at_k(asked, found, k):
    """scikit-learn's mean over every pair of a query and one of its first k results."""
    pairs = [(names, others) for names, hits in zip(asked, found, strict=True) for others in hits[:k]]
    sides = ([[name in names for name in NAMES] for names in side] for side in zip(*pairs, strict=True))
    return jaccard_score(*map(np.array, sides), average="samples", zero_division=1)
