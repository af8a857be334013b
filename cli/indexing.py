"""A merchant's images fetched and indexed, by this process or by workers, with what a person sees of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from catalog.errors import InvalidRequest
from cli.progress import progress

if TYPE_CHECKING:
    from catalog.bootstrap import Application
    from catalog.services.indexing.indexing_follower import FollowedIndexing
    from catalog.services.indexing.indexing_summary import IndexingSummary
    from catalog.settings import Settings

    Done: TypeAlias = IndexingSummary | FollowedIndexing
    """What this process did, or what workers did."""


def require_workers_unless(wait: bool, settings: Settings) -> None:
    """Refuse to leave the indexing to workers where there are none.

    Raises:
        InvalidRequest: nobody would index.
    """
    if not wait and settings.broker_url is None:
        raise InvalidRequest(
            "Without workers nobody else indexes", received="--no-wait without DRAPE_BROKER_URL", expected="--wait"
        )


def fetch_and_index(
    application: Application, merchant_id: int, since: int, *, everything: bool, quiet: bool = False
) -> Done:
    """Have the merchant's images fetched and indexed.

    Args:
        since: The latest revision before images were marked and wished for.
        everything: Where others index: wait for what was marked before, too.
        quiet: Show no progress.
    """
    if application.is_indexed_elsewhere:
        with progress("indexing images", unit="images", quiet=quiet) as advance:
            return application.indexing_follower.follow(
                merchant_id, since, advance, everything=everything, fetches=True
            )
    with application.unit_of_work() as work:
        num_waiting = work.fetches.num_waiting(merchant_id)
    before = None
    if num_waiting:
        with progress("fetching images", unit="images", quiet=quiet) as advance:
            before = application.fetching_and_indexing.run(merchant_id, advance)
    with progress("indexing images", unit="images", quiet=quiet) as advance:
        done = application.indexing.run(merchant_id, advance)
    return done if before is None else before.plus(done)
