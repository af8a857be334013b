"""One transaction: commits only when told to, rolls back otherwise."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Final, TypeAlias

from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.orm import Session, sessionmaker

from catalog.errors import DatabaseUnavailable
from catalog.ports.announcements import Announcements, NoAnnouncements, WorkQueue
from catalog.repositories.api_keys import ApiKeyRepository
from catalog.repositories.browsing import BrowsingRepository
from catalog.repositories.changes import ChangeRepository
from catalog.repositories.comparisons import ComparisonRepository
from catalog.repositories.facets import FacetRepository
from catalog.repositories.feed_schedules import FeedScheduleRepository
from catalog.repositories.galleries import GalleryRepository
from catalog.repositories.image_fetches import ImageFetchRepository
from catalog.repositories.images import ImageRepository
from catalog.repositories.jobs import JobRepository
from catalog.repositories.merchants import MerchantRepository
from catalog.repositories.outbox import OutboxRepository
from catalog.repositories.photo_hashes import PhotoHashRepository
from catalog.repositories.products import ProductRepository
from catalog.repositories.submitted_feeds import SubmittedFeedRepository
from catalog.repositories.webhooks import WebhookRepository

_NO_ANNOUNCEMENTS: Final = NoAnnouncements()


class UnitOfWork:
    """A transaction with its repositories, for use in one ``with`` block.

    Leaving the block without ``commit()`` rolls everything back. A lost connection is raised as
    ``DatabaseUnavailable``: the caller may run the whole block again.

    Args:
        announcements: Told, after the commit, once images have been marked dirty or wished for, feeds were handed over,
            or jobs have ended of which somebody is to be told.
    """

    merchants: MerchantRepository
    api_keys: ApiKeyRepository
    products: ProductRepository
    browsing: BrowsingRepository
    images: ImageRepository
    photo_hashes: PhotoHashRepository
    outbox: OutboxRepository
    fetches: ImageFetchRepository
    galleries: GalleryRepository
    facets: FacetRepository
    jobs: JobRepository
    changes: ChangeRepository
    comparisons: ComparisonRepository
    feed_schedules: FeedScheduleRepository
    submitted_feeds: SubmittedFeedRepository
    webhooks: WebhookRepository

    def __init__(self, sessions: sessionmaker[Session], announcements: Announcements = _NO_ANNOUNCEMENTS) -> None:
        self._sessions = sessions
        self._announcements = announcements

    def __enter__(self) -> UnitOfWork:
        self._session = self._sessions()
        self.merchants = MerchantRepository(self._session)
        self.api_keys = ApiKeyRepository(self._session)
        self.products = ProductRepository(self._session)
        self.browsing = BrowsingRepository(self._session)
        self.images = ImageRepository(self._session)
        self.photo_hashes = PhotoHashRepository(self._session)
        self.outbox = OutboxRepository(self._session)
        self.fetches = ImageFetchRepository(self._session)
        self.galleries = GalleryRepository(self._session)
        self.facets = FacetRepository(self._session)
        self.jobs = JobRepository(self._session)
        self.changes = ChangeRepository(self._session)
        self.comparisons = ComparisonRepository(self._session)
        self.feed_schedules = FeedScheduleRepository(self._session)
        self.submitted_feeds = SubmittedFeedRepository(self._session)
        self.webhooks = WebhookRepository(self._session)
        return self

    def images_waiting(self, merchant_id: int) -> int:
        """How many of the merchant's images wait to be fetched or indexed, those included that are being."""
        return self.outbox.backlog(merchant_id).waiting + self.fetches.num_waiting(merchant_id)

    def commit(self) -> None:
        """Make everything done in the block durable, then have workers look for the images that it marked or wished."""
        # Noted with what it tells of, so that neither is there without the other.
        has_to_tell = self.webhooks.note(self.jobs.take_ended(), self.images_waiting) > 0
        self._session.commit()
        if has_to_tell:
            self._announcements.announce(WorkQueue.HOOK)
        if self.outbox.take_marked():
            for queue in (WorkQueue.EMBED, WorkQueue.INDEX):
                self._announcements.announce(queue)
        if self.fetches.take_wished():
            self._announcements.announce(WorkQueue.FETCH)
        if self.submitted_feeds.take_handed_over():
            self._announcements.announce(WorkQueue.FEED)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._end()
        if isinstance(error, DBAPIError) and (error.connection_invalidated or isinstance(error, OperationalError)):
            raise DatabaseUnavailable(
                "PostgreSQL did not answer",
                received=str(error.orig).strip(),
                expected="a running server",
                remedy="check DRAPE_DATABASE_URL and that the server runs, then run the command again",
            ) from error

    def _end(self) -> None:
        try:
            self._session.rollback()
        except OperationalError:
            # The connection is gone, and with it the transaction: there is nothing left to roll back.
            self._session.invalidate()
        finally:
            self._session.close()


class UnitOfReading(UnitOfWork):
    """Statements that only read, on a connection where each is a transaction of its own.

    Each sees what has been committed when it begins, as in a transaction of READ COMMITTED, but none is begun or rolled
    back on the wire: one round trip to PostgreSQL where there would be three.
    """

    def commit(self) -> None:
        """Refused: what was written here is durable already, piece by piece.

        Raises:
            RuntimeError: always.
        """
        raise RuntimeError("what writes belongs into a UnitOfWork")

    def _end(self) -> None:
        # There is no transaction to roll back, and SQLAlchemy's work for it would be a tenth of a short statement's.
        self._session.close()


UnitOfWorkFactory: TypeAlias = Callable[[], UnitOfWork]
