"""``drape jobs``: what runs, ran and failed, followed, cancelled and run again."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from cli.failures import FAILED
from cli.options import AsJson, OptionalMerchant

if TYPE_CHECKING:
    from catalog.repositories.jobs import Job

app = typer.Typer(help="List what takes long, follow it, cancel it, or run it again.")

JobNumber = Annotated[int, typer.Argument(metavar="JOB", min=1, help="The job's number, as `drape jobs` lists it.")]


@app.callback(invoke_without_command=True)
def jobs(
    context: typer.Context,
    merchant: Annotated[
        str | None, typer.Option("--merchant", "-m", metavar="NAME", help="Whose jobs; default: everybody's.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=1000, help="How many, the latest first.")] = 20,
    as_json: AsJson = False,
) -> None:
    """List the latest jobs: what each does, how far it is, how it ended."""
    if context.invoked_subcommand is not None:
        return
    from catalog.bootstrap import Application, settings_from_environment

    with Application(settings_from_environment()) as application:
        latest = application.jobs.latest(merchant, limit)
    if as_json:
        print(json.dumps([_as_json(job) for job in latest], ensure_ascii=False))
        return
    if not latest:
        print("No jobs yet. drape ingest and drape reindex are jobs.")
        return
    from rich.table import Table
    from rich.text import Text

    from cli.consoles import table_console
    from cli.hit_wording import plain_text

    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0))
    for column in ("job", "what", "merchant", "of", "state", "progress", "started", "took"):
        table.add_column(column, overflow="fold")
    for job in latest:
        table.add_row(
            str(job.id),
            job.kind,
            Text(plain_text(job.merchant)),
            Text(plain_text(job.subject)),
            _state_text(job),
            _progress_text(job),
            f"{job.started_at.astimezone():%Y-%m-%d %H:%M}",
            _duration_text(job),
        )
    console = table_console()
    console.print(table)
    for job in latest:
        if job.error:
            console.print(f"{job.id}: {plain_text(job.error)}")


@app.command()
def follow(job: JobNumber, as_json: AsJson = False) -> None:
    """Show how far a job is until it has ended. The exit code is 1 unless it is done."""
    from catalog.bootstrap import Application, settings_from_environment
    from catalog.types import JobState
    from cli.progress import progress

    with Application(settings_from_environment()) as application:
        first = application.jobs.get(job)
        with progress(f"{first.kind} {job}", unit=first.unit or "images", quiet=as_json) as advance:
            ended = application.jobs.follow(job, advance)
    if as_json:
        print(json.dumps(_as_json(ended), ensure_ascii=False))
    else:
        print(f"{ended.kind} {ended.id} of {ended.merchant}: {_state_text(ended)} after {_duration_text(ended)}.")
        if ended.error:
            print(ended.error)
    if ended.state is not JobState.DONE:
        raise typer.Exit(FAILED)


@app.command()
def cancel(job: JobNumber, as_json: AsJson = False) -> None:
    """Ask a running job to end. It finishes what it holds, and what it has done stays."""
    from catalog.bootstrap import Application, settings_from_environment

    with Application(settings_from_environment()) as application:
        asked = application.jobs.cancel(job)
    if as_json:
        print(json.dumps({"job": asked.id, "kind": asked.kind, "merchant": asked.merchant, "cancelling": True}))
    else:
        print(f"{asked.kind} {asked.id} of {asked.merchant} ends after what it holds. drape jobs follow {asked.id}")


@app.command()
def retry(
    job: Annotated[
        int | None,
        typer.Argument(metavar="JOB", min=1, show_default=False, help="Run this job again, as it was asked for."),
    ] = None,
    quarantined: Annotated[
        bool, typer.Option("--quarantined", help="Try the images again that were set aside; of --merchant.")
    ] = False,
    merchant: OptionalMerchant = None,
    as_json: AsJson = False,
) -> None:
    """Run a job again that failed, was cancelled or interrupted; or try the images again that were set aside."""
    from catalog.errors import InvalidRequest

    if quarantined == (job is not None):
        raise InvalidRequest(
            "It takes one thing to try again",
            received="a job and --quarantined" if quarantined else "neither a job nor --quarantined",
            expected="drape jobs retry JOB, or drape jobs retry --quarantined",
        )
    if job is None:
        _retry_quarantined(merchant, as_json=as_json)
    else:
        _retry(job, as_json=as_json)


def _retry_quarantined(merchant: str | None, *, as_json: bool) -> None:
    from catalog.bootstrap import Application, settings_from_environment
    from catalog.rows import FETCH_FAILURES
    from cli.indexing import fetch_and_index
    from cli.search import only_merchant

    with Application(settings_from_environment()) as application:
        name = merchant or only_merchant(application)
        with application.unit_of_work() as work:
            merchant_id = work.merchants.id_of(name)
        since = application.indexing_follower.revision()
        number = application.jobs.retry_quarantined(merchant_id)
        quarantined = fetch_and_index(application, merchant_id, since, everything=False, quiet=as_json).quarantined
        with application.unit_of_work() as work:
            outcomes = work.fetches.outcomes(merchant_id, since)
        quarantined += sum(outcomes[outcome] for outcome in FETCH_FAILURES)
    if as_json:
        print(json.dumps({"merchant": name, "tried": number, "quarantined": quarantined}, ensure_ascii=False))
    else:
        print(f"Tried {number:,} images again; {quarantined:,} of what was indexed cannot be indexed.")
    if quarantined:
        raise typer.Exit(FAILED)


def _retry(job_id: int, *, as_json: bool) -> None:
    from catalog.bootstrap import Application, settings_from_environment
    from catalog.errors import InvalidRequest
    from catalog.repositories.jobs import JobKind
    from catalog.types import DialectName, JobState
    from cli.feed_undo import undo_run
    from cli.ingest import ingest
    from cli.reindex import reindex

    with Application(settings_from_environment()) as application:
        job = application.jobs.get(job_id)
    if job.state in {JobState.WAITING, JobState.RUNNING, JobState.DONE} or job.request is None:
        raise InvalidRequest(
            "This job cannot be run again",
            received=f"job {job.id}, which is {job.state}"
            + ("" if job.request is not None else ", of a version of Drape that did not note what was asked for"),
            expected="a job that failed, was cancelled or interrupted",
        )
    asked = dict(job.request)
    if asked.get("upload"):
        raise InvalidRequest(
            "An uploaded feed is kept only until it has been taken",
            received=f"job {job.id}, of {asked['feed']}",
            expected="a job whose feed can be read again",
            remedy="upload the feed again, or ingest the file: drape ingest FEED",
        )
    if job.kind == JobKind.INGEST:
        ingest(
            feed=asked["feed"],
            merchant=job.merchant,
            allow_absolute=asked["allow_absolute"],
            full_sync=asked["full_sync"],
            max_removal=asked["max_removal"],
            attributes_as_given=asked.get("attributes_as_given", False),
            errors=None,
            model=asked["model"],
            dialect=DialectName(asked["dialect"]) if asked.get("dialect") else None,
            currency=asked.get("currency"),
            wait=True,
            as_json=as_json,
        )
    elif job.kind == JobKind.UNDO:
        undo_run(job.merchant, asked["job"], yes=True, wait=True, as_json=as_json)
    else:
        reindex(
            model=asked.get("model"),
            rollback=job.kind == JobKind.ROLLBACK,
            min_recall=asked.get("min_recall"),
            min_precision=asked.get("min_precision"),
            max_rate=asked["max_rate"],
            merchant=job.merchant,
            as_json=as_json,
        )


def _as_json(job: Job) -> dict[str, object]:
    facts = asdict(job)
    for name in ("started_at", "updated_at", "finished_at"):
        facts[name] = None if facts[name] is None else facts[name].isoformat()
    return facts


def _state_text(job: Job) -> str:
    return f"{job.state}, to be cancelled" if job.is_cancelled and job.finished_at is None else job.state.value


def _progress_text(job: Job) -> str:
    from cli.progress import progress_text

    if job.done is None:
        return ""
    seconds = (job.updated_at - job.started_at).total_seconds()
    rate = job.done / seconds if seconds > 0 and job.finished_at is None else None
    return progress_text(job.done, job.total, job.unit or "", rate)


def _duration_text(job: Job) -> str:
    from cli.progress import duration_text

    return duration_text(((job.finished_at or job.updated_at) - job.started_at).total_seconds())
