"""Which attributes the loss compares with each other."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from embeddings.losses import LSEP
from embeddings.taxonomy import Taxonomy
from embeddings.training.label_activation import LabelActivation
from embeddings.training.progress import NoteCallback

_LEAST_IN_GROUPS = 0.5


def loss_for(
    activation: LabelActivation,
    targets: NDArray[np.floating],
    taxonomy: Taxonomy,
    *,
    within_groups: bool,
    on_note: NoteCallback,
) -> LSEP:
    """LSEP over all attributes, or within the groups that share a softmax each.

    Within groups where these hold most of what images have, such as one colour, type and season each. Where they hold
    little, their losses say little and drown the one that tells: of ten hits for a bird, three of whose 28 groups have
    one value, 6.7 are of its species instead of 7.5 (``embeddings/results/README.md``).

    Args:
        activation: How scores become ``prob``.
        targets: (n, K) in {0, 1}.
        taxonomy: The K attributes.
        within_groups: Whether attributes are compared within their groups, if those hold at least half of the true
            ones.
        on_note: Told where they do not, unless one softmax over all was found to be right: then all are one group.
    """
    if not within_groups:
        return LSEP()
    spans = activation.spans(taxonomy)
    held = sum(float(targets[:, start:stop].sum()) for start, stop in spans) / max(float(targets.sum()), 1.0)
    if spans and held >= _LEAST_IN_GROUPS:
        return LSEP(spans)
    if spans:
        on_note(
            "The loss compares all attributes with each other, because groups of which images have one value hold only "
            f"{held:.0%} of their attributes."
        )
    elif not (activation.name == "softmax" and activation.reason is not None):
        on_note("The loss compares all attributes with each other, because no group shares a softmax of its own.")
    return LSEP()
