"""``drape status``: what is known, indexed, waiting and failed."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from cli.options import AsJson, OptionalMerchant

if TYPE_CHECKING:
    from catalog.services.status import MerchantStatus

QUARANTINED_SHOWN = 10


def status(merchant: OptionalMerchant = None, as_json: AsJson = False) -> None:
    """Tell what each merchant's catalog holds, what is indexed, what waits, and what failed."""
    from catalog.bootstrap import Application, settings_from_environment

    with Application(settings_from_environment()) as application:
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
            console.print(f"  {one.num_quarantined:,} images cannot be indexed:")
            for image in one.quarantined[:QUARANTINED_SHOWN]:
                console.print(f"    {image.external_id}: {plain_text(image.reason)}")
