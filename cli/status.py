"""``drape status``: what is known, indexed, waiting and failed."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from cli.counted import counted
from cli.options import AsJson, OptionalMerchant

if TYPE_CHECKING:
    from catalog.services.capacity_plan import CapacityPlan
    from catalog.services.status import MerchantStatus

QUARANTINED_SHOWN = 10


def status(
    merchant: OptionalMerchant = None,
    images: Annotated[
        int | None,
        typer.Option("--plan", metavar="N", min=1, help="Tell what N images would need of memory and disk instead."),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option("--model", metavar="VERSION", help="With --plan: the model version; default: DRAPE_MODEL."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Tell what each merchant's catalog holds, what is indexed, what waits, and what failed."""
    from catalog.bootstrap import Application, settings_from_environment
    from catalog.errors import InvalidRequest

    settings = settings_from_environment()
    if model is not None and images is None:
        raise InvalidRequest("A model version is planned with", received="--model without --plan", expected="--plan N")
    if merchant is not None and images is not None:
        raise InvalidRequest("A plan is nobody's", received="--plan with --merchant", expected="one of them")
    with Application(settings) as application:
        if images is not None:
            version = model or settings.model
            _print_plan(version, application.status.plan(version, images), as_json=as_json)
            return
        service = application.status
        merchants = service.merchants() if merchant is None else [service.merchant(merchant)]
    if as_json:
        print(json.dumps([asdict(one) for one in merchants], ensure_ascii=False, default=str))
    elif not merchants:
        print("No catalog yet. Start with: drape ingest FEED --merchant NAME, or drape demo")
    else:
        _print(merchants)


def _print(merchants: list[MerchantStatus]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from cli.hit_wording import plain_text

    console = Console(markup=False, highlight=False)
    for one in merchants:
        console.print(Text(one.name, style="bold") + f": {one.num_products:,} products, {one.num_images:,} images")
        backlog = one.backlog
        waiting = "nothing waits to be indexed" if backlog.waiting == 0 else f"{backlog.waiting:,} images wait"
        failing = f", {backlog.failing:,} of them after a failure" if backlog.failing else ""
        age = f", the oldest for {backlog.oldest_seconds:.0f} s" if backlog.oldest_seconds else ""
        console.print(f"  {waiting}{failing}{age}")
        fetches = one.fetches
        if fetches.waiting:
            failing = f", {fetches.failing:,} of them after a failure" if fetches.failing else ""
            console.print(f"  {fetches.waiting:,} images wait to be fetched{failing}")
        if one.failed_fetches:
            told = ", ".join(f"{number:,} {reason}" for reason, number in one.failed_fetches.items())
            console.print(f"  {sum(one.failed_fetches.values()):,} images could not be fetched: {told}")
        if one.num_duplicates:
            console.print(f"  {one.num_duplicates:,} near-duplicate photos are not shown")
        table = Table("gallery", "state", "images", box=None, header_style="bold", padding=(0, 2))
        for gallery in one.galleries:
            table.add_row(gallery.gallery.model_version, gallery.gallery.state.value, f"{gallery.num_indexed:,}")
        console.print(table)
        jobs = Table("job", "of", "state", "started", box=None, header_style="bold", padding=(0, 2))
        for job in one.jobs:
            jobs.add_row(
                f"{job.kind} {job.id}",
                Text(plain_text(job.subject)),
                job.state.value,
                f"{job.started_at:%Y-%m-%d %H:%M}",
            )
        console.print(jobs)
        if one.num_quarantined:
            console.print(f"  {counted(one.num_quarantined, 'image')} cannot be indexed:")
            for image in one.quarantined[:QUARANTINED_SHOWN]:
                console.print(f"    {image.external_id}: {plain_text(image.reason)}")


def _print_plan(version: str, plan: CapacityPlan, *, as_json: bool) -> None:
    totals = {
        "index_memory": plan.index_memory,
        "index_disk": plan.index_disk,
        "database_disk": plan.database_disk,
        "image_store": plan.image_store,
    }
    if as_json:
        body = {
            "model_version": version,
            "images": plan.num_images,
            "bytes_per_image": {
                vector.name: {"stored": vector.stored, "quantized": vector.quantized, "graph": vector.graph}
                for vector in plan.vectors
            },
            "bytes": totals,
        }
        print(json.dumps(body))
        return
    from rich.console import Console
    from rich.table import Table

    console = Console(markup=False, highlight=False)
    console.print(f"{plan.num_images:,} images with {version}, one gallery:")
    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0))
    table.add_column("vector")
    for column in ("components", "originals", "int8 copy", "graph", "in memory", "on disk"):
        table.add_column(column, justify="right")
    for vector in plan.vectors:
        parts = (vector.stored, vector.quantized, vector.graph, vector.memory, vector.disk)
        sizes = [_bytes_text(plan.num_images * part) if part else "–" for part in parts]
        table.add_row(vector.name, f"{vector.size:,}", *sizes)
    console.print(table)
    console.print(f"Qdrant:      {_bytes_text(plan.index_memory)} of memory, {_bytes_text(plan.index_disk)} of disk")
    console.print(f"PostgreSQL:  {_bytes_text(plan.database_disk)} of disk")
    console.print(f"Image store: {_bytes_text(plan.image_store)} at {plan.image_bytes:,} bytes a photo")
    console.print(
        "While models are changed there are two galleries. Snapshots and rewritten segments need as much again."
    )


def _bytes_text(number: int) -> str:
    """In decimal units: ``4.1 GB``."""
    value = float(number)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:,.0f} {unit}" if unit == "B" else f"{value:,.1f} {unit}"
        value /= 1000
    return f"{value:,.1f} TB"
