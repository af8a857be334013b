"""How the process is."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from catalog.api_schemas.fields import Answered


class CheckAnswered(Answered):
    """Whether one resource does what it is there for."""

    name: str
    ok: bool
    why: Annotated[str | None, Field(description="What is wrong with it.")] = None


class ReadyAnswered(Answered):
    """Whether searches can be answered."""

    ready: bool
    checks: tuple[CheckAnswered, ...]


class HealthAnswered(Answered):
    """The process answers."""

    status: str = "ok"
