"""What a mistyped attribute may have been meant as."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.services.queries.similar_names import SUGGESTIONS, similar_attributes, similar_texts

THERE = {"color=red": 9, "color=rose": 2, "color=navy": 4, "fabric=linen": 5, "fabric=lace": 5, "neckline=v-neck": 1}


@pytest.mark.parametrize(
    ("asked", "meant"),
    [
        # 2·matching / all letters: "rde" has "r" and one more of "red" in order, 2·2/6; of "rose" "r" and "e", 2·2/7.
        ("color=rde", ["color=red"]),
        ("color=röse", ["color=rose"]),
        ("colr=red", ["color=red"]),
        ("colr=nvay", ["color=navy"]),
        ("material=lace", ["fabric=lace"]),
        ("tag=linnen", ["fabric=linen"]),
        ("neckline=vneck", ["neckline=v-neck"]),
        ("color=xyzzy", []),
        ("colr=xyzzy", []),
        ("heel=stiletto", []),
    ],
)
def test_what_was_probably_meant_comes_first(asked, meant):
    assert similar_attributes(asked, THERE) == meant


def test_equally_near_names_are_told_by_their_frequency():
    """Both differ in one of four letters."""
    assert similar_attributes("color=mint", {"color=mink": 1, "color=mind": 3}) == ["color=mind", "color=mink"]
    assert similar_attributes("color=mint", {}) == []
    assert similar_texts("dreses", ["dresses", "skirts"]) == ["dresses"]


@settings(max_examples=100, deadline=None)
@given(
    st.text(max_size=20),
    st.dictionaries(st.sampled_from(["a", "b"]).flatmap(lambda g: st.text(max_size=9).map(f"{g}={{}}".format)),
                    st.integers(0, 9), max_size=8),
)  # fmt: skip
def test_suggestions_are_names_there_are(value, there):
    found = similar_attributes(f"a={value}", there)
    assert len(found) == len(set(found)) <= SUGGESTIONS
    assert set(found) <= set(there)
