"""How a long service call tells how far it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

Advance: TypeAlias = Callable[[int, int | None], None]
"""Called with what is done and the total, or None where the total is not known."""


def unheard(done: int, total: int | None) -> None:
    """For callers that do not follow progress."""
