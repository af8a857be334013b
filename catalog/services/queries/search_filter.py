"""What searches filter by, in the terms of points. A pure function."""

from __future__ import annotations

from collections.abc import Sequence

from catalog.feeds.own_fields import field_name
from catalog.ports.vector_index import Condition, Filter, Match, Range
from catalog.services.galleries.gallery_layout import category_keyword
from catalog.services.queries.asked_attributes import alternatives, entries_for, names_for
from catalog.services.queries.contradictions import refuse_contradictions
from catalog.types import SearchFilters


def search_filter(merchant_id: int, filters: SearchFilters, not_products: Sequence[int] = ()) -> Filter:
    """The index's filter for a merchant's search.

    Args:
        not_products: Products whose images are left out (the query's own).

    Raises:
        InvalidRequest: filters that contradict each other, no category, or an attribute without a name or value.
    """
    refuse_contradictions(filters)
    low, high = filters.min_price, filters.max_price
    must: list[Condition] = [Match("merchant", (str(merchant_id),))]
    if filters.category is not None:
        must.append(Match("category", (category_keyword(filters.category),)))
    for name in filters.all_of:
        must.extend(Match("attributes", choice) for choice in alternatives(name))
    if filters.any_of:
        must.append(Match("attributes", names_for(*filters.any_of)))
    if low is not None or high is not None:
        must.append(Range("price", None if low is None else float(low), None if high is None else float(high)))
    if filters.currency is not None:
        must.append(Match("currency", (filters.currency.upper(),)))
    if filters.availability:
        must.append(Match("availability", tuple(str(one) for one in filters.availability)))
    # Of one name any value will do, however the name is spelled each time.
    entries_of: dict[str, dict[str, None]] = {}
    for name, values in filters.fields:
        entries_of.setdefault(field_name(name), {}).update(dict.fromkeys(entries_for(name, values)))
    must.extend(Match("fields", tuple(entries)) for entries in entries_of.values())
    must_not: list[Condition] = []
    if filters.none_of:
        must_not.append(Match("attributes", names_for(*filters.none_of)))
    if not_products:
        must_not.append(Match("product", tuple(not_products)))
    return Filter(must=tuple(must), must_not=tuple(must_not))
