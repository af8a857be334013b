"""What may go wrong between a client and the API, with the facts that the API tells."""

from __future__ import annotations

import datetime
from typing import Any

import httpx
from pydantic import ValidationError

from catalog.api_schemas.errors import ErrorAnswer, shortened, validation_facts
from catalog.api_schemas.jobs import JobAnswered
from catalog.errors import DrapeError
from catalog.retry_after import retry_after_seconds


class DrapeApiError(DrapeError):
    """A request that came to nothing.

    Args:
        code: For programs; of the API's own errors it is the one that the API tells.
        status: Of the answer, or None where there was none.
        request_id: By which an operator finds the request in the log.
        retry_after: Seconds that the answer asked to be waited.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str,
        status: int | None = None,
        received: str | None = None,
        expected: str | None = None,
        remedy: str | None = None,
        request_id: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message, received=received, expected=expected, remedy=remedy)
        self.code = code
        self.status = status
        self.request_id = request_id
        self.retry_after = retry_after


class RequestRefused(DrapeApiError):
    """What was asked for cannot be had so; the same again is refused again. Status 400 to 499, or refused unsent."""


class KeyNotAccepted(RequestRefused):
    """There is no key, it does not count, or it is not for this. Status 401 or 403."""


class NotFound(RequestRefused):
    """The key's merchant has no such product, photo, job or webhook, or nothing to search. Status 404."""


class RateLimited(DrapeApiError):
    """The key has been used too often, and waiting for more would take longer than the call may. Status 429."""


class ServerFailed(DrapeApiError):
    """Something is away for the moment, or failed. Status 500 to 599."""


class ServerUnreachable(DrapeApiError):
    """No answer came: nobody listens there, the connection broke, or it took too long."""


class AnswerUnusable(DrapeApiError):
    """The answer is none of Drape's, or of a version that this client does not know."""


class JobNotDone(DrapeApiError):
    """A job ended otherwise than done, or not in time.

    Args:
        job: The job as it was told last.
    """

    def __init__(self, message: str, job: JobAnswered, *, code: str, received: str, remedy: str) -> None:
        super().__init__(message, code=code, received=received, expected="a job that is done", remedy=remedy)
        self.job = job


class MessageNotTrusted(DrapeError):
    """A webhook's message was not signed with the secret, is too old, or is none."""


def of_answer(response: httpx.Response) -> DrapeApiError:
    """The error that an answer tells: the API's own, or that of a proxy before it."""
    status = response.status_code
    told: dict[str, Any] = {
        "status": status,
        "request_id": response.headers.get("X-Request-Id"),
        "retry_after": retry_after_seconds(response.headers.get("Retry-After"), datetime.datetime.now(datetime.UTC)),
    }
    kind = _kind(status)
    try:
        facts = ErrorAnswer.model_validate_json(response.content).error
    except ValidationError:
        return kind(
            f"The server answers with status {status}, and not as Drape does",
            code=f"status_{status}",
            received=shortened(response.text.strip()) or "an empty body",
            expected="an answer of Drape's API",
            remedy=_remedy(response),
            **told,
        )
    return kind(
        facts.message,
        code=facts.code,
        received=facts.received,
        expected=facts.expected,
        remedy=facts.remedy,
        **told,
    )


def unreachable(error: httpx.TransportError, url: str) -> ServerUnreachable:
    """That no answer came."""
    is_late = isinstance(error, httpx.TimeoutException)
    return ServerUnreachable(
        "The server did not answer in time" if is_late else "The server cannot be reached",
        code="timed_out" if is_late else "unreachable",
        received=f"{type(error).__name__}: {error}" if str(error) else type(error).__name__,
        expected=f"an answer of {url}",
        remedy="try again in a moment; see whether the server runs, and whether the address is right",
    )


def unusable(response: httpx.Response, error: Exception) -> AnswerUnusable:
    """That an answer is not what was asked for."""
    why = error.errors(include_url=False)[0]["msg"] if isinstance(error, ValidationError) else str(error)
    return AnswerUnusable(
        "The server answers with something else than what was asked for",
        code="unusable_answer",
        status=response.status_code,
        received=shortened(response.text) if not isinstance(error, httpx.DecodingError) else "bytes of no encoding",
        expected=f"an answer of Drape's API; {why}",
        remedy="see whether the address is right, and whether the server has the client's version",
        request_id=response.headers.get("X-Request-Id"),
    )


def invalid(error: ValidationError) -> RequestRefused:
    """That what was to be asked has no meaning, as the API would say it."""
    facts = validation_facts(error.errors(include_url=False))
    return RequestRefused(facts.message, code=facts.code, received=facts.received, expected=facts.expected)


def _kind(status: int) -> type[DrapeApiError]:
    match status:
        case 401 | 403:
            return KeyNotAccepted
        case 404:
            return NotFound
        case 429:
            return RateLimited
        case _ if status >= 500:
            return ServerFailed
        case _ if status >= 400:
            return RequestRefused
        case _:
            return AnswerUnusable


def _remedy(response: httpx.Response) -> str:
    if response.is_redirect:
        return f"use the address that it names: {response.headers.get('Location')}"
    return "see whether the address is right, and what stands before the server"
