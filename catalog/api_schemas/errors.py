"""The one shape of errors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Final

from pydantic import Field

from catalog.api_schemas.fields import Answered

_LONGEST_RECEIVED: Final = 200


class ErrorFacts(Answered):
    """What went wrong, what was received, what would have been right, and what to do."""

    code: Annotated[str, Field(description="For programs; does not change.", examples=["product_not_found"])]
    message: Annotated[str, Field(description="For people.")]
    received: str | None = None
    expected: str | None = None
    remedy: str | None = None
    id: Annotated[str | None, Field(description="By which an operator finds it in the log.")] = None


class ErrorAnswer(Answered):
    """Every answer with a status of 400 or more."""

    error: ErrorFacts


def validation_facts(errors: Sequence[Any]) -> ErrorFacts:
    """The first of pydantic's errors, in words."""
    first = errors[0]
    place = [str(part) for part in first["loc"] if part not in ("body", "query", "path")]
    where = ".".join(place) or "the request"
    others = f", and {len(errors) - 1} more" if len(errors) > 1 else ""
    is_missing = first["type"] == "missing"
    is_unknown = first["type"] == "extra_forbidden"
    said = str(first["msg"]).removeprefix("Value error, ").removeprefix("Input should be ")
    return ErrorFacts(
        code="invalid_request",
        message=f"{where} cannot be used{others}",
        received="nothing" if is_missing else shortened(repr(first.get("input"))),
        expected="no field of this name" if is_unknown else said,
        remedy="/openapi.json describes every field",
    )


def shortened(text: str | None) -> str | None:
    """What was received, as far as anybody wants to read it."""
    if text is None or len(text) <= _LONGEST_RECEIVED:
        return text
    return f"{text[:_LONGEST_RECEIVED]}… ({len(text)} characters)"
