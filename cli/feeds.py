"""``drape feed``: what can be told of a feed before it is ingested."""

from __future__ import annotations

import json
from contextlib import ExitStack
from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

from catalog.errors import FeedUnreadable
from cli.counted import counted
from cli.error_file import Errors, ignore, open_error_file
from cli.failures import FAILED, USAGE
from cli.failures import report as report_failure
from cli.feed_history import history
from cli.feed_schedules import schedules, unschedule
from cli.feed_undo import undo
from cli.feed_words import word_lines, words_as_json
from cli.options import AllowAbsolute, AsJson, Feed, FeedCurrency, FeedDialect

if TYPE_CHECKING:
    from catalog.services.ingesting.feed_check import FeedReport

FAULTS_SHOWN = 20

app = typer.Typer(
    help="Look at a feed before it is ingested, and at what ingests have changed; undo the last.", no_args_is_help=True
)
app.command()(history)
app.command()(undo)
app.command()(schedules)
app.command()(unschedule)


@app.command()
def check(
    feed: Feed,
    dialect: FeedDialect = None,
    currency: FeedCurrency = None,
    allow_absolute: AllowAbsolute = False,
    errors: Errors = None,
    as_json: AsJson = False,
) -> None:
    """Read a feed and its images as `drape ingest` would, without a database and without changing anything.

    The exit code is 1 when any row or image would fail, and 2 when the feed cannot be read.
    """
    from catalog.bootstrap import settings_from_environment
    from catalog.feeds import open_feed, reading_options
    from catalog.services.ingesting.feed_check import check_feed
    from catalog.services.ingesting.source_images import ImageFiles
    from cli.progress import progress

    settings = settings_from_environment()
    options = reading_options(dialect, currency)
    with ExitStack() as stack:
        error_file = None if errors is None else stack.enter_context(open_error_file(errors, feed))
        advance = stack.enter_context(progress("checking feed", unit="B", quiet=as_json))
        on_error = ignore if error_file is None else error_file.write
        try:
            reader = stack.enter_context(open_feed(feed, options))
            files = ImageFiles(
                reader.image_folder,
                allow_absolute=allow_absolute,
                max_pixels=settings.max_image_pixels,
                max_bytes=settings.max_image_bytes,
            )
            found = check_feed(reader, files, read_threads=settings.decode_threads, on_error=on_error, advance=advance)
        except FeedUnreadable as error:
            report_failure(error, as_json=as_json)
            raise typer.Exit(USAGE) from error
    if as_json:
        told = asdict(found)
        del told["words"]
        print(json.dumps({**told, **words_as_json(found.words)}, ensure_ascii=False))
    else:
        _print(found)
        if errors is not None:
            print(f"Every failed row is in {errors}.")
    if not found.is_good:
        raise typer.Exit(FAILED)


def _print(found: FeedReport) -> None:
    from cli.hit_wording import plain_text

    print(f"Read {plain_text(found.feed)} as {found.read_as}.")
    print(f"Columns used: {', '.join(found.used_columns) or 'none'}.")
    for note in found.notes:
        print(f"Note: {note}")
    rows, products = counted(found.num_rows, "row"), counted(found.num_products, "product")
    mended = f", {counted(found.num_mended, 'value')} mended" if found.num_mended else ""
    print(f"{rows}: {products}, {counted(found.num_failed_rows, 'row')} failed{mended}.")
    if found.num_updates == 1:
        print("1 product has no title or no image: it is taken where it is known already.")
    elif found.num_updates:
        print(f"{found.num_updates:,} products have no title or no image: they are taken where they are known already.")
    by_address = found.num_images_by_address
    fetched = f", {by_address:,} by address, which {'was' if by_address == 1 else 'were'} not fetched"
    print(
        f"{counted(found.num_images, 'image')}: {found.num_missing_images:,} missing, "
        f"{found.num_unreadable_images:,} unreadable{fetched if by_address else ''}."
    )
    for line in word_lines(found.words):
        print(line)
    for fault in found.faults[:FAULTS_SHOWN]:
        lines = f"line{'' if fault.num_errors == 1 else 's'} {', '.join(map(str, fault.lines))}"
        more = ", …" if fault.num_errors > len(fault.lines) else ""
        print(f"  {fault.num_errors:>6,}  {fault.column or 'row'}: expected {fault.expected} ({lines}{more})")
        print(f"          found {fault.found}; {fault.outcome}")
    if len(found.faults) > FAULTS_SHOWN:
        print(f"  … and {len(found.faults) - FAULTS_SHOWN} more kinds; --errors FILE writes them all.")
