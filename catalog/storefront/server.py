"""The process that answers: a socket, a server on it, and the networks that it loads beside its first requests."""

from __future__ import annotations

import gc
import logging
import socket
import threading
import time
from typing import Final

import uvicorn

from catalog.adapters.process_logs import configure_logs
from catalog.bootstrap import Application
from catalog.errors import DrapeError, InvalidRequest
from catalog.services.search import SearchService
from catalog.storefront.app import create_app
from catalog.storefront.open_access import is_this_machine
from catalog.storefront.own_work import OwnWork
from catalog.types import Caller
from embeddings.errors import EmbeddingsError

BACKLOG: Final = 2048
SECONDS_TO_STOP: Final = 30
"""So long requests at hand have to be answered once the process is asked to stop."""

COLLECTED_AFTER: Final = (20_000, 20, 20)
"""The garbage collector's thresholds: a search makes thousands of objects, and at Python's usual 700 looks for cycles
among them some ten times. Nearly all are gone by then anyway."""

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


def serve(application: Application, listener: socket.socket, caller: Caller | None, *, load_first: bool) -> None:
    """Answer until the process is asked to stop, then finish what is at hand. For the main thread.

    Where no broker is configured, the process also does what workers would.

    Args:
        caller: Whom requests without a key come from; None where each must have one.
        load_first: Load the networks at once, beside the first requests, and not at the first photo.

    Raises:
        KeyboardInterrupt: once everything is finished, where Ctrl-C, or a signal that is taken like it, has stopped it.
    """
    configure_logs(quiet=("httpx", "httpcore", "uvicorn.error"))
    config = uvicorn.Config(
        create_app(application, open_to=caller),
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
    # Made here, because two threads must not make it at the same time.
    loading = threading.Thread(target=_load, args=(application.search,), name="load")
    own_work = OwnWork(application) if application.settings.broker_url is None else None
    if load_first:
        loading.start()
    if own_work is not None:
        own_work.start()
    try:
        uvicorn.Server(config).run(sockets=[listener])
    finally:
        if own_work is not None:
            own_work.stop()
        if load_first:
            # What it loads with is closed next.
            loading.join()
        _log.info("Stopped")


def _load(search: SearchService) -> None:
    start = time.perf_counter()
    try:
        search.load()
    except (DrapeError, EmbeddingsError) as error:
        # Searches that need it will tell, each with the same error.
        _log.warning("The networks cannot be loaded: %s", error)
    else:
        # What is there now stays: half a million objects that Python's garbage collector would otherwise walk through,
        # for half a second in which nobody is answered.
        gc.freeze()
        gc.set_threshold(*COLLECTED_AFTER)
        _log.info("The networks are loaded", extra={"seconds": round(time.perf_counter() - start, 1)})
