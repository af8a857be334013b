"""Jobs: what takes long, how far it is, and how it ended."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from catalog.api_schemas.fields import Answered
from catalog.types import JobState


class ProgressAnswered(Answered):
    """How far a job is, where it has said so."""

    done: int | None
    total: int | None
    unit: Annotated[str | None, Field(description="`B` for bytes of the feed, or `images`.")]


class RowErrorAnswered(Answered):
    """A row, or an image of a row, that was not taken, or not as it stood."""

    line: Annotated[int, Field(description="On which the row starts, from 1.")]
    column: str | None
    product: Annotated[str | None, Field(description="The product's id, where it could be read.")]
    received: str
    expected: str
    outcome: Annotated[str, Field(description="What became of the row.")]


class JobAnswered(Answered):
    """A job as it is now."""

    id: Annotated[int, Field(examples=[12])]
    kind: Annotated[str, Field(examples=["ingest"])]
    feed: Annotated[str | None, Field(description="The feed's name or address, of jobs that take one.")]
    state: Annotated[JobState, Field(description="The last four are final.")]
    counts: Annotated[
        Mapping[str, int],
        Field(
            description="What it did so far.",
            examples=[{"products_new": 2, "products_unchanged": 40, "images_new": 2, "rows_failed": 1}],
        ),
    ]
    progress: ProgressAnswered
    is_cancelling: Annotated[bool, Field(description="It was asked to end, and finishes what it holds.")]
    error: Annotated[str | None, Field(description="Why it failed, if it did.")]
    errors: Annotated[
        tuple[RowErrorAnswered, ...],
        Field(description="Of a feed: the first 100 rows and images that were not taken, once it has ended."),
    ]
    started_at: Annotated[datetime.datetime, Field(description="Of a job that waits: when it was handed over.")]
    updated_at: datetime.datetime
    finished_at: datetime.datetime | None
    images_waiting: Annotated[
        int | None,
        Field(
            description="How many of the catalog's images wait to be fetched or indexed; not told in lists. What an "
            "ended job has taken is searchable once there are none. Webhooks tell it as of the job's end.",
            examples=[2],
        ),
    ] = None


class JobsAnswered(Answered):
    """Some jobs, newest first."""

    jobs: tuple[JobAnswered, ...]
    before: Annotated[int | None, Field(description="To ask for the next ones with; null where there are none.")]
