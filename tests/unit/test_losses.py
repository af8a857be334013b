"""The log-sum-exp pairwise loss: its value, its limits and its gradient."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from embeddings.losses import LSEP, grouped_lsep_loss, lsep_loss


def double_sum(y_true, scores):
    """log(1 + Σ_{v ∉ Y} Σ_{u ∈ Y} exp(f_v − f_u)) of one row, as the paper writes it, in float64."""
    total = 1.0
    for v, f_v in enumerate(scores.astype(np.float64)):
        for u, f_u in enumerate(scores.astype(np.float64)):
            if y_true[u] and not y_true[v]:
                total += np.exp(f_v - f_u)
    return np.log(total)


def gradient(y_true, scores):
    scores = tf.constant(scores, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(scores)
        loss = lsep_loss(y_true, scores)
    return tape.gradient(loss, scores).numpy()


def test_value_of_a_worked_row():
    """Scores (1, 0, 2) with the first label true: log(1 + e^(0−1) + e^(2−1)) = log(1 + 0.36788 + 2.71828) = 1.40761."""
    loss = lsep_loss(np.array([[1, 0, 0]]), np.array([[1.0, 0.0, 2.0]], np.float32))
    np.testing.assert_allclose(loss, [1.40761], rtol=1e-5)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 7).flatmap(
        lambda k: st.tuples(
            hnp.arrays(np.int8, (3, k), elements=st.integers(0, 1)),
            hnp.arrays(np.float32, (3, k), elements=st.floats(-20, 20, width=32)),
        )
    )
)
def test_equals_the_double_sum(case):
    """The factorised form is the double sum, for every mixture of true and other labels."""
    y_true, scores = case
    expected = [double_sum(labels, row) for labels, row in zip(y_true, scores, strict=True)]
    np.testing.assert_allclose(lsep_loss(y_true, scores), expected, rtol=1e-5, atol=1e-6)


def test_groups_are_compared_within_themselves():
    """Groups (0, 1) and (3, 4): two losses, and one of all pairs of which a label is 2 or 5, by the double sum."""
    random = np.random.default_rng(3)
    y_true, scores = random.integers(0, 2, (4, 6)), random.normal(size=(4, 6)).astype(np.float32)
    expected = []
    for labels, row in zip(y_true, scores, strict=True):
        others = sum(
            np.exp(row[wrong] - row[true])
            for true in range(6)
            for wrong in range(6)
            if labels[true] and not labels[wrong] and {2, 5} & {true, wrong}
        )
        expected.append(double_sum(labels[:2], row[:2]) + double_sum(labels[3:5], row[3:5]) + np.log1p(others))
    found = grouped_lsep_loss(y_true, scores, [(0, 2), (3, 5)])
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    again = LSEP.from_config(LSEP([(0, 2), (3, 5)]).get_config())
    assert float(again(y_true, scores)) == pytest.approx(np.mean(expected), rel=1e-5)


def test_no_groups_compare_all():
    """Without groups every label is outside of them, and their loss is that of all labels."""
    random = np.random.default_rng(4)
    y_true, scores = random.integers(0, 2, (6, 5)), random.normal(size=(6, 5)).astype(np.float32)
    np.testing.assert_allclose(grouped_lsep_loss(y_true, scores, []), lsep_loss(y_true, scores), rtol=1e-6)


@pytest.mark.parametrize("labels", [[1, 0, 0, 1], [1, 0, 0, 0]])
def test_a_label_outside_of_all_groups_learns_alone(labels):
    """One colour of three, and lace or no lace, for which there is nothing to compare within: up, or down."""
    model = keras.Sequential([keras.layers.Dense(4, use_bias=False, kernel_initializer="zeros")])
    model.compile(keras.optimizers.SGD(1.0), loss=LSEP([(0, 3)]), jit_compile=False)
    model.fit(np.ones((1, 1), np.float32), np.array([labels], np.float32), verbose=0)
    moved = model.predict(np.ones((1, 1), np.float32), verbose=0)[0]
    assert moved[3] > 0.1 if labels[3] else moved[3] < -0.1


@pytest.mark.parametrize("spans", [[(0, 2), (1, 3)], [(2, 3), (0, 1)], [(0, 9)], [(1, 1)]])
def test_groups_that_cannot_be_compared_are_refused(spans):
    """Overlapping, out of order, beyond the labels, empty."""
    with pytest.raises(ValueError, match="ordered spans"):
        grouped_lsep_loss(np.zeros((1, 3)), np.zeros((1, 3), np.float32), spans)


def test_finite_where_the_double_sum_overflows():
    """At scores of ±1e4: exp(2e4) overflows, the loss is 1e4 − (−1e4) = 2e4; in the right order it is 0."""
    scores = np.array([[1e4, -1e4], [-1e4, 1e4]], np.float32)
    labels = np.array([[0, 1], [0, 1]])
    np.testing.assert_allclose(lsep_loss(labels, scores), [2e4, 0.0])
    # The gradient pulls the true label up and pushes the other down, each with weight 1, or not at all.
    np.testing.assert_allclose(gradient(labels, scores), [[1.0, -1.0], [0.0, 0.0]])


@pytest.mark.parametrize("magnitude", [0.0, 1.0, 1e4])
@pytest.mark.parametrize("label", [0, 1])
def test_rows_without_a_pair_cost_nothing(label, magnitude):
    """A row with no true label, or true labels only, has loss 0 and gradient 0 and leaves other rows alone."""
    scores = np.array([[magnitude, -magnitude, 0.5], [0.0, 0.0, 0.0]], np.float32)
    labels = np.array([[label, label, label], [1, 0, 0]])
    # Second row: two pairs with exp(0) = 1 each, so log(1 + 2).
    np.testing.assert_allclose(lsep_loss(labels, scores), [0.0, np.log(3.0)], rtol=1e-6)
    # d/df of log(1 + e^(f1−f0) + e^(f2−f0)) at 0 is (−2/3, 1/3, 1/3).
    np.testing.assert_allclose(gradient(labels, scores), [[0.0, 0.0, 0.0], [-2 / 3, 1 / 3, 1 / 3]], atol=1e-6)


def test_gradient_agrees_with_finite_differences():
    """The gradient is the slope of the double sum, by central differences in float64."""
    rng = np.random.default_rng(7)
    scores = rng.normal(size=(4, 6))
    labels = rng.integers(0, 2, size=(4, 6))
    step = 1e-6
    slopes = np.zeros_like(scores)
    for row, column in np.ndindex(*scores.shape):
        up, down = scores[row].copy(), scores[row].copy()
        up[column] += step
        down[column] -= step
        slopes[row, column] = (double_sum(labels[row], up) - double_sum(labels[row], down)) / (2 * step)
    np.testing.assert_allclose(gradient(labels, scores), slopes, atol=1e-5)


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int64, np.float16, np.float32, np.float64])
def test_labels_of_any_numeric_dtype(dtype):
    """Labels may be bool, integers or floats: the loss is the same."""
    labels = np.array([[1, 0, 1], [0, 0, 1]])
    scores = np.array([[0.3, -1.0, 2.0], [1.5, 0.0, -0.5]], np.float32)
    np.testing.assert_array_equal(lsep_loss(labels.astype(dtype), scores), lsep_loss(labels, scores))


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [("float16", "float32"), ("bfloat16", "float32"), ("float32", "float32"), ("float64", "float64")],
)
def test_halves_are_computed_in_float32(dtype, expected):
    """The loss is float32, or float64 where the scores are: never a half, in which sums over labels stall."""
    scores = tf.cast(tf.zeros((2, 400)), dtype)
    loss = lsep_loss(np.eye(2, 400), scores)
    assert keras.backend.standardize_dtype(loss.dtype) == expected
    # One true label against 399 others at equal scores: log(1 + 399) = log 400.
    np.testing.assert_allclose(loss, np.log([400.0, 400.0]), rtol=1e-6)


def test_arguments_stay_as_they_were():
    """Read-only arrays are accepted."""
    labels = np.array([[1, 0]])
    scores = np.array([[0.0, 1.0]])
    for array in (labels, scores):
        array.setflags(write=False)
    np.testing.assert_allclose(lsep_loss(labels, scores), [np.log1p(np.e)], rtol=1e-6)


@pytest.mark.parametrize(("labels", "scores"), [((2, 3), (2, 4)), ((2, 3), (3, 3)), ((3,), (3,)), ((2, 1), (2, 4))])
def test_shapes_that_do_not_match_are_refused(labels, scores):
    """Broadcasting would hide a wrong taxonomy, so differing shapes raise and are named."""
    with pytest.raises(ValueError, match=r"one shape \(batch, K\)") as caught:
        lsep_loss(np.ones(labels), np.ones(scores, np.float32))
    assert str(labels) in str(caught.value)
    assert str(scores) in str(caught.value)


def test_loss_class_averages_over_the_batch():
    """LSEP as a Keras loss is the mean of the rows: (log 2 + 0) / 2, and ``reduction=None`` gives the rows."""
    labels = np.array([[1, 0], [0, 0]])
    scores = np.zeros((2, 2), np.float32)
    assert float(LSEP()(labels, scores)) == pytest.approx(np.log(2) / 2)
    np.testing.assert_allclose(LSEP(reduction=None)(labels, scores), [np.log(2), 0.0], rtol=1e-6)


def test_loss_class_survives_serialization():
    """A compiled model that is saved gets its loss back."""
    restored = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(LSEP(reduction="sum")))
    assert isinstance(restored, LSEP)
    assert restored.reduction == "sum"


def test_training_with_it_ranks_true_labels_first():
    """A few steps of gradient descent on one linear layer put every true label above the others."""
    keras.utils.set_random_seed(3)
    inputs = np.eye(4, dtype=np.float32)
    labels = np.array([[1, 0, 0], [0, 1, 0], [1, 1, 0], [0, 0, 1]])
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    model.compile(keras.optimizers.SGD(2.0), loss=LSEP(), jit_compile=False)
    model.fit(inputs, labels, epochs=30, verbose=0)
    scores = model.predict_on_batch(inputs)
    for row, truth in zip(scores, labels, strict=True):
        assert row[truth == 1].min() > row[truth == 0].max()
