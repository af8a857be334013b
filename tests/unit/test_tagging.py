"""Which values of which groups a photo is tagged with, worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from catalog.ports.models import ModelDescription
from catalog.services.photo_queries.tagging import Tag, TagGroup, exclusive_groups, tag_groups
from embeddings.taxonomy import Taxonomy

TAXONOMY = Taxonomy(("color=blue", "color=green", "color=red", "detail=belt", "detail=bow", "tag=lace"))
CONFIDENCES = np.array([0.25, 0.125, 0.625, 0.75, 0.75, 0.0625], dtype=np.float32)
NONE: frozenset[str] = frozenset()


def found(top, least):
    groups = tag_groups(CONFIDENCES, TAXONOMY, NONE, top=top, least=least)
    return [(group.group, [(tag.value, tag.confidence) for tag in group.tags]) for group in groups]


def test_the_surest_come_first_and_equals_by_name():
    assert found(top=9, least=0) == [
        ("detail", [("belt", 0.75), ("bow", 0.75)]),
        ("color", [("red", 0.625), ("blue", 0.25), ("green", 0.125)]),
        ("tag", [("lace", 0.0625)]),
    ]


@pytest.mark.parametrize(
    ("top", "least", "expected"),
    [
        (1, 0, [("detail", [("belt", 0.75)]), ("color", [("red", 0.625)]), ("tag", [("lace", 0.0625)])]),
        # The bound itself counts.
        (2, 0.25, [("detail", [("belt", 0.75), ("bow", 0.75)]), ("color", [("red", 0.625), ("blue", 0.25)])]),
        (2, 0.76, []),
    ],
)
def test_few_and_sure_ones_only(top, least, expected):
    assert found(top, least) == expected


def test_groups_tell_whether_their_values_exclude_each_other():
    groups = tag_groups(CONFIDENCES, TAXONOMY, frozenset({"color"}), top=1, least=0.5)
    assert groups == (
        TagGroup("detail", False, (Tag("detail=belt", "belt", 0.75),)),
        TagGroup("color", True, (Tag("color=red", "red", 0.625),)),
    )


def model(taxonomy, *networks):
    return ModelDescription("v-1", 16, "pool", {}, taxonomy, {"networks": list(networks)})


@pytest.mark.parametrize(
    ("taxonomy", "networks", "expected"),
    [
        (TAXONOMY, [{"features": ["pool", "prob"], "activation": "sigmoid"}], NONE),
        (
            TAXONOMY,
            [
                {"features": ["pool"], "activation": "groups", "exclusive_groups": ["detail"]},
                {"features": ["prob"], "activation": "groups", "exclusive_groups": ["color"]},
            ],
            frozenset({"color"}),
        ),
        # One of all attributes says nothing of a single group, unless there is no other.
        (TAXONOMY, [{"features": ["prob"], "activation": "softmax"}], NONE),
        (Taxonomy(("class=a", "class=b")), [{"features": ["prob"], "activation": "softmax"}], frozenset({"class"})),
        (TAXONOMY, [], NONE),
    ],
    ids=["sigmoid", "groups", "softmax of several", "softmax of one", "unknown"],
)
def test_the_manifest_tells_of_which_groups_an_item_has_one_value(taxonomy, networks, expected):
    assert exclusive_groups(model(taxonomy, *networks)) == expected
