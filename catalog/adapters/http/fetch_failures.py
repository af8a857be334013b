"""What goes wrong between this machine and another, said as ``FetchRefused`` or ``FetchFailed``."""

from __future__ import annotations

import datetime
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Final

import h2.exceptions
import httpcore

from catalog.adapters.http.transfer_deadline import TransferDeadline
from catalog.adapters.http.web_address import WebAddress
from catalog.ports.remote_files import FetchFailed, FetchRefused
from catalog.retry_after import retry_after_seconds

BROKEN_CONNECTION: Final = (
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpcore.ConnectionNotAvailable,
    h2.exceptions.H2Error,
)
"""What httpcore raises, but for time-outs; violations of HTTP/2 come as h2 raises them."""

_BUSY: Final = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS})
_CLOSED_TO_US: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})
_SHOWN_LENGTH: Final = 200
"""Of what the server said, which may be long."""

_LATER: Final = "it is tried again"


@contextmanager
def explained(address: WebAddress, deadline: TransferDeadline) -> Iterator[None]:
    """Say what httpcore raises in the ``with`` block as a failure to fetch ``address``."""
    try:
        yield
    except httpcore.TimeoutException as error:
        is_over = deadline.left() <= 0
        raise FetchFailed(
            "The server took too long for the file" if is_over else "The server did not answer in time",
            received=address.shown,
            expected="a file that comes without long breaks",
            remedy=f"{_LATER}; see whether the server is overloaded",
        ) from error
    except BROKEN_CONNECTION as error:
        certificate = _certificate_error(error)
        if certificate is not None:
            raise FetchFailed(
                "The server's certificate cannot be trusted",
                received=f"{address.shown}: {certificate.verify_message}",
                expected=f"a certificate for {address.host} that is valid now, from a known authority",
                remedy="have the certificate renewed; SSL_CERT_FILE names the authorities of an intranet",
            ) from error
        raise FetchFailed(
            "The connection to the server broke, or was not made",
            received=f"{address.shown}: {str(error)[:_SHOWN_LENGTH] or type(error).__name__}",
            expected="a whole file",
            remedy=f"{_LATER}; see whether the server is up",
        ) from error


def _certificate_error(error: BaseException) -> ssl.SSLCertVerificationError | None:
    reason: BaseException | None = error
    while reason is not None:
        if isinstance(reason, ssl.SSLCertVerificationError):
            return reason
        reason = reason.__cause__ or reason.__context__
    return None


def status_error(status: int, retry_after: str | None, address: WebAddress) -> FetchRefused | FetchFailed:
    """What an answer means that is neither a file nor a redirect.

    Args:
        status: Of the answer.
        retry_after: Its header of that name.
    """
    received = f"{status}{_phrase(status)} for {address.shown}"
    if status in _BUSY or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        failed = FetchFailed(
            "The server cannot answer now",
            received=received,
            expected="200",
            remedy=f"{_LATER}, not before the server allows",
        )
        failed.retry_after = retry_after_seconds(retry_after, datetime.datetime.now(datetime.UTC))
        return failed
    if status in _CLOSED_TO_US:
        message, remedy = "The server does not give the file to us", "make the file readable without a login"
    elif status in (HTTPStatus.NOT_FOUND, HTTPStatus.GONE):
        message, remedy = "There is no file at the address", "correct the address, or put the file there"
    else:
        message, remedy = "The server does not give the file", "see that the address gives the file, to a browser too"
    return FetchRefused(message, received=received, expected="200", remedy=remedy)


def _phrase(status: int) -> str:
    try:
        return f" {HTTPStatus(status).phrase}"
    except ValueError:
        return ""
