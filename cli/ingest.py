"""``drape ingest``: a feed into rows, and its images into the index."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from cli.counted import counted
from cli.error_file import Errors, ignore, open_error_file
from cli.failures import FAILED, report
from cli.feed_words import word_lines, words_as_json
from cli.indexing import fetch_and_index, require_workers_unless
from cli.options import AllowAbsolute, AsJson, FeedCurrency, FeedDialect, FeedOrAddress, Merchant, Wait

if TYPE_CHECKING:
    from rich.console import Console

    from catalog.services.fetching.fetching_summary import FetchedImages
    from catalog.services.indexing.indexing_follower import FollowedIndexing
    from catalog.services.indexing.indexing_summary import IndexingSummary
    from catalog.services.ingesting.ingest import IngestSummary

    Indexing: TypeAlias = IndexingSummary | FollowedIndexing | None
    """What this process did, what workers did, or None where they are not waited for."""

REASONS_SHOWN = 10


def ingest(
    feed: FeedOrAddress,
    merchant: Merchant,
    dialect: FeedDialect = None,
    currency: FeedCurrency = None,
    allow_absolute: AllowAbsolute = False,
    full_sync: Annotated[
        bool, typer.Option("--full-sync", help="Remove products that the feed does not have.")
    ] = False,
    max_removal: Annotated[
        float,
        typer.Option("--max-removal", min=0, max=1, help="The share of the catalog a full sync may remove."),
    ] = 0.2,
    attributes_as_given: Annotated[
        bool,
        typer.Option("--attributes-as-given", help="Keep the feed's words for attributes, not those that Drape knows."),
    ] = False,
    errors: Errors = None,
    model: Annotated[
        str | None,
        typer.Option("--model", metavar="VERSION", help="Model version of a new merchant's gallery."),
    ] = None,
    schedule: Annotated[
        str | None,
        typer.Option(
            "--schedule",
            metavar="WHEN",
            help="Have workers take the feed, by its address, 'every 6h' or 'daily 03:30' (UTC), instead of now.",
        ),
    ] = None,
    wait: Wait = True,
    as_json: AsJson = False,
) -> None:
    """Take a product feed: write what is new or changed, then fetch, embed and index the images that need it.

    Running it again with the same feed changes nothing, and continues where an interrupted run stopped.
    The exit code is 1 when any row or image failed.
    """
    from catalog.bootstrap import Application, settings_from_environment
    from catalog.services.fetching.fetching_summary import fetched_images
    from catalog.services.ingesting.ingest import IngestRequest
    from catalog.types import is_address
    from cli.feed_schedules import put_schedule
    from cli.progress import progress

    settings = settings_from_environment()
    require_workers_unless(wait, settings)
    request = IngestRequest(
        feed=Path(feed),
        merchant=merchant,
        model=model or settings.model,
        allow_absolute=allow_absolute,
        full_sync=full_sync,
        max_removal=max_removal,
        attributes_as_given=attributes_as_given,
        dialect=dialect,
        currency=currency,
    )
    if schedule is not None:
        put_schedule(settings, feed, request, schedule, as_json=as_json)
        return
    with ExitStack() as stack:
        application = stack.enter_context(Application(settings))
        error_file = None if errors is None else stack.enter_context(open_error_file(errors, Path(feed)))
        since = application.indexing_follower.revision()
        on_error = ignore if error_file is None else error_file.write
        taken: IngestRequest | IngestSummary = request
        if is_address(feed):
            with progress("fetching feed", unit="B", quiet=as_json) as advance:
                taken = stack.enter_context(application.remote_feeds.fetch(feed, request, advance))
        if isinstance(taken, IngestRequest):
            with progress("reading feed", unit="B", quiet=as_json) as advance:
                summary = application.ingest.run(taken, on_error, advance)
        else:
            summary = taken
        indexing: Indexing = None
        if wait:
            indexing = fetch_and_index(application, summary.merchant_id, since, everything=True, quiet=as_json)
        fetched = fetched_images(application.unit_of_work, summary.merchant_id, summary.job_id, since)
        if error_file is not None:
            set_aside = () if indexing is None else indexing.quarantined_images
            for error in application.ingest.set_aside(summary.job_id, set_aside):
                error_file.write(error)
            for error in fetched.errors:
                error_file.write(error)
    if as_json:
        print(json.dumps(_as_json(summary, indexing, fetched), ensure_ascii=False))
    else:
        print_summary(merchant, summary, indexing, fetched, written=errors is not None)
        if model is not None and model not in (summary.model_version, summary.model_version.rpartition(".")[0]):
            print(
                f"Note: The catalog stays with {summary.model_version}; change it with drape reindex --model {model}."
            )
        if errors is not None:
            print(f"Every failed row is in {errors}.")
    if summary.refusal is not None:
        report(summary.refusal, as_json=as_json)
    if failed(summary, indexing, fetched):
        raise typer.Exit(FAILED)


def failed(summary: IngestSummary, indexing: Indexing, fetched: FetchedImages | None = None) -> bool:
    """Whether anything of the feed did not make it."""
    if fetched is not None and (fetched.failed or (fetched.waiting and indexing is not None)):
        return True
    counts = summary.counts
    rejected = counts.get("rows_failed", 0) + counts.get("images_failed", 0)
    return bool(rejected or summary.refusal or (indexing and (indexing.quarantined or indexing.postponed)))


def print_summary(
    merchant: str,
    summary: IngestSummary,
    indexing: Indexing,
    fetched: FetchedImages | None = None,
    *,
    written: bool = False,
) -> None:
    """Tell a person what the ingest did.

    Args:
        written: Whether all that failed is in a file.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from catalog.services.indexing.indexing_follower import FollowedIndexing
    from cli.hit_wording import plain_text

    counts = _with_fetched(summary, fetched)
    table = Table(title=Text(f"Catalog of {merchant}"), title_justify="left", box=None, header_style="bold")
    for column in ("", "new", "changed", "unchanged", "removed", "failed"):
        table.add_column(column, justify="left" if not column else "right")
    for subject, failures in (("products", "rows_failed"), ("images", "images_failed")):
        cells = [counts.get(f"{subject}_{change}", 0) for change in ("new", "changed", "unchanged", "removed")]
        table.add_row(subject, *(f"{cell:,}" for cell in [*cells, counts.get(failures, 0)]))
    console = Console(file=sys.stdout)
    if summary.read_as is not None:
        # However long an address is, it stays on its line, to be copied.
        read = f"Read {plain_text(summary.feed)} as {summary.read_as}."
        console.print(read, markup=False, highlight=False, emoji=False, soft_wrap=True)
    console.print(table)
    if mended := counts.get("values_mended", 0):
        said = "value was mended, and its row" if mended == 1 else "values were mended, and their rows"
        console.print(f"{mended:,} {said} taken (--errors FILE writes each of them):")
        _print_kinds(console, summary.mended)
    for note in summary.notes:
        console.print(f"Note: {note}", markup=False)
    for line in word_lines(summary.words):
        console.print(line, markup=False, highlight=False)
    for line in _fetching_lines(fetched):
        console.print(line)
    for line in indexing_lines(indexing):
        console.print(line)
    reasons = _reasons(summary, indexing, fetched)
    if reasons:
        hint = "" if written else " (--errors FILE writes each with its line)"
        console.print(f"What failed, and how often{hint}:", style="bold", highlight=False)
        _print_kinds(console, reasons)
    if isinstance(indexing, FollowedIndexing) and indexing.postponed:
        console.print(f"{_images_waiting(indexing.postponed)} for another try, which a worker makes.")
    elif indexing is None:
        if fetched is not None and fetched.waiting:
            console.print(f"{_images_waiting(fetched.waiting)} to be fetched, which a worker does.")
    else:
        num_waiting = indexing.postponed + (0 if fetched is None else fetched.waiting)
        if num_waiting:
            console.print(f"{_images_waiting(num_waiting)} for another try: run the command again.")


def _images_waiting(number: int) -> str:
    return f"{counted(number, 'image')} {'waits' if number == 1 else 'wait'}"


def _print_kinds(console: Console, kinds: Mapping[str, int]) -> None:
    ordered = sorted(kinds.items(), key=lambda kind: (-kind[1], kind[0]))
    for kind, number in ordered[:REASONS_SHOWN]:
        console.print(f"  {number:>6,}  {kind}", markup=False, highlight=False)
    if len(ordered) > REASONS_SHOWN:
        console.print(f"  … and {len(ordered) - REASONS_SHOWN} more kinds; --errors FILE writes them all.")


def _with_fetched(summary: IngestSummary, fetched: FetchedImages | None) -> Mapping[str, int]:
    """The counts of the ingest, with those of the images by address as they turned out."""
    counts = Counter(summary.counts)
    if fetched is not None:
        counts["images_new"] += fetched.new
        counts["images_changed"] += fetched.changed
        counts["images_unchanged"] += fetched.unchanged
        counts["images_failed"] += fetched.failed
    return counts


def _reasons(summary: IngestSummary, indexing: Indexing, fetched: FetchedImages | None) -> Mapping[str, int]:
    """What failed, and how often."""
    reasons = Counter(summary.reasons)
    reasons.update({} if fetched is None else fetched.reasons)
    reasons.update({} if indexing is None else indexing.failures)
    return reasons


def _fetching_lines(fetched: FetchedImages | None) -> Iterator[str]:
    if fetched is None:
        return
    num_fetched = fetched.new + fetched.changed + fetched.unchanged
    if num_fetched or fetched.failed:
        yield (
            f"Images by address: {fetched.new:,} new, {fetched.changed:,} changed, "
            f"{fetched.unchanged:,} as they were, {fetched.failed:,} failed."
        )


def indexing_lines(indexing: Indexing) -> Iterator[str]:
    """Tell a person what was indexed."""
    from catalog.services.indexing.indexing_follower import FollowedIndexing

    if indexing is None:
        yield "Workers index what is new."
    elif isinstance(indexing, FollowedIndexing):
        if indexing.num_images:
            rate = _rate(indexing.num_images, indexing.seconds)
            took = f"{counted(indexing.num_images, 'image')} in {indexing.seconds:.1f} s ({rate} images/s)"
            yield f"Workers, or the server that does their work, took {took}."
        else:
            yield "Nothing waits to be indexed: every vector is up to date."
    else:
        if indexing.embedded:
            rate = _rate(indexing.embedded, indexing.seconds)
            yield f"Embedded {counted(indexing.embedded, 'image')} in {indexing.seconds:.1f} s ({rate} images/s)."
        else:
            yield "Embedded no image: every vector is up to date."
        if indexing.duplicates:
            are = "is" if indexing.duplicates == 1 else "are"
            yield f"Marked {counted(indexing.duplicates, 'near-duplicate photo')}, which {are} not shown twice."
        if indexing.refreshed:
            yield f"Refreshed the payload of {counted(indexing.refreshed, 'image')}, with no new embedding."
        if indexing.removed:
            yield f"Took {counted(indexing.removed, 'image')} out of the index."


def _rate(number: int, seconds: float) -> str:
    per_second = number / seconds
    return f"{per_second:,.0f}" if per_second >= 10 else f"{per_second:.1f}"


def indexing_as_json(indexing: Indexing) -> dict[str, object]:
    """The same for a program."""
    from catalog.services.indexing.indexing_follower import FollowedIndexing

    if indexing is None:
        return {"indexed_by_workers": None}
    told: dict[str, object] = {
        "quarantined": indexing.quarantined,
        "postponed": indexing.postponed,
        "indexing_seconds": round(indexing.seconds, 3),
    }
    if isinstance(indexing, FollowedIndexing):
        return {"indexed_by_workers": indexing.num_images, **told}
    return {
        "embedded": indexing.embedded,
        "refreshed": indexing.refreshed,
        "removed_from_index": indexing.removed,
        "duplicates": indexing.duplicates,
        **told,
    }


def _as_json(summary: IngestSummary, indexing: Indexing, fetched: FetchedImages) -> dict[str, object]:
    counts = _with_fetched(summary, fetched)
    subjects = {
        subject: {change: counts.get(f"{subject}_{change}", 0) for change in ("new", "changed", "unchanged", "removed")}
        for subject in ("products", "images")
    }
    return {
        "job": summary.job_id,
        "is_unmodified": summary.is_unmodified,
        "model_version": summary.model_version,
        "feed": summary.feed,
        "read_as": summary.read_as,
        **subjects,
        "rows_failed": counts.get("rows_failed", 0),
        "images_failed": counts.get("images_failed", 0),
        "values_mended": counts.get("values_mended", 0),
        "by_address": {
            "new": fetched.new,
            "changed": fetched.changed,
            "unchanged": fetched.unchanged,
            "failed": fetched.failed,
            "waiting": fetched.waiting,
        },
        **indexing_as_json(indexing),
        "reasons": _reasons(summary, indexing, fetched),
        "mended": dict(summary.mended),
        "notes": list(summary.notes),
        **words_as_json(summary.words),
        "refusal": None if summary.refusal is None else str(summary.refusal),
        "reading_seconds": round(summary.seconds, 3),
    }
