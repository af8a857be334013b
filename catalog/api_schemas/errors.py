"""The one shape of errors."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from catalog.api_schemas.fields import Answered


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
