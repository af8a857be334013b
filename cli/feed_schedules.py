"""Feeds that workers ingest on a schedule: ``drape feed schedules`` and ``unschedule``, ``drape ingest --schedule``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from catalog.errors import InvalidRequest
from cli.options import AsJson, Merchant

if TYPE_CHECKING:
    import datetime

    from catalog.repositories.feed_schedules import ScheduledFeed
    from catalog.services.ingesting.ingest import IngestRequest
    from catalog.settings import Settings


def put_schedule(settings: Settings, feed: str, request: IngestRequest, schedule: str, *, as_json: bool) -> None:
    """Have workers ingest a feed on a schedule.

    Raises:
        InvalidRequest: there are no workers, the feed is not one by address, or this is no schedule.
    """
    from catalog.bootstrap import Application
    from catalog.schedules import parse_schedule
    from catalog.types import is_address
    from cli.hit_wording import plain_text

    if settings.broker_url is None:
        raise InvalidRequest(
            "Without workers nobody takes a feed on a schedule",
            received="--schedule without DRAPE_BROKER_URL",
            expected="the address of a Redis server in DRAPE_BROKER_URL, and a `drape worker`",
            remedy="start them, or have cron run drape ingest",
        )
    if not is_address(feed):
        raise InvalidRequest(
            "Only a feed by address can be fetched on a schedule",
            received=feed,
            expected="an http or https address, such as https://shop.example/feed.xml.gz",
        )
    when = parse_schedule(schedule)
    with Application(settings) as application:
        put = application.feed_schedules.put(feed, request, when)
    if as_json:
        print(json.dumps(_as_json(put), ensure_ascii=False))
    else:
        print(f"Workers take {plain_text(feed)} {put.schedule}, next at {_time_text(put.next_due_at)}.")


def schedules(
    merchant: Annotated[
        str | None, typer.Option("--merchant", "-m", metavar="NAME", help="Whose feeds; default: everybody's.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List the feeds that workers take on a schedule, those that are due next first."""
    from catalog.bootstrap import Application, settings_from_environment

    with Application(settings_from_environment()) as application:
        feeds = application.feed_schedules.listed(merchant)
    if as_json:
        print(json.dumps([_as_json(feed) for feed in feeds], ensure_ascii=False))
    elif not feeds:
        print("No feed has a schedule. drape ingest ADDRESS --merchant NAME --schedule 'every 6h' gives one.")
    else:
        _print(feeds)


def unschedule(
    merchant: Merchant,
    feed: Annotated[
        str | None, typer.Argument(metavar="FEED", show_default=False, help="The feed's address; default: all of them.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Take a feed no more on its schedule. What has been ingested stays."""
    from catalog.bootstrap import Application, settings_from_environment
    from cli.hit_wording import plain_text

    with Application(settings_from_environment()) as application:
        removed = application.feed_schedules.remove(merchant, feed)
    if as_json:
        print(json.dumps({"removed": removed}, ensure_ascii=False))
    else:
        for one in removed:
            print(f"{plain_text(one)} has no schedule any more.")


def _print(feeds: list[ScheduledFeed]) -> None:
    from rich.table import Table
    from rich.text import Text

    from cli.consoles import table_console
    from cli.hit_wording import plain_text

    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0))
    for column in ("merchant", "feed", "when", "next (UTC)", "last (UTC)", "job"):
        table.add_column(column, overflow="fold")
    for feed in feeds:
        table.add_row(
            Text(plain_text(feed.merchant)),
            Text(plain_text(feed.feed)),
            str(feed.schedule),
            "now" if feed.is_running else _time_text(feed.next_due_at),
            _time_text(feed.last_run_at),
            "" if feed.last_job_id is None else str(feed.last_job_id),
        )
    console = table_console()
    console.print(table)
    for feed in feeds:
        if feed.last_error:
            console.print(f"{plain_text(feed.feed)}: {plain_text(feed.last_error)}")


def _as_json(feed: ScheduledFeed) -> dict[str, Any]:
    return {
        "merchant": feed.merchant,
        "feed": feed.feed,
        "schedule": str(feed.schedule),
        "request": dict(feed.request),
        "next_due_at": feed.next_due_at.isoformat(),
        "is_running": feed.is_running,
        "last_run_at": None if feed.last_run_at is None else feed.last_run_at.isoformat(),
        "last_job": feed.last_job_id,
        "last_error": feed.last_error,
    }


def _time_text(time: datetime.datetime | None) -> str:
    import datetime

    return "" if time is None else f"{time.astimezone(datetime.UTC):%Y-%m-%d %H:%M}"
