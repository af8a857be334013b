"""``drape keys``: API keys of merchants, made, listed and revoked."""

from __future__ import annotations

import datetime
import json
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from catalog.types import Scope
from cli.options import AsJson, Merchant

if TYPE_CHECKING:
    from catalog.repositories.api_keys import ApiKey

app = typer.Typer(
    help="Make, list and revoke API keys: who may ask over HTTP for what of whose data.", no_args_is_help=True
)


@app.command()
def create(
    merchant: Merchant,
    name: Annotated[str, typer.Option("--name", metavar="TEXT", help="What it is for, to tell keys apart.")] = "key",
    scope: Annotated[
        list[Scope] | None,
        typer.Option("--scope", help="What it may be used for; may be given several times. Default: search."),
    ] = None,
    public: Annotated[
        bool, typer.Option("--public", help="For a shop's pages, where all can read it: it only searches.")
    ] = False,
    origin: Annotated[
        list[str] | None,
        typer.Option(
            "--origin",
            metavar="ORIGIN",
            help="Of a public key: a site whose pages may use it, such as https://shop.example; may be given several "
            "times.",
        ),
    ] = None,
    expires: Annotated[
        str | None,
        typer.Option(
            "--expires",
            metavar="DATE",
            help="The last day, in UTC, on which it counts, such as 2027-12-31; or a time with its zone.",
        ),
    ] = None,
    rate_limit: Annotated[
        str | None,
        typer.Option(
            "--rate-limit",
            metavar="NUMBER/TIME",
            help="How many requests it may make, such as 120/min; of a public key all visitors together, and each a "
            "tenth. Default: DRAPE_RATE_LIMIT.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make an API key and show its secret, which nothing can show again."""
    from catalog.bootstrap import Application, settings_from_environment
    from catalog.request_rates import parse_request_rate

    ends = None if expires is None else _end(expires)
    rate = None if rate_limit is None else parse_request_rate(rate_limit)
    with Application(settings_from_environment()) as application:
        made = application.api_keys.create(
            merchant,
            name,
            scope or [Scope.SEARCH],
            is_public=public,
            allowed_origins=origin or (),
            expires_at=ends,
            rate_limit=rate,
        )
    if as_json:
        print(json.dumps({**_as_json(made.key), "secret": made.secret}, ensure_ascii=False))
        return
    print(made.secret)
    # Not on standard output: SECRET=$(drape …) takes the secret alone.
    print(
        f"Key {made.key.id} of {made.key.merchant} for {', '.join(made.key.scopes)}. It is not shown again.",
        file=sys.stderr,
    )


@app.command("list")
def list_keys(
    merchant: Annotated[
        str | None, typer.Option("--merchant", "-m", metavar="NAME", help="Whose keys; default: everybody's.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List API keys by their first characters, with what they allow and when they were last used."""
    from catalog.bootstrap import Application, settings_from_environment

    with Application(settings_from_environment()) as application:
        keys = application.api_keys.list(merchant)
    if as_json:
        print(json.dumps([_as_json(key) for key in keys], ensure_ascii=False))
        return
    if not keys:
        print("No API keys yet. drape keys create makes one.")
        return
    from rich.table import Table
    from rich.text import Text

    from cli.consoles import table_console
    from cli.hit_wording import plain_text

    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0))
    for column in ("id", "begins with", "merchant", "name", "may", "from", "at most", "last used", "state"):
        table.add_column(column, overflow="fold")
    for key in keys:
        table.add_row(
            str(key.id),
            key.prefix,
            Text(plain_text(key.merchant)),
            Text(plain_text(key.name)),
            ", ".join(key.scopes),
            Text("\n".join(key.allowed_origins) or "anywhere"),
            "as usual" if key.rate_limit is None else str(key.rate_limit),
            "never" if key.last_used_at is None else _time_text(key.last_used_at),
            _state_text(key),
        )
    table_console().print(table)


@app.command()
def revoke(
    key: Annotated[
        str,
        typer.Argument(metavar="KEY", help="Its id or first characters, as `drape keys list` shows them."),
    ],
    merchant: Annotated[
        str | None, typer.Option("--merchant", "-m", metavar="NAME", help="Whose key it must be; default: anybody's.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Have an API key count no longer: within seconds, for every process, and for good."""
    from catalog.bootstrap import Application, settings_from_environment
    from catalog.services.api_keys import TRUSTED_SECONDS

    with Application(settings_from_environment()) as application:
        revoked = application.api_keys.revoke(merchant, int(key) if key.isdecimal() else key)
    if as_json:
        print(json.dumps(_as_json(revoked), ensure_ascii=False))
    else:
        print(
            f"Key {revoked.id} ({revoked.prefix}…) of {revoked.merchant} is revoked; "
            f"processes that know it forget it within {TRUSTED_SECONDS:g} s."
        )


def _end(text: str) -> datetime.datetime:
    """The first moment at which a key with this ``--expires`` does not count.

    Raises:
        typer.BadParameter: it is no date, and no time with a zone.
    """
    try:
        return datetime.datetime.combine(
            datetime.date.fromisoformat(text) + datetime.timedelta(days=1), datetime.time(), datetime.UTC
        )
    except (ValueError, OverflowError):
        pass
    try:
        moment = datetime.datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise typer.BadParameter(
            f"received {text!r}, expected a day such as 2027-12-31, or a time with its zone such as "
            "2027-12-31T18:00+01:00",
            param_hint="--expires",
        )
    return moment


def _as_json(key: ApiKey) -> dict[str, object]:
    times = {
        name: None if (time := getattr(key, name)) is None else time.isoformat()
        for name in ("created_at", "last_used_at", "expires_at", "revoked_at")
    }
    return {
        "id": key.id,
        "merchant": key.merchant,
        "name": key.name,
        "prefix": key.prefix,
        "kind": key.kind,
        "scopes": key.scopes,
        "allowed_origins": key.allowed_origins,
        "rate_limit": None if key.rate_limit is None else str(key.rate_limit),
        **times,
    }


def _state_text(key: ApiKey) -> str:
    if key.revoked_at is not None:
        return f"revoked {_time_text(key.revoked_at)}"
    if key.expires_at is None:
        return "good"
    is_over = key.expires_at <= datetime.datetime.now(datetime.UTC)
    return f"{'expired' if is_over else 'good until'} {_time_text(key.expires_at)}"


def _time_text(time: datetime.datetime) -> str:
    return f"{time.astimezone():%Y-%m-%d %H:%M}"
