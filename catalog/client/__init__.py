"""A client of the API, for programs of shops: typed, and patient with what is away for a moment.

It needs httpx and pydantic, and nothing of what the server consists of.
"""

from catalog.api_schemas.query import Boost, Crop, Filters
from catalog.client.client import Client
from catalog.client.errors import (
    AnswerUnusable,
    DrapeApiError,
    JobNotDone,
    KeyNotAccepted,
    MessageNotTrusted,
    NotFound,
    RateLimited,
    RequestRefused,
    ServerFailed,
    ServerUnreachable,
)
from catalog.client.retries import Retries
from catalog.client.webhooks import verify_webhook

__all__ = [
    "AnswerUnusable",
    "Boost",
    "Client",
    "Crop",
    "DrapeApiError",
    "Filters",
    "JobNotDone",
    "KeyNotAccepted",
    "MessageNotTrusted",
    "NotFound",
    "RateLimited",
    "RequestRefused",
    "Retries",
    "ServerFailed",
    "ServerUnreachable",
    "verify_webhook",
]
