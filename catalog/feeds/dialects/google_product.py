"""From the rows of one product, each of them a variant, to a product record, or to what is wrong with the rows."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence

from catalog.feeds.dialects.google_fields import GoogleField
from catalog.feeds.dialects.google_variant import GoogleRow, Variant, VariantReader, color_key, group_of, id_of
from catalog.feeds.dialects.variants import best_availability, lowest_price, raw_of_variants
from catalog.feeds.feed_row import ValueFault
from catalog.feeds.own_fields import own_fields
from catalog.feeds.values import MAX_ATTRIBUTES, MAX_ID_LENGTH, MAX_IMAGES
from catalog.types import Availability, FeedImage, Outcome, ProductRecord, RowError

MAX_VARIANTS = 500
MAX_CHARACTERS = 8 * 2**20
"""Of a product's rows together: a feed that gives all its rows one group must not fill the memory."""

_DIGEST_LENGTH = 32
# What stands between a title and the size at its end.
_BEFORE_SIZE = " \t,;:/|-–—(["


def product_key(row: GoogleRow) -> tuple[str, str] | None:
    """What the rows of one product share: item group and colour; None for a row that is a product by itself."""
    group = group_of(row)
    return None if group is None else (group, "+".join(color_key(row)))


def external_id_of(group: str, color: str) -> str:
    """The id of the product of a group and a colour, whichever of its variants the feed has.

    It always has a slash, with the colour after the last one: a group ``AB12`` without colours must not be taken for
    the row ``AB12`` that many shops list beside its variants, which have it as their group.

    Args:
        color: Colours with ``+`` between them, without slashes.

    >>> external_id_of("AB12", "navy blue"), external_id_of("AB12", "red+white"), external_id_of("AB12", "")
    ('AB12/navy blue', 'AB12/red+white', 'AB12/')
    """
    external_id = f"{group}/{color}"
    if len(external_id) > MAX_ID_LENGTH:
        digest = hashlib.sha256(external_id.encode()).hexdigest()[:_DIGEST_LENGTH]
        external_id = f"{external_id[: MAX_ID_LENGTH - _DIGEST_LENGTH - 1].rstrip()}~{digest}"
    return external_id


def product_of_rows(rows: Iterable[GoogleRow], reader: VariantReader) -> Iterator[ProductRecord | RowError]:
    """The errors of all rows in their order, then the product, if any of them can be taken."""
    variants: list[Variant] = []
    lines: dict[str, int] = {}
    num_characters = 0
    external_id: str | None = None
    item_group: str | None = None
    first_line = 0
    for row in rows:
        if not first_line:
            first_line = row.row.line
            key = product_key(row)
            item_group = None if key is None else key[0]
            external_id = id_of(row) if key is None else external_id_of(*key)
        variant, taken = reader.read(row, external_id, first_line)
        if variant is not None:
            num_characters += sum(len(str(value)) for value in row.row.raw.values())
            if len(variants) == MAX_VARIANTS or (variants and num_characters > MAX_CHARACTERS):
                taken.add(GoogleField.ITEM_GROUP_ID, _too_many(num_characters))
            elif variant.row_id in lines:
                found = f"{variant.row_id}, as on line {lines[variant.row_id]}"
                taken.add(GoogleField.ID, ValueFault(found, "an id that no earlier row has"))
            else:
                lines[variant.row_id] = variant.line
                variants.append(variant)
        yield from taken.errors
    if variants and external_id is not None:
        yield from _merge(variants, external_id, item_group, first_line)


def _merge(
    variants: Sequence[Variant], external_id: str, item_group: str | None, first_line: int
) -> Iterator[ProductRecord | RowError]:
    first = variants[0]
    to_be_had = [variant for variant in variants if variant.availability is not Availability.OUT_OF_STOCK] or variants
    attributes = {name for variant in variants for name in variant.attributes}
    attributes.update(size for variant in to_be_had for size in variant.sizes)
    prices = [variant.price for variant in to_be_had if variant.price is not None]
    sources = list(
        dict.fromkeys(
            [
                *(source for variant in variants for source in variant.sources[:1]),
                *(source for variant in variants for source in variant.sources),
            ]
        )
    )
    for fault, outcome in _excesses(attributes, sources):
        yield RowError(
            first.line, None, fault.found, fault.expected, external_id, outcome=outcome, first_line=first_line
        )
    yield ProductRecord(
        line=first_line,
        external_id=external_id,
        title=_title_of(variants),
        description=next((variant.description for variant in variants if variant.description), ""),
        category=next((variant.category for variant in variants if variant.category), ()),
        attributes=tuple(sorted(attributes)[:MAX_ATTRIBUTES]),
        price=lowest_price(prices or [variant.price for variant in variants if variant.price is not None]),
        availability=best_availability(variant.availability for variant in variants),
        link=next((variant.link for variant in variants if variant.link), None),
        item_group=item_group,
        images=tuple(FeedImage(source, position) for position, source in enumerate(sources[:MAX_IMAGES])),
        raw=raw_of_variants([variant.raw for variant in variants]),
        fields=own_fields(label for variant in variants for label in variant.labels),
    )


def _title_of(variants: Sequence[Variant]) -> str:
    """The first title; without the size at its end where all titles are one but for that."""
    titles = {_without_size(variant) for variant in variants}
    if len({variant.title for variant in variants}) > 1 and len(titles) == 1:
        (title,) = titles
        return title or variants[0].title
    return variants[0].title


def _without_size(variant: Variant) -> str:
    title, size = variant.title.rstrip(" )]"), variant.size
    if not size or not title.casefold().endswith(size.casefold()):
        return variant.title
    rest = title[: len(title) - len(size)]
    shorter = re.sub(r"\b(?:size|gr(?:\.|öße)|taille|talla)\s*\Z", "", rest.rstrip(_BEFORE_SIZE), flags=re.IGNORECASE)
    # "Dress S", but not "Dress": the size is a word of its own.
    return shorter.rstrip(_BEFORE_SIZE) if rest[-1:] in _BEFORE_SIZE else variant.title


def _excesses(attributes: set[str], sources: Sequence[str]) -> Iterator[tuple[ValueFault, Outcome]]:
    if len(sources) > MAX_IMAGES:
        yield (
            ValueFault(f"{len(sources)} images of the variants together", f"at most {MAX_IMAGES} images of a product"),
            Outcome.IMAGE_LEFT_OUT,
        )
    if len(attributes) > MAX_ATTRIBUTES:
        yield (
            ValueFault(
                f"{len(attributes)} attributes of the variants together",
                f"at most {MAX_ATTRIBUTES} attributes of a product",
            ),
            Outcome.MENDED,
        )


def _too_many(num_characters: int) -> ValueFault:
    if num_characters > MAX_CHARACTERS:
        found = f"rows of one group and colour with more than {MAX_CHARACTERS:,} characters"
    else:
        found = f"more than {MAX_VARIANTS} rows of one group and colour"
    return ValueFault(found, f"variants of one product, at most {MAX_VARIANTS} rows")
