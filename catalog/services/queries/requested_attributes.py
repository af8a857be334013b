"""What of the attributes that are asked for ranks, and what filters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from catalog.attributes.normalizer import fashion_normalizer
from catalog.errors import InvalidRequest
from catalog.services.galleries.gallery_layout import CATEGORY_SEPARATOR, category_keyword
from catalog.services.queries.asked_attributes import normal_form
from catalog.services.queries.attribute_queries import in_taxonomy
from catalog.services.queries.contradictions import refuse_contradictions
from catalog.types import AttributeChanges, SearchFilters, UnderstoodWords
from embeddings.taxonomy import Taxonomy


def with_words(filters: SearchFilters, understood: UnderstoodWords, all_of: Sequence[str]) -> SearchFilters:
    """The filters and what words ask for; both must hold.

    Args:
        all_of: Those of the understood attributes that shall filter.

    Raises:
        InvalidRequest: two categories or two currencies, both of which no item could satisfy.
    """
    return replace(
        filters,
        category=_category(filters.category, understood.category),
        all_of=(*filters.all_of, *all_of),
        none_of=(*filters.none_of, *understood.none_of),
        min_price=max((one for one in (filters.min_price, understood.min_price) if one is not None), default=None),
        max_price=min((one for one in (filters.max_price, understood.max_price) if one is not None), default=None),
        currency=_currency(filters.currency, understood.currency),
    )


def with_words_to_change(
    filters: SearchFilters, changes: AttributeChanges, understood: UnderstoodWords
) -> tuple[SearchFilters, AttributeChanges]:
    """The same for words beside a photo or product: attributes change it, and the category and prices filter.

    Raises:
        InvalidRequest: two categories or two currencies.
    """
    filters = with_words(filters, replace(understood, none_of=()), ())
    return filters, AttributeChanges((*changes.wanted, *understood.all_of), (*changes.unwanted, *understood.none_of))


def split_changes(
    filters: SearchFilters, changes: AttributeChanges, taxonomy: Taxonomy
) -> tuple[SearchFilters, AttributeChanges]:
    """The changes that vectors can show, in the taxonomy's names, and the filters for the rest.

    An item that is known to have what is unwanted is filtered out, too. What is wanted is not made a filter where the
    model sees it, so that items whose feed does not say it can be found.

    Raises:
        InvalidRequest: a change is no attribute, is both wanted and unwanted, or contradicts the filters.
    """
    wanted = [_in_words_of(taxonomy, name) for name in changes.wanted]
    unwanted = [_in_words_of(taxonomy, name) for name in changes.unwanted]
    both = sorted(set(wanted) & set(unwanted))
    if both:
        raise InvalidRequest(
            "An attribute cannot be wanted and unwanted",
            received=both[0],
            expected="an attribute on one of the two sides",
            remedy="leave it out on the other",
        )
    refuse_contradictions(filters, AttributeChanges(tuple(wanted), tuple(unwanted)))
    seen, only_told = in_taxonomy(dict.fromkeys(wanted), taxonomy)
    seen_unwanted, _ = in_taxonomy(dict.fromkeys(unwanted), taxonomy)
    filters = replace(
        filters, all_of=(*filters.all_of, *only_told), none_of=(*filters.none_of, *dict.fromkeys(unwanted))
    )
    return filters, AttributeChanges(seen, seen_unwanted)


def _in_words_of(taxonomy: Taxonomy, name: str) -> str:
    """The attribute as the taxonomy has it, or else as the vocabulary has it where that knows one name for it."""
    asked = normal_form(name)
    if asked in taxonomy.names:
        return asked
    meant = fashion_normalizer().names_of(asked)
    return meant[0] if len(meant) == 1 else asked


def _category(one: str | None, other: str | None) -> str | None:
    """The narrower of two categories, of which one is a part of the other's path."""
    if one is None or other is None:
        return other if one is None else one
    levels, others = (category_keyword(name).split(CATEGORY_SEPARATOR) for name in (one, other))
    if set(others) <= set(levels):
        return one
    if set(levels) <= set(others):
        return other
    raise InvalidRequest(
        "A search has one category",
        received=f"{one} as a filter, {other} in words",
        expected="the same, or a level of it",
        remedy="leave one of the two out",
    )


def _currency(one: str | None, other: str | None) -> str | None:
    if one is not None and other is not None and one.upper() != other.upper():
        raise InvalidRequest(
            "A search has prices in one currency",
            received=f"{one} as a filter, {other} in words",
            expected="the same currency",
            remedy="leave one of the two out",
        )
    return other if one is None else one
