"""From errors to answers: one shape for all of them, and one table of codes and statuses.

What a caller can correct is told with all its facts. What only an operator can is logged, under an id that the caller
is told, because its facts name hosts, folders and other merchants.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from catalog.api_schemas.errors import ErrorAnswer, ErrorFacts, shortened, validation_facts
from catalog.errors import (
    BrokerUnavailable,
    DatabaseUnavailable,
    DrapeError,
    GalleryBusy,
    GalleryNotFound,
    ImageNotFound,
    ImageStoreUnavailable,
    IndexBusy,
    IndexUnavailable,
    IngestRunning,
    InvalidRequest,
    JobNotFound,
    KeyRefused,
    MerchantNotFound,
    ModelStoreUnavailable,
    NetworkProcessUnavailable,
    OriginNotAllowed,
    ProductNotFound,
    QueryNetworkBusy,
    ScopeMissing,
    WebhookNotFound,
)
from catalog.ports.image_store import StoredImageAltered, StoredImageMissing
from catalog.ports.remote_files import FetchFailed, FetchRefused
from catalog.storefront.authentication import CHALLENGE
from catalog.storefront.bodies.pace import BodyTooSlow
from catalog.storefront.rate_limits import RateLimited
from embeddings.errors import EmbeddingsError, ExplainedError, OutOfMemory, UnusableImage, UnusableModel

_log = logging.getLogger(__name__)

_RETRY_AFTER_SECONDS = 2


class BodyMalformed(DrapeError):
    """The body is no JSON, or no multipart message, or holds other parts than it should."""


class BodyTooLarge(DrapeError):
    """The body, or the photo in it, is larger than is taken."""


class MediaTypeUnknown(DrapeError):
    """The body is of a type that is not taken."""


class TooManyRequests(DrapeError):
    """More requests wait than can be answered in time."""


class HostRefused(DrapeError):
    """The request names another host than this machine, which only this machine may ask without a key."""


@dataclass(frozen=True, slots=True)
class Told:
    """How an error is told.

    Args:
        has_facts: Whether the caller learns what was received and expected; an operator always does.
    """

    status: HTTPStatus
    code: str
    has_facts: bool = True


TABLE: Final[Mapping[type[ExplainedError], Told]] = {
    BodyMalformed: Told(HTTPStatus.BAD_REQUEST, "malformed_body"),
    KeyRefused: Told(HTTPStatus.UNAUTHORIZED, "key_refused"),
    HostRefused: Told(HTTPStatus.FORBIDDEN, "host_refused"),
    OriginNotAllowed: Told(HTTPStatus.FORBIDDEN, "origin_not_allowed"),
    ScopeMissing: Told(HTTPStatus.FORBIDDEN, "scope_missing"),
    GalleryNotFound: Told(HTTPStatus.NOT_FOUND, "gallery_not_found"),
    ImageNotFound: Told(HTTPStatus.NOT_FOUND, "image_not_found"),
    JobNotFound: Told(HTTPStatus.NOT_FOUND, "job_not_found"),
    # Its facts are the names of all merchants.
    MerchantNotFound: Told(HTTPStatus.NOT_FOUND, "merchant_not_found", has_facts=False),
    ProductNotFound: Told(HTTPStatus.NOT_FOUND, "product_not_found"),
    WebhookNotFound: Told(HTTPStatus.NOT_FOUND, "webhook_not_found"),
    StoredImageMissing: Told(HTTPStatus.NOT_FOUND, "image_not_found", has_facts=False),
    BodyTooSlow: Told(HTTPStatus.REQUEST_TIMEOUT, "body_too_slow"),
    GalleryBusy: Told(HTTPStatus.CONFLICT, "gallery_busy"),
    IngestRunning: Told(HTTPStatus.CONFLICT, "ingest_running"),
    BodyTooLarge: Told(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "body_too_large"),
    MediaTypeUnknown: Told(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type"),
    # The request named the address; nothing of this server has failed.
    FetchFailed: Told(HTTPStatus.UNPROCESSABLE_ENTITY, "image_address_unreachable"),
    FetchRefused: Told(HTTPStatus.UNPROCESSABLE_ENTITY, "image_address_refused"),
    InvalidRequest: Told(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid_request"),
    RateLimited: Told(HTTPStatus.TOO_MANY_REQUESTS, "rate_limited"),
    UnusableImage: Told(HTTPStatus.UNPROCESSABLE_ENTITY, "unusable_image"),
    StoredImageAltered: Told(HTTPStatus.SERVICE_UNAVAILABLE, "image_store_unavailable", has_facts=False),
    BrokerUnavailable: Told(HTTPStatus.SERVICE_UNAVAILABLE, "broker_unavailable", has_facts=False),
    DatabaseUnavailable: Told(HTTPStatus.SERVICE_UNAVAILABLE, "database_unavailable", has_facts=False),
    ImageStoreUnavailable: Told(HTTPStatus.SERVICE_UNAVAILABLE, "image_store_unavailable", has_facts=False),
    IndexBusy: Told(HTTPStatus.SERVICE_UNAVAILABLE, "index_unavailable", has_facts=False),
    IndexUnavailable: Told(HTTPStatus.SERVICE_UNAVAILABLE, "index_unavailable", has_facts=False),
    ModelStoreUnavailable: Told(HTTPStatus.SERVICE_UNAVAILABLE, "model_unavailable", has_facts=False),
    NetworkProcessUnavailable: Told(HTTPStatus.SERVICE_UNAVAILABLE, "query_network_unavailable", has_facts=False),
    OutOfMemory: Told(HTTPStatus.SERVICE_UNAVAILABLE, "out_of_memory", has_facts=False),
    QueryNetworkBusy: Told(HTTPStatus.SERVICE_UNAVAILABLE, "query_network_busy", has_facts=False),
    TooManyRequests: Told(HTTPStatus.SERVICE_UNAVAILABLE, "too_many_requests"),
    UnusableModel: Told(HTTPStatus.SERVICE_UNAVAILABLE, "model_unavailable", has_facts=False),
}
"""By class; a class that is not here is told as its nearest ancestor is, and any other as an internal error."""

_INTERNAL: Final = Told(HTTPStatus.INTERNAL_SERVER_ERROR, "internal_error", has_facts=False)

_OF_STATUS: Final[Mapping[int, tuple[str, str]]] = {
    400: ("malformed_request", "a well-formed request"),
    404: ("not_found", "a path that /openapi.json lists"),
    405: ("method_not_allowed", "a method that the path has"),
    413: ("body_too_large", "a smaller body"),
    415: ("unsupported_media_type", "a body of type application/json or multipart/form-data"),
}
"""Code, and what was expected, of the statuses that the framework answers with by itself."""


def told(error: ExplainedError) -> Told:
    """The row of the table for an error."""
    return next((TABLE[kind] for kind in type(error).__mro__ if kind in TABLE), _INTERNAL)


def install(app: FastAPI) -> None:
    """Have every error of the application told in the one shape."""
    app.add_exception_handler(DrapeError, _explained)
    app.add_exception_handler(EmbeddingsError, _explained)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _of_framework)


def internal_error(request_id: str) -> JSONResponse:
    """The answer to a request that failed in a way nobody foresaw."""
    facts = ErrorFacts(
        code=_INTERNAL.code,
        message="Something went wrong here",
        remedy=f"try again; tell the operator the id {request_id}, which the log has",
        id=request_id,
    )
    return _answer(_INTERNAL.status, facts)


def new_id() -> str:
    """By which an answer finds its lines in the log."""
    return secrets.token_hex(8)


async def _explained(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, ExplainedError)
    how = told(error)
    headers = dict(CHALLENGE) if how.status == HTTPStatus.UNAUTHORIZED else {}
    if how.status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers["Retry-After"] = str(_RETRY_AFTER_SECONDS)
    if isinstance(error, BodyTooSlow):
        # What is still to come is not waited for.
        headers["Connection"] = "close"
    if isinstance(error, RateLimited):
        headers["Retry-After"] = str(error.seconds)
    if how.has_facts:
        facts = ErrorFacts(
            code=how.code,
            message=error.message,
            received=shortened(error.received),
            expected=error.expected,
            remedy=error.remedy,
        )
        return _answer(how.status, facts, headers)
    request_id = request.scope.get("request_id") or new_id()
    _log.warning("%s: %s", type(error).__name__, error, extra={"request": request_id})
    message = "Something went wrong here" if how is _INTERNAL else error.message
    remedy = "try again in a moment" if how.status == HTTPStatus.SERVICE_UNAVAILABLE else None
    return _answer(how.status, ErrorFacts(code=how.code, message=message, remedy=remedy, id=request_id), headers)


async def _invalid(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    return _answer(HTTPStatus.UNPROCESSABLE_ENTITY, validation_facts(error.errors()))


async def _of_framework(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    status = HTTPStatus(error.status_code)
    code, expected = _OF_STATUS.get(status, (status.phrase.lower().replace(" ", "_"), None))
    detail = error.detail if isinstance(error.detail, str) and error.detail != status.phrase else status.phrase
    facts = ErrorFacts(
        code=code, message=detail, received=shortened(f"{request.method} {request.url.path}"), expected=expected
    )
    return _answer(status, facts, error.headers)


def _answer(status: HTTPStatus, facts: ErrorFacts, headers: Mapping[str, str] | None = None) -> JSONResponse:
    return JSONResponse(ErrorAnswer(error=facts).model_dump(), status, headers)
