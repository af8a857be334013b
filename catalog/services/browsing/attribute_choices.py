"""The attributes there are to choose from, and those that a few typed letters may mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from catalog.attributes.completion import Fit, fashion_completion, most_likely
from catalog.ports.models import Models
from catalog.services.browsing.facets import conditions_of
from catalog.services.remembered import Remembered
from catalog.types import SearchFilters
from catalog.unit_of_work import UnitOfWorkFactory
from embeddings.taxonomy import split_attribute

SECONDS: Final = 5.0
"""How old counts may be: the letters of one word are typed within that, under the same filters.

At 10,000 products of two photos and eight of 362 attributes each, counting takes 27 ms, 15 under a filter; what is done
with remembered counts takes 2 ms, 10 where something is mistyped (two cores).
"""

_MOST_REMEMBERED: Final = 200


@dataclass(frozen=True, slots=True)
class AttributeChoice:
    """One attribute.

    Args:
        name: In normal form.
        count: Products that have it, under the filters.
        is_ranked: The live model ranks by it; others filter.
        matched: The word of the vocabulary that was typed, or the beginning of; None where that is the attribute's own.
    """

    name: str
    count: int
    is_ranked: bool
    matched: str | None = None


@dataclass(frozen=True, slots=True)
class Choices:
    """Attributes, the likeliest first, of so many in all."""

    choices: Sequence[AttributeChoice]
    total: int


class AttributeChoices:
    """Lists the attributes of a merchant's products and of the live model."""

    def __init__(self, unit_of_work: UnitOfWorkFactory, models: Models) -> None:
        self._unit_of_work = unit_of_work
        self._models = models
        self._counts = Remembered(self._count, seconds=SECONDS, most=_MOST_REMEMBERED)

    def list(
        self,
        merchant: str,
        typed: str = "",
        group: str | None = None,
        filters: SearchFilters | None = None,
        limit: int = 20,
    ) -> Choices:
        """The attributes that products have under the filters, the most frequent first, then the model's others.

        Args:
            typed: What their names, in any words of the vocabulary, shall begin with; the nearest come first.
            group: Only those of it, by any of its names.

        Raises:
            MerchantNotFound: no such merchant.
            InvalidRequest: the filters have no meaning.
        """
        with self._unit_of_work() as work:
            merchant_id = work.merchants.id_of(merchant)
            gallery = work.galleries.live(merchant_id)
        ranked = frozenset(() if gallery is None else self._models.describe(gallery.model_version).taxonomy.names)
        counts = self._counts.get((merchant_id, filters or SearchFilters()))
        names = {*counts, *ranked}
        completion = fashion_completion()
        if group is not None:
            groups = {completion.group_of(group), " ".join(group.casefold().split())}
            names = {name for name in names if split_attribute(name)[0] in groups}
        fits: Mapping[str, Fit] = {}
        if typed.strip():
            fits = completion.find(typed, names)
            found = most_likely(fits, counts)
        else:
            found = sorted(names, key=lambda name: (-counts.get(name, 0), name))
        choices = [
            AttributeChoice(name, counts.get(name, 0), name in ranked, fits[name].matched if name in fits else None)
            for name in found[:limit]
        ]
        return Choices(choices, len(found))

    def _count(self, asked: tuple[int, SearchFilters]) -> Mapping[str, int]:
        merchant_id, filters = asked
        with self._unit_of_work() as work:
            return work.facets.attributes(merchant_id, conditions_of(work, merchant_id, filters))
