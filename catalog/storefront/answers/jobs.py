"""Jobs as the API tells of them."""

from __future__ import annotations

from catalog.api_schemas.jobs import JobAnswered
from catalog.repositories.job_facts import job_facts
from catalog.repositories.jobs import Job


def job_answer(job: Job, images_waiting: int | None = None) -> JobAnswered:
    """A job, and how many of its merchant's images wait, where that was counted."""
    return JobAnswered(**job_facts(job), images_waiting=images_waiting)
