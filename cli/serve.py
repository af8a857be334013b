"""``drape serve``: searches over HTTP."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Annotated

import typer

from cli.options import OptionalMerchant
from cli.search import only_merchant
from cli.stopping import terminated_like_interrupted
from cli.worker import wait_for

if TYPE_CHECKING:
    from catalog.bootstrap import Application
    from catalog.types import Caller


def serve(
    host: Annotated[str, typer.Option("--host", help="Address to listen on; 0.0.0.0 for every one.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Port to listen on; 0 for a free one.")] = 8000,
    is_open: Annotated[
        bool, typer.Option("--open", help="Ask for no API key, on this machine: to try it out on one catalog.")
    ] = False,
    merchant: OptionalMerchant = None,
    wait: Annotated[
        float,
        typer.Option("--wait", metavar="SECONDS", min=0, help="How long PostgreSQL and Qdrant are waited for."),
    ] = 30.0,
    load_first: Annotated[
        bool,
        typer.Option(
            "--load/--load-later",
            help="Load the networks while the first requests come, or at the first photo that is searched with.",
        ),
    ] = True,
) -> None:
    """Answer searches over HTTP, until stopped: a page to search with at /, the API, and its description at /docs.

    Ctrl-C or SIGTERM: requests at hand are answered, no more are taken.
    """
    from catalog.bootstrap import Application, settings_from_environment
    from catalog.errors import InvalidRequest
    from catalog.storefront import server
    from catalog.storefront.network_loading import NetworkLoading

    if merchant is not None and not is_open:
        raise InvalidRequest(
            "Whose catalog is searched, API keys tell",
            received="--merchant without --open",
            expected="both, or neither",
        )
    settings = settings_from_environment()
    with server.listen(host, port, is_open=is_open) as listener, Application(settings, is_server=True) as application:
        deadline = time.monotonic() + wait
        wait_for(application.check_database, deadline)
        wait_for(application.index.list_collections, deadline)
        caller = open_caller(application, merchant) if is_open else None
        loading = NetworkLoading(application.search) if load_first else None
        # The server gives the signal that stopped it on, when it has finished; that is how it is meant to end.
        with terminated_like_interrupted(), contextlib.suppress(KeyboardInterrupt):
            server.serve(application, listener, caller, loading)


def open_caller(application: Application, merchant: str | None) -> Caller:
    """Whom requests without a key are taken to come from."""
    from catalog.types import Caller, Scope

    name = merchant or only_merchant(application)
    with application.unit_of_work() as work:
        merchant_id = work.merchants.id_of(name)
    return Caller(name, merchant_id, 0, frozenset({Scope.SEARCH}), (), False)
