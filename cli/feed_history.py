"""``drape feed history``: what ingests have changed, run by run and product by product."""

from __future__ import annotations

import json
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.options import AsJson, Merchant

if TYPE_CHECKING:
    from catalog.repositories.changes import ProductChange
    from catalog.services.ingesting.feed_history import FeedRun

MAX_VALUE_LENGTH = 60
_COUNTS = {
    "new": "products_new",
    "changed": "products_changed",
    "unchanged": "products_unchanged",
    "removed": "products_removed",
    "failed": "rows_failed",
}
_STATES = {"yes": "undone", "partly": "half undone"}


def history(
    merchant: Merchant,
    job: Annotated[
        int | None,
        typer.Option("--job", metavar="N", min=1, help="What this run changed of each product, instead of all runs."),
    ] = None,
    limit: Annotated[
        int, typer.Option("--limit", "-n", min=1, max=1000, help="How many runs, or products of a run.")
    ] = 20,
    as_json: AsJson = False,
) -> None:
    """List what ingests have changed, newest first, or what one of them changed of each product.

    Single products that were removed over HTTP are one run a day. What changed is kept of the last ten runs. With
    --json, a run is written whole, whatever its length.
    """
    from catalog.bootstrap import Application, settings_from_environment

    with Application(settings_from_environment()) as application:
        service = application.feed_history
        if job is None:
            runs = service.runs(merchant, limit)
            _write_runs(runs) if as_json else _print_runs(runs)
            return
        run = service.run(merchant, job)
        changes = service.changes(job)
        if as_json:
            # One document, written as it is read: a run may have changed millions of products.
            print(json.dumps(_run_as_json(run), ensure_ascii=False)[:-1] + ', "products": [', end="")
            for number, change in enumerate(changes):
                print(", " if number else "", json.dumps(_change_as_json(change), ensure_ascii=False), sep="", end="")
            print("]}")
        else:
            _print_run(run)
            for change in islice(changes, limit):
                _print_change(change)
            if run.num_changes > limit:
                print(f"… and {run.num_changes - limit:,} more products; --limit N or --json shows them.")


def _write_runs(runs: list[FeedRun]) -> None:
    print(json.dumps([_run_as_json(run) for run in runs], ensure_ascii=False))


def _run_as_json(run: FeedRun) -> dict[str, Any]:
    job = run.job
    return {
        "job": job.id,
        "kind": job.kind,
        "feed": job.subject,
        "started_at": job.started_at.isoformat(),
        "finished_at": None if job.finished_at is None else job.finished_at.isoformat(),
        "state": job.state,
        "error": job.error,
        **{name: job.counts.get(count, 0) for name, count in _COUNTS.items()},
        "undone": run.undone,
        "num_changes": run.num_changes,
    }


def _change_as_json(change: ProductChange) -> dict[str, Any]:
    from catalog.services.ingesting.feed_history import field_changes
    from catalog.types import Price
    from cli.hit_wording import price_as_json

    def as_json(value: Any) -> Any:  # noqa: ANN401 - a field's value, of whichever type.
        return price_as_json(value) if isinstance(value, Price) else value

    return {
        "id": change.external_id,
        "title": change.title,
        "change": change.kind,
        "fields": [
            {"field": field.field, "old": as_json(field.old), "new": as_json(field.new)}
            for field in field_changes(change)
        ],
        "undoing": change.undoing,
    }


def _print_runs(runs: list[FeedRun]) -> None:
    from rich.table import Table
    from rich.text import Text

    from cli.consoles import table_console
    from cli.hit_wording import plain_text

    if not runs:
        print("No feed has been ingested yet.")
        return
    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0))
    for column in ("job", "when", *_COUNTS, "state"):
        table.add_column(column, justify="right" if column in _COUNTS else "left", no_wrap=True)
    table.add_column("feed", overflow="fold")
    for run in runs:
        table.add_row(
            str(run.job.id),
            f"{run.job.started_at.astimezone():%m-%d %H:%M}",
            *(f"{run.job.counts.get(count, 0):,}" for count in _COUNTS.values()),
            _STATES.get(run.undone, run.job.state.value),
            Text(plain_text(run.job.subject)),
        )
    table_console().print(table)


def _print_run(run: FeedRun) -> None:
    from cli.hit_wording import plain_text

    job = run.job
    counts = ", ".join(f"{job.counts.get(count, 0):,} {name}" for name, count in _COUNTS.items())
    undone = {"no": "", "partly": "; undone in part", "yes": "; undone"}[run.undone]
    began = f"{job.started_at.astimezone():%Y-%m-%d %H:%M}"
    print(f"{job.kind.capitalize()} {job.id} of {plain_text(job.subject)}, {began}: {job.state}.")
    print(f"Products: {counts}{undone}.")
    changed = sum(job.counts.get(f"products_{change}", 0) for change in ("new", "changed", "removed"))
    if changed and not run.num_changes:
        print("What it changed is no longer kept.")


def _print_change(change: ProductChange) -> None:
    from catalog.services.ingesting.feed_history import field_changes
    from cli.hit_wording import plain_text

    fields = field_changes(change)
    wording = ": no field, only how the feed words it" if change.kind == "changed" and not fields else ""
    print(f"{change.kind:<8} {plain_text(change.external_id)}  {_short(plain_text(change.title))}{wording}")
    for field in fields:
        if field.field == "images":
            print(f"           images: {_images_text(field.old, field.new)}")
        else:
            print(f"           {plain_text(field.field)}: {_value_text(field.old)} → {_value_text(field.new)}")


def _images_text(old: list[dict[str, Any]], new: list[dict[str, Any]]) -> str:
    """``+new.jpg, −gone.jpg, ~other.jpg``: what came, went, and changed in place, content or crop."""
    from cli.hit_wording import plain_text

    before = {image["source"]: image for image in old}
    after = {image["source"]: image for image in new}
    signs = [
        *(f"+{source}" for source in after if source not in before),
        *(f"−{source}" for source in before if source not in after),
        *(f"~{source}" for source in after if source in before and before[source] != after[source]),
    ]
    return _short(plain_text(", ".join(signs)))


def _value_text(value: object) -> str:
    from catalog.types import Price
    from cli.hit_wording import plain_text, price_text

    if value is None or value == "" or value == []:
        return "nothing"
    if isinstance(value, Price):
        return plain_text(price_text(value))
    return _short(plain_text(", ".join(map(str, value)) if isinstance(value, list) else str(value)))


def _short(text: str) -> str:
    return text if len(text) <= MAX_VALUE_LENGTH else text[: MAX_VALUE_LENGTH - 1] + "…"
