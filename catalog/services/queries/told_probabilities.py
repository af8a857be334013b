"""What feeds say of products in the place of what a network sees of them, attribute by attribute."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from catalog.attributes.normalizer import fashion_normalizer
from catalog.attributes.vocabulary import Vocabulary
from catalog.services.queries.feed_certainty import excludes_others
from embeddings.taxonomy import Taxonomy, split_attribute


class ToldProbabilities:
    """Makes one of the feed's words and the network's probabilities.

    What the feed names is as sure as what is surest of the item. The group's other values are then not there, unless an
    item may have several values of the group, or what is named leaves open which it is (multicolor). Of groups that
    the feed does not mention, the network alone tells.
    """

    def __init__(self, taxonomy: Taxonomy, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self._places = {name: at for at, name in enumerate(taxonomy.names)}
        self._groups: dict[str, list[int]] = {}
        for name, at in self._places.items():
            self._groups.setdefault(split_attribute(name)[0], []).append(at)
        # Many products say the same: what each attribute tells is worked out once. The first of these tells nothing.
        self._numbers: dict[str, int] = {}
        self._tell_nothing = np.zeros(len(self._places), dtype=np.bool_)
        self._named = [self._tell_nothing]
        self._others = [self._tell_nothing]

    def of(
        self, prob: NDArray[np.float32], said: Sequence[Sequence[str]]
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """The probabilities of items, of which feeds say something.

        Args:
            prob: (n, K), non-negative.
            said: n times attributes of the item's feed, in normal form; the vocabulary's names or the merchant's own.

        Returns:
            (n, K) probabilities, another array; and (n, K) which of them are what a feed names.

        >>> from catalog.attributes.vocabulary import fashion_vocabulary
        >>> taxonomy = Taxonomy(("color=blue", "color=red", "detail=belt", "detail=bow", "pattern=plain"))
        >>> seen = np.array([[0.5, 0.25, 0.25, 0.0, 0.75]], dtype=np.float32)
        >>> told, named = ToldProbabilities(taxonomy, fashion_vocabulary()).of(seen, [["colour=scarlet", "detail=bow"]])
        >>> told.tolist(), named.nonzero()[1].tolist()
        ([[0.0, 0.75, 0.25, 0.75, 0.75]], [1, 3])
        """
        for attribute in {attribute for attributes in said for attribute in attributes}:
            if attribute not in self._numbers:
                self._numbers[attribute] = self._work_out(attribute)
        numbers = [self._numbers[attribute] for attributes in said for attribute in attributes]
        ends = np.cumsum([len(attributes) for attributes in said])
        named = _any_of(np.stack(self._named)[numbers], ends)
        others = _any_of(np.stack(self._others)[numbers], ends)
        surest = prob.max(axis=1, keepdims=True)
        return np.where(named, surest, np.where(others, np.float32(0), prob)), named

    def _work_out(self, attribute: str) -> int:
        """Where what the attribute tells is kept from now on."""
        meant = {attribute, *fashion_normalizer().names_of(attribute)}
        places = [self._places[name] for name in meant if name in self._places]
        closed = {split_attribute(name)[0] for name in meant if excludes_others(name, self._vocabulary)}
        others = [at for group in closed for at in self._groups.get(group, ())]
        if not places and not others:
            return 0
        for kept, where in ((self._named, places), (self._others, others)):
            told = self._tell_nothing.copy()
            told[where] = True
            kept.append(told)
        return len(self._named) - 1


def _any_of(rows: NDArray[np.bool_], ends: NDArray[np.intp]) -> NDArray[np.bool_]:
    """(n, K): whether any of the rows up to each end, from the end before it on, is true; none of no rows."""
    starts = np.concatenate([[0], ends[:-1]])
    has_rows = ends > starts
    found = np.zeros((len(ends), rows.shape[1]), dtype=np.bool_)
    if has_rows.any():
        found[has_rows] = np.logical_or.reduceat(rows, starts[has_rows])
    return found
