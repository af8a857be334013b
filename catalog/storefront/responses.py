"""Answers that several endpoints have, as the API's description lists them."""

from __future__ import annotations

from typing import Any, Final

from catalog.api_schemas.errors import ErrorAnswer

ERRORS: Final[dict[int | str, dict[str, Any]]] = {
    status: {"model": ErrorAnswer, "description": description}
    for status, description in (
        ("401", "No key, or one that does not count."),
        ("403", "The key is not for this, or not for this site."),
        ("404", "The key's merchant has no such thing."),
        ("422", "Something that was sent cannot be used."),
        ("429", "The key has been used too often; Retry-After tells when to ask again."),
        ("4XX", "Something that was sent cannot be used."),
        ("5XX", "Something is away for the moment, or failed."),
    )
}
"""Every error has the same shape."""
