"""Vectors scaled to a sum or a length of 1."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from embeddings.normalization import Normalization, normalize


def test_by_sum_and_by_length():
    """(3, 4): the sum is 7, the length 5; a zero vector has nothing to scale."""
    vectors = [[3.0, 4.0], [0.0, 0.0]]
    np.testing.assert_allclose(normalize(vectors, Normalization.L1), [[3 / 7, 4 / 7], [0, 0]], rtol=1e-6)
    np.testing.assert_allclose(normalize(vectors, Normalization.L2), [[0.6, 0.8], [0, 0]], rtol=1e-6)


@given(hnp.arrays(np.float32, (3, 5), elements=st.floats(0, 1e6, width=32)))
def test_sums_are_one_and_shares_keep_their_proportion(vectors):
    """x / Σx sums to 1 and times Σx is x again."""
    shares = normalize(vectors, Normalization.L1)
    totals = vectors.sum(axis=1, dtype=np.float64)
    np.testing.assert_allclose(shares.sum(axis=1, dtype=np.float64), totals > 0, rtol=1e-5)
    np.testing.assert_allclose(shares * totals[:, np.newaxis], vectors, rtol=1e-5, atol=1e-30)
    assert shares.dtype == np.float32


@pytest.mark.parametrize("component", [-0.5, np.nan, np.inf])
def test_what_has_no_shares_is_refused(component):
    """Negative parts would make other shares exceed 1."""
    with pytest.raises(ValueError, match="non-negative"):
        normalize([[1.0, component]], Normalization.L1)
