"""``drape feed undo``: the last ingest, or removals, taken back."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from catalog.errors import InvalidRequest
from cli.failures import FAILED
from cli.options import AsJson, Merchant, Wait

if TYPE_CHECKING:
    from catalog.repositories.jobs import Job
    from catalog.services.ingesting.feed_undo import UndoSummary

KEPT_SHOWN = 10


def undo(
    merchant: Merchant,
    job: Annotated[
        int | None,
        typer.Option("--job", metavar="N", min=1, help="The run: the last ingest, or removals of single products."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask first.")] = False,
    wait: Wait = True,
    as_json: AsJson = False,
) -> None:
    """Undo the last ingest that changed anything, also one that was stopped half-way.

    New products go, changed ones become what they were, removed ones return with their images. Running it again
    continues where an interrupted run stopped. The exit code is 1 when any product could not be undone.

    Products that were removed one by one return with --job N, whatever was ingested since.
    """
    undo_run(merchant, job, yes=yes, wait=wait, as_json=as_json)


def undo_run(merchant: str, job_id: int | None, *, yes: bool, wait: bool, as_json: bool) -> None:
    """Undo the merchant's last ingest, or removals.

    Args:
        job_id: Which ingest that should be, or which removals; None takes the ingest that it is.
    """
    from catalog.bootstrap import Application, settings_from_environment
    from cli.indexing import fetch_and_index, require_workers_unless
    from cli.ingest import indexing_as_json, indexing_lines
    from cli.progress import progress

    settings = settings_from_environment()
    require_workers_unless(wait, settings)
    with Application(settings) as application:
        run = application.feed_undo.run_to_undo(merchant, job_id)
        if not yes:
            _ask(merchant, run)
        if not application.is_indexed_elsewhere:
            # Whoever else owns the index is met before anything is changed.
            application.index.list_collections()
        since = application.indexing_follower.revision()
        with progress("undoing", unit="products", quiet=as_json) as advance:
            summary = application.feed_undo.run(merchant, advance, job_id=run.id)
        indexing = None
        if wait:
            indexing = fetch_and_index(application, summary.merchant_id, since, everything=True, quiet=as_json)
    if as_json:
        print(json.dumps({**asdict(summary), **indexing_as_json(indexing)}, ensure_ascii=False))
    else:
        _print(merchant, run, summary)
        for line in indexing_lines(indexing):
            print(line)
    if summary.num_kept or (indexing is not None and (indexing.quarantined or indexing.postponed)):
        raise typer.Exit(FAILED)


def _ask(merchant: str, run: Job) -> None:
    from cli.hit_wording import plain_text

    changes = ", ".join(f"{run.counts.get(f'products_{what}', 0):,} {what}" for what in ("new", "changed", "removed"))
    asked = (
        f"Undo {run.kind} {run.id} of {plain_text(run.subject)}, catalog of {plain_text(merchant)}, "
        f"{run.started_at.astimezone():%Y-%m-%d %H:%M} ({changes})?"
    )
    if not sys.stdin.isatty():
        raise InvalidRequest("Nobody is there to be asked", received=asked, expected="--yes")
    typer.confirm(asked, abort=True, err=True)


def _print(merchant: str, run: Job, summary: UndoSummary) -> None:
    from cli.hit_wording import plain_text

    print(
        f"Undid {run.kind} {run.id} of {plain_text(merchant)}. Products: {summary.removed:,} removed, "
        f"{summary.put_back:,} put back, {summary.restored:,} restored."
    )
    if summary.num_kept:
        shown = ", ".join(plain_text(external_id) for external_id in summary.kept[:KEPT_SHOWN])
        more = ", …" if summary.num_kept > KEPT_SHOWN else ""
        print(f"{summary.num_kept:,} products are no longer as it had left them and stay as they are: {shown}{more}.")
