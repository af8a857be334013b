"""Errors of the catalog. Each carries facts as fields; only the edges turn them into exit codes or HTTP statuses."""

from __future__ import annotations

from embeddings.errors import ExplainedError


class DrapeError(ExplainedError):
    """A failure of the catalog: its message, what was received, what was expected, what to do."""


class FeedUnreadable(DrapeError):
    """The feed as a whole cannot be read (no such file, empty, not text, no usable header)."""


class InvalidRequest(DrapeError):
    """A search or command asks for something that has no meaning (limit 0, unknown mode, unknown feature)."""


class MerchantNotFound(DrapeError):
    """No merchant of that name has been ingested."""


class ProductNotFound(DrapeError):
    """The merchant has no product of that id, or none of its images is indexed yet."""


class ImageNotFound(DrapeError):
    """No product of the merchant has an image of that content."""


class JobNotFound(DrapeError):
    """No job has this id."""


class JobCancelled(DrapeError):
    """Somebody asked the job to end."""


class KeyRefused(DrapeError):
    """No API key, or one that does not count. Those outside are not told whether it ever did."""


class ScopeMissing(DrapeError):
    """The API key is good, but not for this."""


class OriginNotAllowed(DrapeError):
    """A public API key came from elsewhere than a page of the sites that it is for."""


class KeyNotFound(DrapeError):
    """There is no API key of this id or prefix."""


class WebhookNotFound(DrapeError):
    """There is no webhook of this id."""


class GalleryNotFound(DrapeError):
    """Nothing is searchable yet: no live gallery, or no such collection."""


class GalleryBusy(DrapeError):
    """A gallery cannot be built, changed to or dropped while another process works on it."""


class GalleryRejected(DrapeError):
    """A gallery that was built did not pass the checks that come before searches go to it. It is kept."""


class RemovalRefused(DrapeError):
    """A full sync would remove more of the catalog than the guard allows."""


class NothingToUndo(DrapeError):
    """The merchant's last ingest changed nothing that could be undone, or has been undone."""


class IngestRunning(DrapeError):
    """The merchant's catalog is being ingested by another process."""


class IndexBusy(DrapeError):
    """Another process owns the embedded vector index."""


class IndexUnavailable(DrapeError):
    """The vector index did not answer or refused an operation."""


class DatabaseUnavailable(DrapeError):
    """PostgreSQL did not answer."""


class BrokerUnavailable(DrapeError):
    """Redis, which carries announcements to workers, did not answer."""


class QueryNetworkBusy(DrapeError):
    """No worker has embedded a photo that is searched with within the time that a query may take."""


class NetworkProcessUnavailable(DrapeError):
    """The process that runs the networks cannot be started or load one, or has been stopped for good."""


class NetworkProcessEnded(NetworkProcessUnavailable):
    """The process that runs the networks has ended at its work, maybe by what it was given."""


class ImageStoreUnavailable(DrapeError):
    """The image store cannot be read or written."""


class ModelStoreUnavailable(DrapeError):
    """The model versions that machines share cannot be read or written."""


class VocabularyUnusable(DrapeError):
    """A vocabulary file cannot be read or says something that has no meaning. The message names the entry."""
