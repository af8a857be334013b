"""Queries in the space of attribute probabilities that no photo gave: made of attributes, or changed by some."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from catalog.attributes.vocabulary import Vocabulary
from catalog.services.queries.feed_certainty import FeedCertainty, Told, may_have_several
from catalog.services.queries.told_probabilities import ToldProbabilities
from catalog.types import AttributeChanges
from embeddings.normalization import Normalization, normalize
from embeddings.similarity import cosine_similarity, histogram_intersection
from embeddings.taxonomy import Taxonomy, split_attribute

FloatArray = NDArray[np.float32]

LOOKS_WEIGHT = 0.17
"""Share of the looks in how near a hit is, beside the attributes that do not change."""

CHANGE_WEIGHT = 0.4
"""What having the wanted attribute for certain is worth, where being equal in all else is worth 1.

Rendered items in another colour, told by the network alone: of the first five hits 90.1 % have it among 6,000 and
89.3 % among 3,000, and the IoU of the other attributes loses .099 and .111; of another seed 90.6 and 89.2 %, .096 and
.109. In smaller catalogs, which have fewer items of a colour to choose from, each costs more: 84.1 % and .113 among
600, where all attributes being known would still cost .096.
"""

TOLD_CERTAINTY = 0.82
"""How certain it is that an item has what its feed says, on the scale of what the network sees, where feeds say nothing
else: of rendered items that have a colour, half are seen with more than .91 of certainty."""

TOLD_QUERY_GAIN = 0.18
TOLD_CANDIDATES_LOSS = 0.08
"""What is added to that, and taken away from it, where feeds tell all that stays of the query and of the candidates.

Told of both, candidates are the same or are not, and the change must weigh more to come first; told of them alone, all
are less like the query than by what is seen, and it must weigh less. Of 600 rendered items in another colour, 93.2 % of
the first five have it and .069 of the others' IoU are lost where feeds tell all, 93.7 % and .098 where they tell the
colour and half of all else, 86.0 % and .097 where they tell the colour alone.
"""

CANDIDATES_REST = 0.4
"""By how much the attributes that do not change count less in the choice of candidates."""


def in_taxonomy(attributes: Iterable[str], taxonomy: Taxonomy) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The attributes that the taxonomy has, and the others, each in their order."""
    known = set(taxonomy.names)
    names = tuple(attributes)
    return tuple(name for name in names if name in known), tuple(name for name in names if name not in known)


def prob_of(attributes: Sequence[str], taxonomy: Taxonomy, normalization: Normalization) -> FloatArray:
    """What a network would give for a photo that shows these attributes for certain, and nothing else.

    Args:
        attributes: Of the taxonomy.

    Returns:
        (K,) float32, scaled; zero where there are no attributes.

    >>> taxonomy = Taxonomy(("color=blue", "color=red", "fabric=lace", "length=maxi"))
    >>> prob_of(["color=red", "length=maxi"], taxonomy, Normalization.L1).tolist()
    [0.0, 0.5, 0.0, 0.5]
    """
    return normalize(taxonomy.encode([attributes])[0], normalization)


@dataclass(frozen=True)
class ChangedQuery:
    """A query whose attributes are others than those its photo shows.

    A group of the vocabulary of which an item may have several values (details, occasions) gets a wanted value beside
    the others; in any other group the wanted values take the place of all that the photo shows.

    Args:
        visual: (V,) of the photo.
        prob: (K,) of the photo, non-negative.
        changes: Attributes of the taxonomy, in normal form; none both wanted and unwanted.
        said: Attributes of the feed of the product that the photo shows, in normal form; none of a photo alone.
    """

    visual: FloatArray
    prob: FloatArray
    changes: AttributeChanges
    taxonomy: Taxonomy
    vocabulary: Vocabulary
    normalization: Normalization
    said: Sequence[str] = ()

    has_looks: ClassVar[bool] = True

    @cached_property
    def rest(self) -> FloatArray:
        """(K,): what does not change, as the photo has it; 0 at all that is replaced, wanted or unwanted."""
        return np.asarray(self.prob * self._stays, dtype=np.float32)

    @cached_property
    def _stays(self) -> FloatArray:
        """(K,): 1 at what does not change, else 0."""
        stays = np.ones_like(self.prob)
        for positions in self._wanted_groups:
            stays[self._replaced(positions)] = 0.0
        stays[self._positions(self.changes.unwanted)] = 0.0
        return stays

    @cached_property
    def changed(self) -> FloatArray:
        """(K,): prob with each wanted group's length at its wanted values, scaled like prob.

        In a group without length that is the length of the largest component, so that the value counts. The length of
        an unwanted value goes to the others of its group, in proportion, where there are any.
        """
        changed = self.rest.copy()
        for positions in self._wanted_groups:
            group = self._length(self.prob[self._replaced(positions)]) or float(self.prob.max())
            # Under either scaling, n equal components of this size are as long as the group was.
            changed[positions] = group / self._length(np.ones(len(positions), dtype=np.float32))
        for name in self.changes.unwanted:
            position = self._positions([name])
            others = [at for at in self._group(name) if changed[at] > 0]
            if others and not self._may_have_several(name):
                kept = self._length(changed[others])
                both = self._length(np.append(changed[others], self.prob[position]))
                changed[others] *= both / kept
        return normalize(changed, self.normalization)

    @cached_property
    def for_candidates(self) -> FloatArray:
        """(K,) to search candidates with: the wanted values at full length, the rest counting less.

        By the changed vector itself most of the nearest would be nearest in everything but what was asked for.
        """
        query = self.rest * np.float32(CANDIDATES_REST)
        if not self.changes.wanted:
            return self.rest
        query[self._positions(self.changes.wanted)] = self.prob.max()
        return query

    def scores(
        self, visual: FloatArray, prob: FloatArray, said: Sequence[Sequence[str]] | None = None
    ) -> NDArray[np.float32]:
        """How near candidates are to what is asked for, from 0 to 1.

        (w·cosine of looks + (1 − w)·Σ min / Σ max over what does not change + b·certainty of the change) / (1 + b),
        with w ``LOOKS_WEIGHT`` and b ``CHANGE_WEIGHT``. The quotient of sums is the intersection over union of
        attribute sets, where attributes are certain; the intersection alone does not tell what a hit has in addition.

        Args:
            visual: (n, V).
            prob: (n, K) as they were lifted, non-negative.
            said: n times the attributes of the product's feed, in normal form. What they tell of a candidate counts,
                both of what is asked for and of what does not change, and what they leave open prob tells; so all of
                it without them.
        """
        looks = np.maximum(cosine_similarity(self.visual[np.newaxis], visual)[0], 0.0)
        rest, kept, told_certainty = self.rest, prob * self._stays, TOLD_CERTAINTY
        if said is not None:
            told = ToldProbabilities(self.taxonomy, self.vocabulary)
            (asked,), named = told.of(self.prob[np.newaxis], [self.said])
            rest = asked * self._stays
            told_certainty += TOLD_QUERY_GAIN * _share(rest[np.newaxis], named)
            kept, named = told.of(prob, said)
            kept *= self._stays
            told_certainty -= TOLD_CANDIDATES_LOSS * _share(kept, named)
        common = histogram_intersection(rest[np.newaxis], kept)[0]
        # min + max = a + b.
        either = rest.sum() + kept.sum(axis=1) - common
        same = common / np.where(either > 0, either, 1.0)
        near = LOOKS_WEIGHT * looks + (1 - LOOKS_WEIGHT) * same
        certainty = self.certainty(prob, said, told_certainty)
        return np.asarray((near + CHANGE_WEIGHT * certainty) / (1 + CHANGE_WEIGHT), dtype=np.float32)

    def certainty(
        self, prob: FloatArray, said: Sequence[Sequence[str]] | None, told_certainty: float = 1.0
    ) -> NDArray[np.float32]:
        """(n,) in [0, 1]: mean over the wanted groups and the unwanted values of how surely each is as asked for.

        Args:
            told_certainty: How certain it is that an item has what its feed says, where the network sees up to 1.
        """
        parts = [self._told(prob, positions, said, told_certainty) for positions in self._each_wanted]
        parts += [1 - self._told(prob, self._positions([name]), said, told_certainty) for name in self.changes.unwanted]
        return np.asarray(np.mean(parts, axis=0), dtype=np.float32)

    def _told(
        self, prob: FloatArray, positions: NDArray[np.intp], said: Sequence[Sequence[str]] | None, told_certainty: float
    ) -> FloatArray:
        """(n,) in [0, 1]: as the feed tells, ``_presence`` where that tells nothing.

        Of an item with several values of the group by its feed, it is the share of these that the network sees.
        """
        presence = self._presence(prob, positions)
        if said is None:
            return presence
        by_feed = FeedCertainty([self.taxonomy.names[at] for at in positions], self.vocabulary)
        told = [by_feed.of(of_item) for of_item in said]
        group = self._group(self.taxonomy.names[positions[0]])
        share = _quotient(prob[:, positions].sum(axis=1), prob[:, group].sum(axis=1))
        is_told = [np.array([one is answer for one in told]) for answer in (Told.YES, Told.NO, Told.BESIDE_OTHERS)]
        certain = [np.full_like(presence, told_certainty), np.zeros_like(presence), told_certainty * share]
        return np.asarray(np.select(is_told, certain, presence), dtype=np.float32)

    def _presence(self, prob: FloatArray, positions: NDArray[np.intp]) -> FloatArray:
        """(n,) in [0, 1]: how surely each item has one of these values of one group.

        Their sum as a share of what is surest of the item, and where an item has one value of the group, the geometric
        mean of that and of their share of the group: a grey that is as sure as a white is neither.
        """
        given = prob[:, positions].sum(axis=1)
        presence = np.minimum(_quotient(given, prob.max(axis=1)), 1.0)
        name = self.taxonomy.names[positions[0]]
        if self._may_have_several(name):
            return presence
        return np.asarray(np.sqrt(presence * _quotient(given, prob[:, self._group(name)].sum(axis=1))))

    @cached_property
    def _wanted_groups(self) -> list[NDArray[np.intp]]:
        """Positions of the wanted values, by group."""
        groups: dict[str, list[str]] = {}
        for name in self.changes.wanted:
            groups.setdefault(split_attribute(name)[0], []).append(name)
        return [self._positions(names) for names in groups.values()]

    @property
    def each_wanted(self) -> list[tuple[str, ...]]:
        """Of each a hit shall have one: the wanted values by group, or alone where an item may have several."""
        return [tuple(self.taxonomy.names[at] for at in positions) for positions in self._each_wanted]

    @property
    def _each_wanted(self) -> list[NDArray[np.intp]]:
        """What an item must have one of: of a group of several values each wanted one, else any of the group's."""
        groups = self._wanted_groups
        several = [self._may_have_several(self.taxonomy.names[positions[0]]) for positions in groups]
        return [
            part
            for positions, each in zip(groups, several, strict=True)
            for part in (np.split(positions, len(positions)) if each else [positions])
        ]

    def _replaced(self, positions: NDArray[np.intp]) -> NDArray[np.intp]:
        """The positions whose place the wanted ones take: all of their group, or only their own."""
        name = self.taxonomy.names[positions[0]]
        return positions if self._may_have_several(name) else self._group(name)

    def _may_have_several(self, name: str) -> bool:
        return may_have_several(split_attribute(name)[0], self.vocabulary)

    def _group(self, name: str) -> NDArray[np.intp]:
        prefix = f"{split_attribute(name)[0]}="
        return np.array([at for at, one in enumerate(self.taxonomy.names) if one.startswith(prefix)], dtype=np.intp)

    def _positions(self, names: Sequence[str]) -> NDArray[np.intp]:
        return np.array([self.taxonomy.names.index(name) for name in names], dtype=np.intp)

    def _length(self, part: FloatArray) -> float:
        """By the norm that prob is scaled by."""
        return float(part.sum() if self.normalization is Normalization.L1 else np.linalg.norm(part))


def _share(prob: FloatArray, named: NDArray[np.bool_]) -> float:
    """In [0, 1]: how much of the probabilities, (n, K), are what feeds name, on the mean."""
    return float(_quotient((prob * named).sum(axis=1), prob.sum(axis=1)).mean())


def _quotient(part: FloatArray, whole: FloatArray) -> FloatArray:
    return np.asarray(part / np.where(whole > 0, whole, 1.0), dtype=np.float32)
