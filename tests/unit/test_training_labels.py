"""What is trained on is settled before training: the split, the taxonomy, the activation, and what was left out."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embeddings.taxonomy import Taxonomy
from embeddings.training.label_activation import activation_for
from embeddings.training.label_preparation import Untrainable, prepare_labels
from embeddings.training.labelled_images import LabelledImages


def labelled(attributes, item_ids=None):
    images = np.zeros((len(attributes), 8, 8, 3), np.uint8)
    images[:, 0, 0, 0] = np.arange(len(attributes))
    return LabelledImages(images, attributes, item_ids)


COLORS = Taxonomy(("color=blue", "color=green", "color=red"))
RED, BLUE, LACE = "color=red", "color=blue", "fabric=lace"


def test_rare_attributes_are_left_out():
    """Counted by image, whatever is repeated within one; the taxonomy is sorted."""
    data = labelled([[RED, RED], [RED], [BLUE], [BLUE, LACE]])
    prepared = prepare_labels(data, min_count=2, held_out_share=0, seed=0)
    assert prepared.taxonomy.names == (BLUE, RED)
    assert prepared.held_out is None
    assert prepared.notes == ()


@given(st.integers(0, 30))
def test_an_attribute_that_only_held_out_images_have_is_left_out_and_named(seed):
    """The network would learn that it never occurs."""
    data = labelled([[RED], [BLUE], [RED, LACE], [BLUE], [RED], [BLUE]])
    prepared = prepare_labels(data, min_count=1, held_out_share=0.2, seed=seed)
    held_out = {name for attributes in prepared.held_out.attributes for name in attributes}
    assert (LACE in prepared.taxonomy.names) == (LACE not in held_out)
    assert any(LACE in note for note in prepared.notes) == (LACE in held_out)
    assert len(prepared.training) == 5


def test_training_images_without_a_trained_attribute_are_left_out_and_counted():
    """They have a loss of zero and would take time; held-out images stay, as they are part of what is searched."""
    data = labelled([[RED], [BLUE], [LACE], [RED], [BLUE], []])
    prepared = prepare_labels(data, min_count=2, held_out_share=0, seed=0)
    assert [int(prepared.training.images[row][0, 0, 0]) for row in range(len(prepared.training))] == [0, 1, 3, 4]
    assert prepared.notes == ("2 of 6 training images have none of the 2 attributes and are left out.",)


@pytest.mark.parametrize(
    ("attributes", "items", "received"),
    [
        ([[RED], [RED]], None, "2 images, 1 attributes on at least 1 of them"),
        ([[], []], None, "2 images, 0 attributes on at least 1 of them"),
        ([[RED], [BLUE]], ["a", "a"], "2 images, 2 attributes"),
        ([[RED, BLUE], [BLUE, RED]], None, "2 images to train on, attributes color=blue, color=red"),
    ],
    ids=["one attribute", "none", "one item", "no difference"],
)
def test_too_little_to_learn_is_refused(attributes, items, received):
    """The loss compares attributes of an image with each other: one attribute, or no difference, teaches nothing."""
    with pytest.raises(Untrainable) as refused:
        prepare_labels(labelled(attributes, items), min_count=1, held_out_share=0, seed=0)
    assert received in refused.value.received
    assert refused.value.remedy


@pytest.mark.parametrize("share", [-0.1, 1.0])
def test_a_share_outside_its_range_is_refused(share):
    """All images cannot be held out."""
    with pytest.raises(ValueError, match="held_out_share"):
        prepare_labels(labelled([[RED], [BLUE]]), min_count=1, held_out_share=share, seed=0)


def test_softmax_is_for_exactly_one_attribute_per_image():
    """One image with two attributes, or with none, makes it sigmoid; what was asked for is left alone."""
    assert activation_for(np.eye(3)[[0, 2, 2]], COLORS).name == "softmax"
    assert activation_for(np.array([[1.0, 0.0, 0], [1.0, 1.0, 0]]), COLORS).name == "sigmoid"
    assert activation_for(np.array([[1.0, 0.0, 0], [0.0, 0.0, 0]]), COLORS).name == "sigmoid"
    assert activation_for(np.eye(3), COLORS, "sigmoid").name == "sigmoid"


def test_groups_of_one_value_per_image_share_a_softmax():
    """Of 100 images, 91 have a colour (at least 90) and 1 has two (at most 1 %); styles come in pairs, so by
    themselves; lace is alone in its group, where a softmax would always be 1."""
    taxonomy = Taxonomy(("color=blue", "color=red", "fabric=lace", "style=boho", "style=chic"))
    targets = np.zeros((100, 5))
    targets[:91, 0] = 1
    targets[91, :2] = 1
    targets[:, 3:] = 1
    found = activation_for(targets, taxonomy)
    assert (found.name, found.exclusive_groups) == ("groups", ("color",))
    assert found.spans(taxonomy) == [(0, 2)]
    assert "one color each" in found.note

    targets[90] = 0
    assert activation_for(targets, taxonomy).name == "groups", "exactly 90 have one"
    targets[89] = 0
    assert activation_for(targets, taxonomy).name == "sigmoid", "only 89 have one"


def test_two_images_in_a_hundred_with_two_colours_undo_the_softmax():
    """98 with one and 2 with two: more than 1 %."""
    targets = np.tile([[1.0, 0.0, 0.0]], (100, 1))
    targets[:2, 1] = 1
    assert activation_for(targets, COLORS).name == "sigmoid"


def test_groups_asked_for_where_there_are_none_are_told_of():
    """Falling back in silence would look like what was asked for."""
    targets = np.tile([[1.0, 1.0, 0.0]], (10, 1))
    found = activation_for(targets, COLORS, "groups")
    assert found.name == "sigmoid"
    assert "no group has exactly one value on nine images in ten" in found.note
