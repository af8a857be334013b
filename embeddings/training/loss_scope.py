"""Which attributes the loss compares with each other."""

from __future__ import annotations

from embeddings.losses import LSEP
from embeddings.taxonomy import Taxonomy
from embeddings.training.label_activation import LabelActivation
from embeddings.training.progress import NoteCallback


def loss_for(activation: LabelActivation, taxonomy: Taxonomy, *, within_groups: bool, on_note: NoteCallback) -> LSEP:
    """LSEP over all attributes, or within the groups that share a softmax each.

    Args:
        activation: How scores become ``prob``.
        taxonomy: The attributes.
        within_groups: Whether attributes are compared within their groups, if there are such.
        on_note: Told where there are none, unless one softmax over all was found to be right: then all are one group.
    """
    if not within_groups:
        return LSEP()
    spans = activation.spans(taxonomy)
    if not spans and not (activation.name == "softmax" and activation.reason is not None):
        on_note("The loss compares all attributes with each other, because no group shares a softmax of its own.")
    return LSEP(spans)
