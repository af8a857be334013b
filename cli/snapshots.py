"""``drape snapshot``: the vectors of all galleries, saved to a folder and restored from it."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.failures import FAILED
from cli.options import AsJson
from cli.reconcile import compare, in_order, report

if TYPE_CHECKING:
    from catalog.services.galleries.snapshots import OnCollection, Snapshot

app = typer.Typer(
    help="Save the vectors of all galleries, or restore them: what takes long to embed again.", no_args_is_help=True
)


@app.command()
def save(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="A folder to make.")],
    as_json: AsJson = False,
) -> None:
    """Write every collection to a new folder. Back up PostgreSQL before, and the photos.

    Searches, ingests and workers of a Qdrant server go on; the embedded engine must not be in use by a worker.
    """
    from catalog.bootstrap import Application, settings_from_environment

    with Application(settings_from_environment()) as application:
        saved = application.snapshots.save(folder, _teller(as_json, "saving"))
    if as_json:
        print(json.dumps(asdict(saved), ensure_ascii=False))
        return
    for one in saved.collections:
        print(f"  {one.name}: {one.num_points:,} points, {one.num_bytes / 1e6:,.1f} MB")
    print(f"Saved {_collections(saved)} to {folder}.")


@app.command()
def restore(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="A folder that `drape snapshot save` has made.")],
    as_json: AsJson = False,
) -> None:
    """Put saved collections back, then repair what PostgreSQL knows better, as `drape reconcile --repair` does.

    What there is of these collections is replaced. Restore PostgreSQL, photos and model versions before.
    """
    from catalog.bootstrap import Application, settings_from_environment

    with Application(settings_from_environment()) as application:
        restored = application.snapshots.restore(folder, _teller(as_json, "restoring"))
        if not as_json:
            print(f"Restored {_collections(restored)}, saved at {restored.made_at}.")
        found, indexing = compare(application, None, repair=True, quiet=as_json)
    report(found, indexing, as_json=as_json)
    if not in_order(found, indexing):
        raise typer.Exit(FAILED)


def _teller(quiet: bool, doing: str) -> OnCollection:
    def tell(name: str, number: int, total: int) -> None:
        if not quiet:
            typer.echo(f"{doing} {name} ({number} of {total})", err=True)

    return tell


def _collections(snapshot: Snapshot) -> str:
    number = len(snapshot.collections)
    return f"{number} collection{'' if number == 1 else 's'}"
