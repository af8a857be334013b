"""Which attributes a photo can show: what networks are trained on and judged by."""

from __future__ import annotations

from collections.abc import Iterable

from embeddings.taxonomy import split_attribute

NOT_SEEN_IN_PHOTOS = frozenset(
    {
        "size",
        "size-type",
        "size-system",
        "brand",
        "condition",
        "product-set",
        "custom-label-0",
        "custom-label-1",
        "custom-label-2",
        "custom-label-3",
        "custom-label-4",
    }
)
"""Groups that products are filtered by and that no network could learn: a dress looks the same in S and in M."""


def seen_in_photos(attributes: Iterable[str]) -> tuple[str, ...]:
    """The attributes of groups that photos show, in their order.

    Args:
        attributes: In normal form.

    >>> seen_in_photos(("brand=acme", "color=red", "size=m"))
    ('color=red',)
    """
    return tuple(name for name in attributes if split_attribute(name)[0] not in NOT_SEEN_IN_PHOTOS)
