"""How many rows a statement changed."""

from __future__ import annotations

from typing import Any

from sqlalchemy import CursorResult, Result


def num_rows(result: Result[Any]) -> int:
    """Rows that an INSERT, UPDATE or DELETE changed, without fetching them."""
    if not isinstance(result, CursorResult):
        raise TypeError(f"expected the result of a statement that changes rows, received {type(result).__name__}")
    return result.rowcount
