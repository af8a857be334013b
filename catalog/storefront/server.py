"""The process that answers: a socket, and a server on it."""

from __future__ import annotations

import logging
import socket
from typing import Final

import uvicorn

from catalog.adapters.process_logs import configure_logs
from catalog.bootstrap import Application
from catalog.errors import InvalidRequest
from catalog.storefront.app import create_app
from catalog.storefront.network_loading import NetworkLoading
from catalog.storefront.open_access import is_this_machine
from catalog.storefront.own_work import OwnWork
from catalog.types import Caller

BACKLOG: Final = 2048
SECONDS_TO_STOP: Final = 30
"""So long requests at hand have to be answered once the process is asked to stop."""

SECONDS_KEPT_OPEN: Final = 75
"""So long a connection may be idle: longer than proxies before the server keep theirs (60 s is usual).

Whoever closes first must be the one that sends: a request that meets a closing connection is an error for its client.
"""

_log = logging.getLogger(__name__)


def listen(host: str, port: int, *, is_open: bool = False) -> socket.socket:
    """A socket that listens there at once: connections wait until they are served.

    Args:
        port: 0 for any that is free.
        is_open: Whether no API key is asked for, which only this machine may profit from.

    Raises:
        InvalidRequest: it is no address of this machine, the port is taken, or the address is open to others.
    """
    if is_open and not is_this_machine(host):
        raise InvalidRequest(
            "Without API keys, only this machine may ask",
            received=f"--open with --host {host}",
            expected="--host 127.0.0.1",
            remedy="make a key with drape keys create, and leave --open out",
        )
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        listener = socket.create_server((str(address[0]), int(address[1])), family=family, backlog=BACKLOG)
    except (OSError, UnicodeError) as error:
        raise InvalidRequest(
            "Nothing can be served there",
            received=f"{host}:{port}: {error}",
            expected="an address of this machine, and a port that nothing else listens on",
            remedy="stop what listens there, or choose another --port",
        ) from error
    # Connections inherit it. Without it an answer's second part waits until its first has been acknowledged: 40 ms.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def serve(
    application: Application, listener: socket.socket, caller: Caller | None, loading: NetworkLoading | None
) -> None:
    """Answer until the process is asked to stop, then finish what is at hand. For the main thread.

    Where no broker is configured, the process also does what workers would.

    Args:
        caller: Whom requests without a key come from; None where each must have one.
        loading: Loads the networks beside the first requests; None where the first photo waits for that. It may still
            be at it afterwards, until the application is closed.

    Raises:
        KeyboardInterrupt: once everything is finished, where Ctrl-C, or a signal that is taken like it, has stopped it.
    """
    configure_logs(quiet=("httpx", "httpcore", "uvicorn.error"))
    own_work = OwnWork(application) if application.settings.broker_url is None else None

    def end_networks() -> None:
        """What is being indexed is marked, and a photo that a network hangs on has been given up."""
        if loading is not None:
            loading.stop()
        if own_work is not None:
            own_work.begin_to_stop()
        application.end_networks()

    config = uvicorn.Config(
        create_app(application, open_to=caller, on_end=end_networks),
        log_config=None,
        access_log=False,
        server_header=False,
        forwarded_allow_ips=application.settings.trusted_proxies,
        timeout_graceful_shutdown=SECONDS_TO_STOP,
        timeout_keep_alive=SECONDS_KEPT_OPEN,
    )
    host, port = listener.getsockname()[:2]
    address = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    _log.info("Serving at %s, described at %s/docs", address, address, extra={"address": address})
    if caller is None and not application.api_keys.list():
        _log.warning(
            "There is no API key yet, and nothing is answered without one. "
            "To make one: drape keys create --merchant NAME. "
            "To look around on this machine: drape serve --merchant NAME --open"
        )
    if loading is not None:
        loading.start()
    if own_work is not None:
        own_work.start()
    try:
        uvicorn.Server(config).run(sockets=[listener])
    finally:
        if own_work is not None:
            own_work.stop()
        if loading is not None:
            loading.stop()
        _log.info("Stopped")
