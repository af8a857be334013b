"""What a model version's provenance says of the catalog that it was trained on."""

from __future__ import annotations


def catalog_in_words(merchant: str, category: str | None) -> str:
    """How the provenance of versions that are trained on a catalog begins."""
    return f"catalog of {merchant}" + ("" if category is None else f", category {category}")


def is_of_catalog(data: str, merchant: str) -> bool:
    """Whether a provenance's data, which begin with ``catalog_in_words``, are of this merchant's catalog.

    >>> is_of_catalog("catalog of atelier: 90 of 100 images", "atelier")
    True
    >>> is_of_catalog("catalog of atelier-2: 90 of 100 images", "atelier")
    False
    """
    words = catalog_in_words(merchant, None)
    return data.startswith((f"{words}:", f"{words},"))
