"""Which activation suits the labels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embeddings.taxonomy import Taxonomy
from embeddings.training.config import AUTO_ACTIVATION

_LEAST_WITH_ONE = 0.9
_MOST_WITH_SEVERAL = 0.01


@dataclass(frozen=True, slots=True)
class LabelActivation:
    """How scores become ``prob``.

    Args:
        name: ``sigmoid``, ``softmax`` or ``groups``, as ``embeddings.networks.build`` takes it.
        exclusive_groups: With ``groups``: of which an item has one value; in the taxonomy's order.
        reason: Why, in words; None where it was asked for.
    """

    name: str
    exclusive_groups: tuple[str, ...] = ()
    reason: str | None = None

    def spans(self, taxonomy: Taxonomy) -> list[tuple[int, int]]:
        """Where the exclusive groups stand in the taxonomy."""
        return [taxonomy.spans[group] for group in self.exclusive_groups]

    def softmax_spans(self, taxonomy: Taxonomy) -> list[tuple[int, int]]:
        """Where each softmax stands: over all attributes, over the exclusive groups, or nowhere."""
        return [(0, len(taxonomy))] if self.name == "softmax" else self.spans(taxonomy)

    @property
    def note(self) -> str | None:
        """What to tell whoever left the choice open."""
        if self.reason is None:
            return None
        form = {"groups": "a softmax in each group"}.get(self.name, f"the {self.name}")
        return f"prob is {form} of the scores, because {self.reason}."


def activation_for(
    targets: NDArray[np.floating], taxonomy: Taxonomy, asked_for: str = AUTO_ACTIVATION
) -> LabelActivation:
    """How scores become ``prob``: what was asked for, or by the labels if that is ``auto``.

    - ``softmax`` where every image has exactly one attribute: LSEP is then its cross entropy, so its probabilities are
      what was trained.
    - ``groups`` where groups have one value: colour, type and season of a product are three questions with one answer
      each, and the sum over a group is 1 for sure images and unsure ones alike. A group counts as such if at least
      nine images in ten have a value of it and at most one in a hundred has several.
    - ``sigmoid`` elsewhere: a softmax spends its mass even where nothing applies.

    Args:
        targets: (n, K) in {0, 1}.
        taxonomy: Names of the K attributes.
        asked_for: ``auto``, ``sigmoid``, ``softmax`` or ``groups``.

    >>> activation_for(np.eye(3), Taxonomy(("color=red", "fit=slim", "fit=wide"))).name
    'softmax'
    >>> both = np.array([[1.0, 0.0, 1.0, 0.0], [0.0, 1.0, 0.0, 1.0]])
    >>> activation_for(both, Taxonomy(("color=blue", "color=red", "fit=slim", "fit=wide"))).exclusive_groups
    ('color', 'fit')
    """
    if asked_for not in (AUTO_ACTIVATION, "groups"):
        return LabelActivation(asked_for)
    counts = targets.sum(axis=1)
    if asked_for == AUTO_ACTIVATION and len(targets) and bool((counts == 1).all()):
        return LabelActivation("softmax", reason="every image has exactly one attribute")
    exclusive = _exclusive_groups(targets, taxonomy)
    if exclusive:
        names = ", ".join(exclusive)
        return LabelActivation("groups", exclusive, None if asked_for == "groups" else f"images have one {names} each")
    return LabelActivation("sigmoid", reason="no group has exactly one value on nine images in ten")


def _exclusive_groups(targets: NDArray[np.floating], taxonomy: Taxonomy) -> tuple[str, ...]:
    if not len(targets):
        return ()
    found = []
    for group, (start, stop) in taxonomy.spans.items():
        counts = targets[:, start:stop].sum(axis=1)
        if stop - start > 1 and (counts == 1).mean() >= _LEAST_WITH_ONE and (counts > 1).mean() <= _MOST_WITH_SEVERAL:
            found.append(group)
    return tuple(found)
