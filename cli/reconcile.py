"""``drape reconcile``: the vector index against PostgreSQL, and what differs put right."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from cli.failures import FAILED
from cli.options import AsJson

if TYPE_CHECKING:
    from catalog.bootstrap import Application
    from catalog.services.indexing.indexing_summary import IndexingSummary
    from catalog.services.indexing.reconciliation import Reconciliation


def reconcile(
    merchant: Annotated[
        str | None, typer.Option("--merchant", "-m", metavar="NAME", help="Whose galleries; default: everybody's.")
    ] = None,
    repair: Annotated[
        bool, typer.Option("--repair", help="Put right what differs: embed what is missing, delete what is orphaned.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Compare the vector index with the catalog, both ways, by id and revision; with --repair, put it right.

    Images that wait to be indexed are counted apart: nothing is wrong with them. The exit code is 1 when something is
    wrong and was not put right, so that the command can be a check in scripts.
    """
    from catalog.bootstrap import Application, settings_from_environment

    with Application(settings_from_environment()) as application:
        found, indexing = compare(application, merchant, repair=repair, quiet=as_json)
    report(found, indexing, as_json=as_json)
    if not in_order(found, indexing):
        raise typer.Exit(FAILED)


def compare(
    application: Application, merchant: str | None, *, repair: bool, quiet: bool
) -> tuple[Reconciliation, IndexingSummary | None]:
    """What differs, and what this process has indexed of what it marked, if it is the one that indexes."""
    from cli.progress import progress

    with progress("comparing", unit="images", quiet=quiet) as advance:
        found = application.reconciliation.run(merchant, repairs=repair, advance=advance)
    # A server's indexers take up what was marked; the embedded index has no other indexer than this process. What
    # an earlier repair had marked when it was stopped is pending now, and completed too.
    is_owner = application.settings.qdrant_url is None
    if not (repair and is_owner and (found.num_marked or found.num_pending)):
        return found, None
    with progress("indexing images", unit="images", quiet=quiet) as advance:
        return found, application.indexing.run(found.merchant_id, advance)


def report(found: Reconciliation, indexing: IndexingSummary | None, *, as_json: bool) -> None:
    """Print it."""
    if as_json:
        print(json.dumps(_as_json(found, indexing), ensure_ascii=False))
    else:
        _print(found, indexing)


def in_order(found: Reconciliation, indexing: IndexingSummary | None) -> bool:
    """Whether nothing is wrong, or no longer."""
    if indexing is not None and (indexing.quarantined or indexing.postponed):
        return False
    return found.is_repaired or found.num_differences == 0


def _as_json(found: Reconciliation, indexing: IndexingSummary | None) -> dict[str, object]:
    return {
        "in_order": in_order(found, indexing),
        "differences": found.num_differences,
        "repaired": found.is_repaired,
        "marked": found.num_marked,
        "deleted": found.num_deleted,
        "galleries": [
            {
                "merchant": one.merchant,
                "model_version": one.gallery.model_version,
                "collection": one.gallery.collection,
                "state": one.gallery.state.value,
                "compared": one.num_compared,
                "pending": one.num_pending,
                **{
                    kind.value: {"count": count, "examples": one.differences.examples[kind]}
                    for kind, count in one.differences.counts.items()
                },
            }
            for one in found.galleries
        ],
        "strays": [{"collection": one.collection, "count": one.num, "examples": one.examples} for one in found.strays],
        "indexing": None
        if indexing is None
        else {
            "embedded": indexing.embedded,
            "refreshed": indexing.refreshed,
            "removed": indexing.removed,
            "quarantined": indexing.quarantined,
            "postponed": indexing.postponed,
            "reasons": dict(indexing.failures),
        },
    }


def _print(found: Reconciliation, indexing: IndexingSummary | None) -> None:
    from rich.table import Table
    from rich.text import Text

    from catalog.services.indexing.index_differences import Difference
    from cli.consoles import table_console
    from cli.hit_wording import plain_text

    console = table_console()
    if not found.galleries and not found.strays:
        console.print("There is no gallery to compare. Start with: drape ingest FEED --merchant NAME, or drape demo")
        return
    kinds = list(Difference)
    table = Table(box=None, header_style="bold", padding=(0, 2))
    for column in ("catalog", "gallery", "state"):
        table.add_column(column)
    for column in ("compared", "pending", *kinds):
        table.add_column(column, justify="right")
    for one in found.galleries:
        numbers = [one.num_compared, one.num_pending, *(one.differences.counts[kind] for kind in kinds)]
        names = [Text(plain_text(name)) for name in (one.merchant, one.gallery.model_version)]
        table.add_row(*names, one.gallery.state.value, *(f"{number:,}" for number in numbers))
    console.print(table)
    for one in found.galleries:
        for kind, ids in one.differences.examples.items():
            if ids:
                whose = f"{plain_text(one.merchant)}, {one.gallery.model_version}"
                console.print(f"  {kind} ({whose}): {_ids(ids, one.differences.counts[kind])}")
    for stray in found.strays:
        console.print(
            f"  {stray.num:,} points of {stray.collection} belong to no gallery: {_ids(stray.examples, stray.num)}"
        )
    console.print(_verdict(found, indexing))
    if indexing is not None:
        for reason, number in sorted(indexing.failures.items()):
            console.print(f"  {number:>6,}  {plain_text(reason)}")


def _ids(examples: list[int], num: int) -> str:
    more = f" … and {num - len(examples):,} more" if num > len(examples) else ""
    return "image " + ", ".join(map(str, examples)) + more


def _verdict(found: Reconciliation, indexing: IndexingSummary | None) -> str:
    if found.num_differences == 0:
        told = "The index holds what the catalog says."
    elif not found.is_repaired:
        told = f"{found.num_differences:,} differences. Put them right with: drape reconcile --repair"
    else:
        told = f"Repaired: {found.num_deleted:,} points deleted, {found.num_marked:,} images marked for the indexer."
    if indexing is not None:
        told += f" Embedded {indexing.embedded:,} images and refreshed {indexing.refreshed:,}."
        if indexing.quarantined or indexing.postponed:
            told += f" {indexing.quarantined:,} cannot be indexed, {indexing.postponed:,} wait for another try:"
    elif found.is_repaired and found.num_marked:
        told += " The next run of an indexer embeds them."
    return told
