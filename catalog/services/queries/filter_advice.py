"""What to tell of filters that name what nobody knows, or what no product has: "did you mean color=red?"."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from catalog.attributes.vocabulary import fashion_vocabulary
from catalog.errors import InvalidRequest
from catalog.feeds.own_fields import field_name
from catalog.services.galleries.gallery_layout import CATEGORY_SEPARATOR, category_keyword, category_keywords
from catalog.services.queries.asked_attributes import entries_for, names_for
from catalog.services.queries.catalog_values import MOST_FIELD_VALUES, SECONDS_OF_DENIALS, CatalogValues
from catalog.services.queries.contradictions import has_price_bounds, require_one_currency
from catalog.services.queries.similar_names import similar_attributes, similar_texts
from catalog.types import AttributeChanges, SearchFilters
from embeddings.taxonomy import Taxonomy, split_attribute

MOST_NOTES: Final = 5
"""A search may name 150 attributes; whoever mistypes the first few need not be told of all."""


class FilterAdvice:
    """Judges filters by what the merchant's catalog has.

    What the vocabulary or the model knows costs no look at the catalog while a search finds anything.
    """

    def __init__(self, values: CatalogValues) -> None:
        self._values = values

    def check(
        self,
        merchant_id: int,
        filters: SearchFilters,
        changes: AttributeChanges | None = None,
        taxonomy: Taxonomy | None = None,
    ) -> None:
        """Pass what means something in this catalog.

        Args:
            taxonomy: The live model's.

        Raises:
            InvalidRequest: price bounds without a currency where there are several; a change to an attribute that
                nobody knows.
        """
        if filters.currency is None and has_price_bounds(filters):
            currencies = self._values.currencies(merchant_id)
            if len(currencies) > 1:
                currencies = self._values.currencies(merchant_id, SECONDS_OF_DENIALS)
            require_one_currency(filters, currencies)
        for name in changes.wanted if changes else ():
            if not self._is_known(merchant_id, name, taxonomy):
                similar = self._similar(merchant_id, name, taxonomy)
                raise InvalidRequest(
                    "Nothing is known of this attribute",
                    received=name,
                    expected="an attribute of the catalog, of the model or of the vocabulary",
                    remedy=f"did you mean {_either(similar)}?"
                    if similar
                    else "GET /v1/attributes lists those there are",
                )

    def notes(
        self,
        merchant_id: int,
        filters: SearchFilters,
        changes: AttributeChanges | None = None,
        taxonomy: Taxonomy | None = None,
        *,
        is_empty: bool,
    ) -> tuple[str, ...]:
        """Sentences for whoever asked, at most ``MOST_NOTES``.

        Args:
            is_empty: Nothing was found: parts of the filters that no product passes are told, too.
        """
        told: list[str] = []
        asked = (*filters.all_of, *filters.any_of)
        ruled_out = (*filters.none_of, *(changes.unwanted if changes else ()))
        for name in dict.fromkeys((*asked, *ruled_out)):
            if len(told) >= MOST_NOTES:
                return tuple(told)
            if not self._is_known(merchant_id, name, taxonomy):
                similar = self._similar(merchant_id, name, taxonomy)
                told.append(f"{name} is unknown" + (f"; did you mean {_either(similar)}?" if similar else ""))
            elif is_empty and name in asked and not self._values.has_attribute(merchant_id, names_for(name)):
                told.append(f"no product has {name}")
        if is_empty:
            told.extend(self._empty_category(merchant_id, filters))
            told.extend(self._empty_currency(merchant_id, filters))
            told.extend(self._empty_fields(merchant_id, filters))
        return tuple(told[:MOST_NOTES])

    def _is_known(self, merchant_id: int, name: str, taxonomy: Taxonomy | None) -> bool:
        names = names_for(name)
        if taxonomy is not None and not set(names).isdisjoint(taxonomy.names):
            return True
        return any(map(_is_in_vocabulary, names)) or self._values.has_attribute(merchant_id, names)

    def _similar(self, merchant_id: int, name: str, taxonomy: Taxonomy | None) -> list[str]:
        counts = self._values.counts(merchant_id).attributes
        findable: Mapping[str, int] = {**dict.fromkeys(taxonomy.names if taxonomy is not None else (), 0), **counts}
        return similar_attributes(names_for(name)[0], findable)

    def _empty_category(self, merchant_id: int, filters: SearchFilters) -> Iterator[str]:
        if filters.category is None:
            return
        asked = category_keyword(filters.category)
        paths = self._values.counts(merchant_id, SECONDS_OF_DENIALS).categories
        if any(asked in category_keywords(path) for path in paths):
            return
        written: dict[str, str] = {}
        for path in paths:
            for depth, level in enumerate(path):
                written.setdefault(level.casefold(), level)
                top = CATEGORY_SEPARATOR.join(path[: depth + 1])
                written.setdefault(top.casefold(), top)
        similar = [written[one] for one in similar_texts(asked, written)]
        yield f"no product is of the category {filters.category}" + (
            f"; did you mean {_either(similar)}?" if similar else ""
        )

    def _empty_currency(self, merchant_id: int, filters: SearchFilters) -> Iterator[str]:
        if filters.currency is None:
            return
        currencies = sorted(self._values.counts(merchant_id, SECONDS_OF_DENIALS).prices)
        if filters.currency.upper() not in currencies:
            there = f"they are in {' and '.join(currencies)}" if currencies else "no product has a price"
            yield f"no price is in {filters.currency.upper()}: {there}"

    def _empty_fields(self, merchant_id: int, filters: SearchFilters) -> Iterator[str]:
        if not filters.fields:
            return
        there = self._values.fields(merchant_id, SECONDS_OF_DENIALS)
        numbers = Counter(entry.partition("=")[0] for entry in there)
        for name, values in filters.fields:
            entries = entries_for(name, values)
            # Of a name with more values than are read, nobody knows which there are.
            if numbers[field_name(name)] >= MOST_FIELD_VALUES or not there.keys().isdisjoint(entries):
                continue
            similar = similar_attributes(entries[0], there)
            asked = _either(f"{name}={value}" for value in values)
            yield f"no product has the field {asked}" + (f"; did you mean {_either(similar)}?" if similar else "")


def compared_prices(filters: SearchFilters, currencies: Sequence[str]) -> tuple[str, ...]:
    """What to tell of price bounds in words, where those who wrote them may not know of several currencies."""
    if filters.currency is not None or not has_price_bounds(filters) or len(currencies) < 2:
        return ()
    return (f"prices in {' and '.join(currencies)} were compared as mere numbers; name the currency, too",)


def _is_in_vocabulary(name: str) -> bool:
    group, value = split_attribute(name)
    known = fashion_vocabulary().groups.get(group)
    return known is not None and value in known.value_names


def _either(names: Iterable[str]) -> str:
    return " or ".join(names)
