"""A query that words alone make: attributes that hits shall have, and no photo."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from catalog.attributes.vocabulary import Vocabulary
from catalog.services.queries.attribute_queries import TOLD_CERTAINTY, ChangedQuery, FloatArray, prob_of
from catalog.types import AttributeChanges
from embeddings.normalization import Normalization
from embeddings.taxonomy import Taxonomy

SEEN_WEIGHT: Final = 0.1
"""What the network sees counts so much beside what is certain: it orders those of which the feed says the same."""


class WordsQuery:
    """How surely products have the attributes that words ask for, by their feeds, and else by what the network sees.

    Args:
        names: Attributes of the taxonomy, in normal form; at least one.
    """

    has_looks: ClassVar[bool] = False

    def __init__(
        self, names: Sequence[str], taxonomy: Taxonomy, vocabulary: Vocabulary, normalization: Normalization
    ) -> None:
        self.changed: FloatArray = prob_of(names, taxonomy, normalization)
        # A photo that shows nothing but what is asked for.
        self._asked = ChangedQuery(
            np.zeros(1, dtype=np.float32),
            self.changed,
            AttributeChanges(wanted=tuple(names)),
            taxonomy,
            vocabulary,
            normalization,
        )

    @cached_property
    def rest(self) -> FloatArray:
        """(K,) zeros: there is nothing else that hits shall have."""
        return np.zeros_like(self.changed)

    @property
    def for_candidates(self) -> FloatArray:
        """(K,): what is asked for."""
        return self.changed

    @property
    def each_wanted(self) -> list[tuple[str, ...]]:
        """Of each a hit shall have one."""
        return self._asked.each_wanted

    def scores(self, visual: FloatArray, prob: FloatArray, said: Sequence[Sequence[str]]) -> NDArray[np.float32]:  # noqa: ARG002
        """(c + w·s) / (1 + w) in [0, 1]: c how certain it is by feeds and network, s by the network alone, w
        ``SEEN_WEIGHT``."""
        certain = self._asked.certainty(prob, said, TOLD_CERTAINTY)
        seen = self._asked.certainty(prob, None)
        return np.asarray((certain + SEEN_WEIGHT * seen) / (1 + SEEN_WEIGHT), dtype=np.float32)
