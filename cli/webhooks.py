"""``drape webhooks``: whom to tell when a job has ended."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.options import AsJson, Merchant

if TYPE_CHECKING:
    import datetime

    from catalog.repositories.webhooks import Delivery, Webhook

app = typer.Typer(help="Have servers told when a job has ended, by signed messages.", no_args_is_help=True)


@app.command()
def add(
    merchant: Merchant,
    url: Annotated[str, typer.Option("--url", metavar="URL", help="The https address to tell.")],
    as_json: AsJson = False,
) -> None:
    """Tell an address of every job of a merchant that ends, and show the secret that signs what is sent, once."""
    from catalog.bootstrap import Application, settings_from_environment

    with Application(settings_from_environment()) as application:
        made = application.webhooks.add(merchant, url)
    if as_json:
        print(json.dumps({**_as_json(made.webhook), "secret": made.secret}, ensure_ascii=False))
        return
    print(made.secret)
    # Not on standard output: SECRET=$(drape …) takes the secret alone.
    print(
        f"Webhook {made.webhook.id} of {made.webhook.merchant} is signed with it. It is not shown again.",
        file=sys.stderr,
    )


@app.command("list")
def list_webhooks(
    merchant: Annotated[
        str | None, typer.Option("--merchant", "-m", metavar="NAME", help="Whose webhooks; default: everybody's.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List webhooks, with how telling them went last."""
    from catalog.bootstrap import Application, settings_from_environment

    with Application(settings_from_environment()) as application:
        webhooks = application.webhooks.listed(merchant)
    if as_json:
        print(json.dumps([_as_json(webhook) for webhook in webhooks], ensure_ascii=False))
        return
    if not webhooks:
        print("No webhooks yet. drape webhooks add makes one.")
        return
    from rich.table import Table
    from rich.text import Text

    from cli.consoles import table_console
    from cli.hit_wording import plain_text

    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0))
    for column in ("id", "merchant", "url", "job", "told", "last error"):
        table.add_column(column, overflow="fold")
    for webhook in webhooks:
        last = webhook.deliveries[0] if webhook.deliveries else None
        table.add_row(
            str(webhook.id),
            Text(plain_text(webhook.merchant)),
            Text(plain_text(webhook.url)),
            "" if last is None else str(last.job_id),
            _state_text(last),
            Text("" if last is None else plain_text(last.last_error or "")),
        )
    table_console().print(table)


@app.command()
def remove(
    webhook: Annotated[int, typer.Argument(metavar="ID", min=1, help="As `drape webhooks list` shows it.")],
    merchant: Annotated[
        str | None, typer.Option("--merchant", "-m", metavar="NAME", help="Whose it must be; default: anybody's.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Tell an address no more, nor what was still to be sent there."""
    from catalog.bootstrap import Application, settings_from_environment

    with Application(settings_from_environment()) as application:
        application.webhooks.remove(webhook, merchant)
    print(json.dumps({"removed": webhook}) if as_json else f"Webhook {webhook} is told no more.")


def _as_json(webhook: Webhook) -> dict[str, Any]:
    return {
        "id": webhook.id,
        "merchant": webhook.merchant,
        "url": webhook.url,
        "created_at": webhook.created_at.isoformat(),
        "deliveries": [
            {
                "id": delivery.message_id,
                "type": delivery.type,
                "job": delivery.job_id,
                "attempts": delivery.attempts,
                "last_error": delivery.last_error,
                "delivered_at": _iso(delivery.delivered_at),
                "given_up_at": _iso(delivery.given_up_at),
            }
            for delivery in webhook.deliveries
        ],
    }


def _iso(time: datetime.datetime | None) -> str | None:
    return None if time is None else time.isoformat()


def _state_text(delivery: Delivery | None) -> str:
    if delivery is None:
        return "nothing yet"
    if delivery.delivered_at is not None:
        return f"{delivery.delivered_at.astimezone():%Y-%m-%d %H:%M}"
    if delivery.given_up_at is not None:
        return f"given up after {delivery.attempts} tries"
    return f"to be tried {'again ' if delivery.attempts else ''}at {delivery.due_at.astimezone():%H:%M}"
