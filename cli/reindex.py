"""``drape reindex``: searches change to another model version, and back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from cli.failures import FAILED
from cli.options import AsJson, OptionalMerchant

if TYPE_CHECKING:
    from catalog.services.gallery_pruning import PruneSummary
    from catalog.services.reindexing import ReindexSummary


def reindex(
    model: Annotated[
        str | None, typer.Option("--model", metavar="VERSION", help="The model version to change to.")
    ] = None,
    rollback: Annotated[
        bool, typer.Option("--rollback", help="Search the gallery again that was live before the last change.")
    ] = False,
    prune: Annotated[
        bool, typer.Option("--prune", help="Drop the galleries that were live before, and their points.")
    ] = False,
    building: Annotated[
        bool, typer.Option("--building", help="With --prune: drop galleries whose building was abandoned, too.")
    ] = False,
    merchant: OptionalMerchant = None,
    as_json: AsJson = False,
) -> None:
    """Build a gallery with another model version beside the live one, then search the new one.

    Searches go to the live gallery until the new one is complete; the step from one to the other is atomic. An
    interrupted run continues where it stopped. --rollback goes back, after bringing the old gallery up to date; --prune
    makes room by dropping what could be gone back to.
    """
    from catalog.bootstrap import Application, settings_from_environment
    from catalog.errors import InvalidRequest
    from cli.progress import progress
    from cli.search import only_merchant

    asked = [] if model is None else [f"--model {model}"]
    asked.extend(option for option, given in (("--rollback", rollback), ("--prune", prune)) if given)
    if len(asked) != 1:
        raise InvalidRequest(
            "It takes one thing to do",
            received=" and ".join(asked) or "none of them",
            expected="one of --model VERSION, --rollback, --prune",
        )
    if building and not prune:
        raise InvalidRequest(
            "Only --prune drops what is being built", received=f"--building with {asked[0]}", expected="--prune"
        )
    with Application(settings_from_environment()) as application:
        name = merchant or only_merchant(application)
        with application.unit_of_work() as work:
            merchant_id = work.merchants.id_of(name)
        if prune:
            _print_pruned(name, application.pruning.run(merchant_id, building=building), as_json=as_json)
            return
        with progress("indexing images", unit="images", quiet=as_json) as advance:
            if model is None:
                summary = application.reindexing.roll_back(merchant_id, advance)
            else:
                summary = application.reindexing.run(merchant_id, model, advance)
    if as_json:
        print(json.dumps(_as_json(name, summary), ensure_ascii=False))
    else:
        _print_summary(name, summary)
    if not summary.live:
        raise typer.Exit(FAILED)


def _as_json(merchant: str, summary: ReindexSummary) -> dict[str, object]:
    return {
        "merchant": merchant,
        "model": summary.gallery.model_version,
        "embedded": summary.indexing.embedded,
        "seconds": round(summary.indexing.seconds, 3),
        "live": summary.live,
    }


def _print_summary(merchant: str, summary: ReindexSummary) -> None:
    indexing = summary.indexing
    if not summary.live:
        print(f"{indexing.postponed:,} images wait for another try: run the command again. Nothing was switched.")
        return
    print(f"Embedded {indexing.embedded:,} images in {indexing.seconds:.1f} s.")
    print(f"{summary.gallery.model_version} is live for {merchant}.")


def _print_pruned(merchant: str, summary: PruneSummary, *, as_json: bool) -> None:
    versions = [gallery.model_version for gallery in summary.galleries]
    if as_json:
        body = {
            "merchant": merchant,
            "dropped": versions,
            "points": summary.points,
            "collections": list(summary.collections),
        }
        print(json.dumps(body, ensure_ascii=False))
        return
    for version in versions:
        print(f"Dropped the gallery of {version}.")
    if versions or summary.points:
        print(f"Deleted {summary.points:,} points.")
    else:
        print(f"There is nothing of {merchant} to drop.")
