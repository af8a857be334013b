"""Retrieval scores against arithmetic done by hand; calibration against the truth it should recover."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embeddings.datasets.records import Dataset, DatasetImage
from embeddings.evaluation.feature_rows import SelectedRows
from embeddings.evaluation.ground_truth import GroundTruth
from embeddings.evaluation.ranking import rank_blockwise
from embeddings.evaluation.scoring import FeatureScoring, Metric
from embeddings.similarity import cosine_similarity, l2_normalize
from embeddings.training.calibration import FEWEST_UNSEEN, fit_calibration, fit_scales, fit_temperature
from embeddings.training.retrieval_scores import ranking_among_others, retrieval_scores


def directions(*degrees):
    angles = np.deg2rad(degrees)
    array = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    array.flags.writeable = False
    return array


# Nearest others by angle: 0° → 10°, 30°, 80°; 10° → 0°, 30°, 80°; 30° → 10°, 0°, 80°; 80° → 30°, 10°, 0°.
FEATURES = directions(0, 10, 30, 80)
ITEMS = ["x", "x", "y", "y"]
# Attributes a, b, c.
ATTRIBUTES = np.array([[1, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 1]], dtype=bool)


def test_an_image_never_finds_itself():
    """Each image ranks all the others, nearest first."""
    ranking = ranking_among_others(FEATURES, cosine_similarity, 3, np.arange(4))
    assert ranking.tolist() == [[1, 2, 3], [0, 2, 3], [1, 0, 3], [2, 1, 0]]


def test_an_item_never_finds_itself():
    """With items as groups, only other items' images are ranked."""
    ranking = ranking_among_others(FEATURES, cosine_similarity, 2, np.array([0, 0, 1, 1]))
    assert ranking.tolist() == [[2, 3], [2, 3], [1, 0], [1, 0]]


def test_ties_go_to_the_lower_position():
    """Equal features are ranked in order, so that scores can be reproduced."""
    ranking = ranking_among_others(directions(5, 5, 5, 5), cosine_similarity, 3, np.arange(4))
    assert ranking.tolist() == [[1, 2, 3], [0, 2, 3], [0, 1, 3], [0, 1, 2]]


def test_too_many_ranks_are_refused():
    """Two items of two images leave two others, not three."""
    with pytest.raises(ValueError, match="between 1 and 2"):
        ranking_among_others(FEATURES, cosine_similarity, 3, np.array([0, 0, 1, 1]))


def test_scores_by_hand():
    """Same-item precision and both kinds of attribute IoU, at ranks that the images can serve."""
    scores = retrieval_scores({"pool": FEATURES}, ATTRIBUTES, ITEMS, ks=(1, 2, 3, 10))
    # Same item at rank 1: x finds x twice; y at 30° finds 10°, y at 80° finds 30°. (1 + 1 + 0 + 1) / 4.
    assert scores["pool/cosine same-item precision@1"] == pytest.approx(3 / 4)
    # In the first three, each finds its one sibling: 1/3 each.
    assert scores["pool/cosine same-item precision@3"] == pytest.approx(1 / 3)
    # IoU at rank 1: {a}{a} 1, {a}{a} 1, {ab}{a} 1/2, {bc}{ab} 1/3.
    assert scores["pool/cosine attribute IoU@1"] == pytest.approx((1 + 1 + 1 / 2 + 1 / 3) / 4)
    # Among other items: {a}{ab} 1/2, {a}{ab} 1/2, {ab}{a} 1/2, {bc}{a} 0.
    assert scores["pool/cosine other-item attribute IoU@1"] == pytest.approx(1.5 / 4)
    assert not any(name.endswith("@10") for name in scores)
    assert "pool/cosine other-item attribute IoU@3" not in scores


def test_prob_is_compared_by_histogram_intersection():
    """[.6, .8] and [.8, .6] share Σ min = 1.2; [1, 0] shares .6 and .8 with them: cosine would agree, sums decide."""
    prob = np.array([[1.0, 0.0], [0.6, 0.8], [0.8, 0.6]], dtype=np.float32)
    scores = retrieval_scores({"prob": prob}, np.eye(3, dtype=bool)[:, :2], ["p", "q", "p"], ks=(1,))
    # [1, 0] → [.8, .6] (.8 against .6), same item; [.8, .6] → [.6, .8] (1.2 against .8), another. q has no sibling.
    assert scores["prob/intersection same-item precision@1"] == pytest.approx(1 / 2)


def test_labels_are_judged_at_every_level():
    """The same label is relevant; an image whose label nobody shares asks nothing; IoU stays as it is."""
    features = np.array([[1, 0], [0.8, 0.6], [0, 1], [0.6, 0.8]], dtype=np.float32)
    labels = {"species": ["wren", "finch", "wren", "owl"], "family": ["bird", "bird", "bird", "bird"]}
    scores = retrieval_scores({"pool": features}, ATTRIBUTES, None, ks=(1, 3), labels=labels)
    # Nearest to 0 is 1 (.8), to 2 is 3 (.8): no wren. Among three others there is one wren for each: 1/3.
    assert scores["pool/cosine same-species precision@1"] == 0
    assert scores["pool/cosine same-species precision@3"] == pytest.approx(1 / 3)
    assert scores["pool/cosine same-family precision@1"] == 1
    alone = retrieval_scores({"pool": features}, ATTRIBUTES, None, ks=(1,), labels={"name": list("abcd")})
    assert set(alone) == {"pool/cosine attribute IoU@1"}


def test_without_identities_there_is_only_iou():
    """Unknown identities give no precision, and images without siblings no other-item scores."""
    assert set(retrieval_scores({"pool": FEATURES}, ATTRIBUTES, None, ks=(1,))) == {"pool/cosine attribute IoU@1"}
    single = retrieval_scores({"pool": FEATURES}, ATTRIBUTES, list("abcd"), ks=(1,))
    assert set(single) == {"pool/cosine attribute IoU@1"}


def test_a_picture_never_finds_itself_under_another_item():
    """Photos at 0° and 30° are listed for two items each: neither twin is found, as a wrong item or as an alike one."""
    features = directions(0, 0, 10, 30, 30)
    items, pictures = ["x", "z", "x", "y", "w"], ["1", "1", "2", "3", "3"]
    attributes = np.array([[1, 0, 0], [1, 0, 0], [1, 0, 0], [1, 1, 0], [0, 0, 1]], dtype=bool)
    scores = retrieval_scores({"pool": features}, attributes, items, ks=(1, 3, 4), pictures=pictures)
    # 0 (x) finds 2 (x); 2 (x) finds 0, the first of the twins at 0°, x too; z, y and w have one picture.
    assert scores["pool/cosine same-item precision@1"] == 1
    # {a} finds {a} from 0, 1 and 2; {ab} and {c} find 2 at 10°: 1/2 and 0.
    assert scores["pool/cosine attribute IoU@1"] == pytest.approx((1 + 1 + 1 + 1 / 2 + 0) / 5)
    # Of other items and other pictures: 0 finds 3 (y), 1 finds 2 (x), 2 finds 1 (z), 3 and 4 find 2.
    assert scores["pool/cosine other-item attribute IoU@1"] == pytest.approx((1 / 2 + 1 + 1 + 1 / 2 + 0) / 5)
    # A twin has three images that are not its picture.
    assert "pool/cosine attribute IoU@3" in scores
    assert "pool/cosine attribute IoU@4" not in scores


def test_the_same_picture_twice_makes_no_item_of_two():
    """Items of one picture each ask nothing, however many images show it, at every level; equal pictures of all that
    there is leave nothing to find."""
    twice = retrieval_scores(
        {"pool": FEATURES}, ATTRIBUTES, ITEMS, ks=(1,), labels={"kind": ITEMS}, pictures=["1", "1", "2", "2"]
    )
    assert set(twice) == {"pool/cosine attribute IoU@1"}
    assert retrieval_scores({"pool": FEATURES}, ATTRIBUTES, ITEMS, ks=(1,), pictures=["1"] * 4) == {}


def test_scores_are_those_of_an_evaluation():
    """The same images as a data set's queries and gallery, pictures twice and attributes missing: the same figures."""
    random = np.random.default_rng(6)
    pictures = [str(number) for number in random.integers(0, 30, 40)]
    features = l2_normalize(random.normal(size=(31, 8)).astype(np.float32))[[int(name) for name in pictures]]
    attributes = random.random((40, 5)) < 0.25
    items = [str(number) for number in random.integers(0, 9, 40)]
    scores = retrieval_scores({"pool": features}, attributes, items, ks=(1, 5), pictures=pictures)

    images = [
        DatasetImage(Path(picture), {"item": item}, tuple(f"tag={column}" for column in np.flatnonzero(row)))
        for picture, item, row in zip(pictures, items, attributes, strict=True)
    ]
    truth = GroundTruth(Dataset("numbers", (), tuple(images), tuple(images)))
    scoring = FeatureScoring(
        SelectedRows(features, np.arange(40)), SelectedRows(features, np.arange(40)), Metric.COSINE
    )
    measured = truth.measure(rank_blockwise(scoring, truth.query_ids, truth.gallery_ids, truth.num_ranks))
    assert measured.attributes.num_excluded
    assert measured.levels["item"].num_queries
    for k in (1, 5):
        assert scores[f"pool/cosine attribute IoU@{k}"] == pytest.approx(measured.attributes.iou[k - 1])
        assert scores[f"pool/cosine same-item precision@{k}"] == pytest.approx(measured.levels["item"].precision[k - 1])


def test_images_without_attributes_ask_nothing_and_are_found():
    """Nothing has nothing in common with nothing: 10° and 80° do not ask, 0° finds 10° (0), 30° finds 10° (0)."""
    attributes = np.array([[1, 0], [0, 0], [1, 1], [0, 0]], dtype=bool)
    scores = retrieval_scores({"pool": FEATURES}, attributes, ITEMS, ks=(1, 2))
    assert scores["pool/cosine attribute IoU@1"] == 0
    # At 2: 0° finds {} and {ab}, 30° finds {} and {a}: (0 + 1/2) / 2 each.
    assert scores["pool/cosine attribute IoU@2"] == pytest.approx(1 / 4)
    # 0° (x) finds 30° (y): 1/2; 30° finds 10° (x): 0.
    assert scores["pool/cosine other-item attribute IoU@1"] == pytest.approx((1 / 2 + 0) / 2)
    assert scores["pool/cosine same-item precision@1"] == pytest.approx(3 / 4)


def test_without_any_attribute_there_is_no_iou():
    """As other scores that nothing asks for: missing, and not 1."""
    scores = retrieval_scores({"pool": FEATURES}, np.zeros((4, 3), dtype=bool), ITEMS, ks=(1,))
    assert set(scores) == {"pool/cosine same-item precision@1"}


@pytest.mark.parametrize("items", [None, ["x"], ["x", "x"]])
def test_too_few_images_give_no_scores_rather_than_an_error(items):
    """Training on next to nothing still ends."""
    count = 1 if items is None else len(items)
    scores = retrieval_scores({"pool": FEATURES[:count]}, ATTRIBUTES[:count], items, ks=(5,))
    assert scores == {}


@settings(deadline=None)
@given(st.floats(0.2, 4), st.floats(-3, 3), st.integers(0, 50))
def test_calibration_recovers_the_odds(scale, shift, seed):
    """Targets drawn with probability sigmoid(a·s + b) give a and b back, to the accuracy of 20,000 draws."""
    random = np.random.default_rng(seed)
    scores = random.normal(size=(500, 40))
    targets = (random.random(scores.shape) < 1 / (1 + np.exp(-(scale * scores + shift)))).astype(np.float32)
    found = fit_calibration(scores, targets)
    assert found == pytest.approx((scale, shift), rel=0.15, abs=0.15)


@settings(deadline=None)
@given(st.floats(0.2, 4), st.integers(0, 50))
def test_temperature_recovers_how_sure_scores_may_be(scale, seed):
    """Labels drawn with probability softmax(a·s) give a back, to the accuracy of 5,000 draws."""
    random = np.random.default_rng(seed)
    scores = random.normal(size=(5000, 6))
    gumbel = random.gumbel(size=scores.shape)
    targets = np.eye(6)[np.argmax(scale * scores + gumbel, axis=1)]
    assert fit_temperature(scores, targets) == pytest.approx(scale, rel=0.15, abs=0.06)


def test_temperature_stays_finite_where_every_label_is_right_or_wrong():
    """The likeliest scale would be infinite, or below zero. Right n times at a lead of 1: tanh(a / 2) = n / (n + 1)."""
    for num_rows in (2, 10, 100):
        rows = np.eye(2)[np.arange(num_rows) % 2]
        assert fit_temperature(rows, rows) == pytest.approx(2 * np.arctanh(num_rows / (num_rows + 1)))
        assert fit_temperature(rows, rows[:, ::-1]) == pytest.approx(0.01)
    five = np.eye(5)[np.arange(120) % 5]
    a = fit_temperature(3 * five, five)
    shares = np.exp(3 * a * five) / np.exp(3 * a * five).sum(axis=1, keepdims=True)
    assert shares.max() == pytest.approx((120 + 1 / 5) / 121, abs=1e-6), "120 of 121 by right, one in five by lot"


def test_rows_without_one_true_label_have_no_part_in_the_temperature():
    """Two of three right at a lead of 2, and one by lot: e^(2a) = 2.5 / 1.5, whatever rows of no or two labels say."""
    scores = np.array([[2.0, 0.0], [2.0, 0.0], [2.0, 0.0], [9.0, 0.0], [0.0, 9.0]])
    targets = np.array([[1, 0], [1, 0], [0, 1], [0, 0], [1, 1]])
    assert fit_temperature(scores, targets) == pytest.approx(np.log(2.5 / 1.5) / 2)
    assert fit_temperature(scores[3:], targets[3:]) == 1
    assert fit_temperature(np.ones((4, 2)), np.eye(2)[[0, 1, 0, 1]]) == 1


def test_each_softmax_has_its_own_scale_and_the_others_a_pair():
    """Of five attributes two pairs share a softmax; the one between is calibrated by itself."""
    random = np.random.default_rng(7)
    scores = random.normal(size=(300, 5))
    targets = np.concatenate(
        [np.eye(2)[random.integers(0, 2, 300)], random.integers(0, 2, (300, 1)), np.eye(2)[random.integers(0, 2, 300)]],
        axis=1,
    )
    scales, shifts = fit_scales(scores, targets, [(0, 2), (3, 5)], unseen=True)
    assert scales[0] == scales[1] == pytest.approx(fit_temperature(scores[:, :2], targets[:, :2]))
    assert scales[3] == scales[4] == pytest.approx(fit_temperature(scores[:, 3:], targets[:, 3:]))
    assert (scales[2], shifts[2]) == pytest.approx(fit_calibration(scores[:, 2:3], targets[:, 2:3]))
    assert shifts[[0, 1, 3, 4]].tolist() == [0, 0, 0, 0]

    rare = targets.copy()
    rare[FEWEST_UNSEEN - 1 :, :2] = 0
    few, _ = fit_scales(scores, rare, [(0, 2), (3, 5)], unseen=True)
    assert few[:2].tolist() == [1, 1], "99 images with one of these labels are too few"
    assert few[3] == scales[3]

    seen, _ = fit_scales(scores, targets, [(0, 2), (3, 5)], unseen=False)
    assert seen[[0, 1, 3, 4]].tolist() == [1, 1, 1, 1], "images it was trained on say nothing about how sure it may be"
    assert seen[2] == scales[2]


def test_calibration_undoes_any_level():
    """A constant added to all scores is taken out again: that is what LSEP leaves open."""
    random = np.random.default_rng(4)
    scores = random.normal(size=(200, 10))
    targets = random.random(scores.shape) < 1 / (1 + np.exp(-scores))
    scale, shift = fit_calibration(scores, targets)
    moved_scale, moved_shift = fit_calibration(scores + 100, targets)
    assert moved_scale == pytest.approx(scale, rel=1e-6)
    assert moved_shift == pytest.approx(shift - 100 * scale, rel=1e-6)


def test_calibration_of_separable_scores_stays_finite():
    """Scores without an error would be scaled without end; they are not."""
    scores = np.linspace(-1, 1, 20).reshape(4, 5)
    scale, shift = fit_calibration(scores, scores > 0.1)
    assert np.isfinite([scale, shift]).all()
    assert ((scale * scores + shift > 0) == (scores > 0.1)).all()


@pytest.mark.parametrize(
    ("scores", "targets"),
    [
        (np.ones((2, 2)), np.zeros((2, 2))),
        (np.ones((2, 2)), np.ones((2, 2))),
        (np.zeros((0, 3)), np.zeros((0, 3))),
        (np.array([[1.0, -1.0]]), np.array([[0.0, 1.0]])),
        (np.array([[1.0, 1.0]]), np.array([[0.0, 1.0]])),
    ],
    ids=["none true", "all true", "no scores", "reversed", "constant"],
)
def test_calibration_leaves_alone_what_it_cannot_improve(scores, targets):
    """Where no positive scale fits, scores stay as they are."""
    assert fit_calibration(scores, targets) == (1.0, 0.0)


def test_calibration_refuses_other_shapes():
    """Scores and targets belong to each other."""
    with pytest.raises(ValueError, match="do not fit"):
        fit_calibration(np.zeros((2, 3)), np.zeros((3, 2)))
