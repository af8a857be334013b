"""The loss compares attributes within groups where these hold most of what images have, and says where they do not."""

from __future__ import annotations

import numpy as np
import pytest

from embeddings.taxonomy import Taxonomy
from embeddings.training.label_activation import LabelActivation, activation_for
from embeddings.training.loss_scope import loss_for

TAXONOMY = Taxonomy(("color=blue", "color=red", "tag=a", "tag=b", "tag=c"))


def choose(targets, asked_for="auto", taxonomy=TAXONOMY, *, within_groups=True):
    """The groups that the loss compares within, and what was told."""
    notes = []
    activation = activation_for(targets, taxonomy, asked_for)
    loss = loss_for(activation, targets, taxonomy, within_groups=within_groups, on_note=notes.append)
    return loss.spans, notes


@pytest.mark.parametrize(("num_tags", "spans"), [(0, ((0, 2),)), (1, ((0, 2),)), (2, ()), (3, ())])
def test_groups_have_to_hold_half_of_the_attributes(num_tags, spans):
    """Of one colour and so many tags, the colour is all, a half, a third, a quarter."""
    targets = np.zeros((10, 5), np.float32)
    targets[np.arange(10), np.arange(10) % 2] = 1
    targets[:, 2 : 2 + num_tags] = 1
    notes = []
    activation = LabelActivation("groups", ("color",))
    assert loss_for(activation, targets, TAXONOMY, within_groups=True, on_note=notes.append).spans == spans
    assert bool(notes) == (not spans)
    if notes:
        assert "compares all attributes" in notes[0]
        assert f"hold only {1 / (1 + num_tags):.0%} of" in notes[0]


def test_without_groups_all_are_compared_and_it_is_told():
    """A sigmoid each, or a softmax over several groups, leave nothing to compare within."""
    one_of_each = np.array([[1, 0, 1, 0, 0], [0, 1, 0, 1, 0]] * 5, np.float32)
    for asked_for in ("sigmoid", "softmax"):
        assert choose(one_of_each, asked_for)[0] == ()
        assert "no group shares a softmax of its own" in choose(one_of_each, asked_for)[1][0]
    assert choose(one_of_each) == (((0, 2), (2, 5)), [])


def test_nothing_is_told_where_nothing_was_asked_for_or_all_are_one_group():
    """Every image has exactly one attribute: one softmax, of which LSEP is the cross entropy."""
    taxonomy = Taxonomy(("pattern=dots", "pattern=plain", "pattern=stripes"))
    assert choose(np.eye(3, dtype=np.float32), taxonomy=taxonomy) == ((), [])
    several = np.array([[1, 0, 1, 0, 0], [0, 1, 0, 1, 0]] * 5, np.float32)
    assert choose(several, within_groups=False) == ((), [])
