"""From errors to what a person reads on the terminal, and to exit codes."""

from __future__ import annotations

import json
import sys

from catalog.errors import (
    BrokerUnavailable,
    DatabaseUnavailable,
    DrapeError,
    GalleryBusy,
    ImageStoreUnavailable,
    IndexBusy,
    IndexUnavailable,
    IngestRunning,
    InvalidRequest,
    QueryNetworkBusy,
)
from embeddings.errors import EmbeddingsError

FAILED = 1
"""Something asked for was not done, or not all of it."""

USAGE = 2
"""The command was asked for something that has no meaning."""

TRY_LATER = 75
"""A service is down or busy; the same command may work another time (EX_TEMPFAIL of sysexits.h)."""

INTERRUPTED = 130
"""Ended by Ctrl-C, or asked to end (128 + the signal's number, as shells have it)."""

_TRY_LATER = (
    BrokerUnavailable,
    DatabaseUnavailable,
    GalleryBusy,
    ImageStoreUnavailable,
    IndexBusy,
    IndexUnavailable,
    IngestRunning,
    QueryNetworkBusy,
)


def exit_code(error: DrapeError | EmbeddingsError) -> int:
    """The exit code that tells scripts what kind of failure it was."""
    if isinstance(error, InvalidRequest):
        return USAGE
    return TRY_LATER if isinstance(error, _TRY_LATER) else FAILED


def report(error: DrapeError | EmbeddingsError, *, as_json: bool) -> None:
    """Tell the error with its facts: on standard error, for people or as JSON."""
    facts = [("received", error.received), ("expected", error.expected), ("to do", error.remedy)]
    if as_json:
        known = {name.replace(" ", "_"): value for name, value in facts if value is not None}
        body = {"error": {"code": type(error).__name__, "message": error.message, **known}}
        print(json.dumps(body, ensure_ascii=False), file=sys.stderr)
        return
    lines = [f"Error: {error.message}", *(f"  {name + ':':<10}{value}" for name, value in facts if value is not None)]
    print("\n".join(lines), file=sys.stderr)


def failure_of_system(error: OSError) -> DrapeError:
    """An error of the operating system, in the form that is told."""
    where = "" if error.filename is None else f": {error.filename}"
    return DrapeError(
        "The operating system refused something that is needed",
        received=f"{error.strerror or error}{where}",
        remedy="check free space and rights; the same command continues where this one stopped",
    )


def not_text(error: UnicodeEncodeError) -> DrapeError:
    """An argument whose bytes are no UTF-8, which names of products and merchants cannot hold."""
    return InvalidRequest(
        "An argument holds bytes that are no text", received=ascii(error.object), expected="UTF-8 in every argument"
    )
