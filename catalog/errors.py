"""Errors of the catalog. Each carries facts as fields; only the edges turn them into exit codes or HTTP statuses."""

from __future__ import annotations


class DrapeError(Exception):
    """A failure with its facts: what happened, what was received, what was expected, what to do.

    Args:
        message: One sentence that says what went wrong.
        received: What was found, as a person would recognise it.
        expected: What would have been right.
        remedy: What to do about it.
    """

    def __init__(
        self, message: str, *, received: str | None = None, expected: str | None = None, remedy: str | None = None
    ) -> None:
        self.message = message
        self.received = received
        self.expected = expected
        self.remedy = remedy
        super().__init__(message)

    @property
    def code(self) -> str:
        """The error's stable name for programs, e.g. ``ProductNotFound``."""
        return type(self).__name__

    def __str__(self) -> str:
        parts = [self.message]
        if self.received is not None:
            parts.append(f"received: {self.received}")
        if self.expected is not None:
            parts.append(f"expected: {self.expected}")
        if self.remedy is not None:
            parts.append(f"to do: {self.remedy}")
        return "; ".join(parts)


class FeedUnreadable(DrapeError):
    """The feed as a whole cannot be read (no such file, empty, not text, no usable header)."""


class InvalidRequest(DrapeError):
    """A search or command asks for something that has no meaning (limit 0, unknown mode, unknown feature)."""


class MerchantNotFound(DrapeError):
    """No merchant of that name has been ingested."""


class ProductNotFound(DrapeError):
    """The merchant has no product of that id, or none of its images is indexed yet."""


class GalleryNotFound(DrapeError):
    """Nothing is searchable yet: no live gallery, or no such collection."""


class RemovalRefused(DrapeError):
    """A full sync would remove more of the catalog than the guard allows."""


class IngestRunning(DrapeError):
    """The merchant's catalog is being ingested by another process."""


class IndexBusy(DrapeError):
    """Another process owns the embedded vector index."""


class IndexUnavailable(DrapeError):
    """The vector index did not answer or refused an operation."""


class DatabaseUnavailable(DrapeError):
    """PostgreSQL did not answer."""


class ImageStoreUnavailable(DrapeError):
    """The image store cannot be read or written."""
