"""``drape reindex``: searches change to another model version, and back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from cli.failures import FAILED
from cli.options import AsJson, OptionalMerchant

if TYPE_CHECKING:
    from catalog.services.reindexing import ReindexSummary


def reindex(
    model: Annotated[
        str | None, typer.Option("--model", metavar="VERSION", help="The model version to change to.")
    ] = None,
    rollback: Annotated[
        bool, typer.Option("--rollback", help="Search the gallery again that was live before the last change.")
    ] = False,
    merchant: OptionalMerchant = None,
    as_json: AsJson = False,
) -> None:
    """Build a gallery with another model version beside the live one, then search the new one.

    Searches go to the live gallery until the new one is complete; the step from one to the other is atomic. An
    interrupted run continues where it stopped. --rollback goes back, after bringing the old gallery up to date.
    """
    from catalog.bootstrap import Application, settings_from_environment
    from catalog.errors import InvalidRequest
    from cli.progress import progress
    from cli.search import only_merchant

    if (model is not None) == rollback:
        raise InvalidRequest(
            "It takes one thing to do",
            received=f"--model {model} and --rollback" if rollback else "neither --model nor --rollback",
            expected="one of --model VERSION, --rollback",
        )
    with Application(settings_from_environment()) as application:
        name = merchant or only_merchant(application)
        with application.unit_of_work() as work:
            merchant_id = work.merchants.id_of(name)
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
