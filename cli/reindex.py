"""``drape reindex``: searches change to another model version, and back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from cli.failures import FAILED
from cli.options import AsJson, OptionalMerchant

if TYPE_CHECKING:
    from catalog.services.reindexing.gallery_checks import GalleryReport
    from catalog.services.reindexing.gallery_pruning import PruneSummary
    from catalog.services.reindexing.reindexing import ReindexSummary


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
    min_recall: Annotated[
        float | None,
        typer.Option(
            "--min-recall",
            metavar="SHARE",
            help="With --model: change only if searches find this much of the nearest ten, whatever they filter by "
            "(default 0.9; 0 measures nothing).",
        ),
    ] = None,
    min_precision: Annotated[
        float | None,
        typer.Option(
            "--min-precision",
            metavar="SHARE",
            help="With --model: change only if the nearest image is of the same product this often, of products with "
            "several images.",
        ),
    ] = None,
    max_rate: Annotated[
        float | None,
        typer.Option(
            "--max-rate",
            metavar="N",
            help="Embed at most N images a second, and leave the rest of the machine to others.",
        ),
    ] = None,
    merchant: OptionalMerchant = None,
    as_json: AsJson = False,
) -> None:
    """Build a gallery with another model version beside the live one, then search the new one.

    Searches go to the live gallery until the new one is complete and checked; the step from one to the other is
    atomic. An interrupted run continues where it stopped. --rollback goes back, after bringing the old gallery up to
    date; --prune makes room by dropping what could be gone back to.
    """
    from catalog.bootstrap import Application, settings_from_environment
    from catalog.errors import InvalidRequest
    from catalog.services.reindexing.gallery_checks import LEAST_RECALL, CheckLimits
    from cli.progress import progress
    from cli.search import only_merchant
    from cli.stopping import terminated_like_interrupted

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
    for option, number in (("--min-recall", min_recall), ("--min-precision", min_precision)):
        if number is not None and model is None:
            raise InvalidRequest(
                "Only a gallery that is built is checked", received=f"{option} with {asked[0]}", expected="--model"
            )
    if max_rate is not None and prune:
        raise InvalidRequest("Dropping embeds nothing", received="--max-rate with --prune", expected="no rate")
    limits = CheckLimits(LEAST_RECALL if min_recall is None else min_recall, min_precision)
    with Application(settings_from_environment()) as application:
        name = merchant or only_merchant(application)
        with application.unit_of_work() as work:
            merchant_id = work.merchants.id_of(name)
        if prune:
            _print_pruned(name, application.pruning.run(merchant_id, building=building), as_json=as_json)
            return
        with (
            terminated_like_interrupted(),
            progress("indexing images", unit="images", quiet=as_json) as advance,
        ):
            if model is None:
                summary = application.reindexing.roll_back(merchant_id, advance, max_rate=max_rate)
            else:
                summary = application.reindexing.run(merchant_id, model, advance, limits, max_rate=max_rate)
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
        "checked": None if summary.report is None else _checked_as_json(summary.report),
    }


def _checked_as_json(report: GalleryReport) -> dict[str, object]:
    precision = report.precision
    return {
        "images": report.num_images,
        "points": report.num_points,
        "recall_at_10": [
            {"filter": str(one.shape), "queries": one.num_queries, **one.by_vector} for one in report.recalls
        ],
        "same_product_precision_at_1": None if precision is None else precision.value,
    }


def _print_report(report: GalleryReport) -> None:
    print(f"Counted {report.num_points:,} points for {report.num_images:,} images.")
    for one in report.recalls:
        if one.by_vector:
            values = ", ".join(f"{vector} {value:.3f}" for vector, value in one.by_vector.items())
            print(f"Recall@10, {one.shape}: {values} ({one.num_queries} queries).")
        else:
            print(f"Recall@10, {one.shape}: left out, too few images pass such a filter.")
    if report.precision is not None:
        print(f"Same-product precision@1: {report.precision.value:.3f} ({report.precision.num_queries} queries).")


def _print_summary(merchant: str, summary: ReindexSummary) -> None:
    indexing = summary.indexing
    if not summary.live:
        print(f"{indexing.postponed:,} images wait for another try: run the command again. Nothing was switched.")
        return
    print(f"Embedded {indexing.embedded:,} images in {indexing.seconds:.1f} s.")
    if summary.report is not None:
        _print_report(summary.report)
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
