"""Feeds that are handed over: noted as jobs that wait, and taken, one after the other, by whoever does such work.

A feed is handed over in one transaction with its job; until that has ended, both are found again by whoever looks,
whatever was killed meanwhile.
"""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
import logging
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

from catalog.errors import (
    DatabaseUnavailable,
    DrapeError,
    FeedUnreadable,
    ImageStoreUnavailable,
    IngestRunning,
    InvalidRequest,
    JobCancelled,
)
from catalog.feeds.archived_images import unpack_images
from catalog.ports.feed_store import FeedStore
from catalog.repositories.jobs import Job, JobKind
from catalog.repositories.submitted_feeds import SubmittedFeed
from catalog.services.ingesting.ingest import HandedOver, IngestRequest, IngestService, named_as
from catalog.services.ingesting.remote_feeds import FOLDER_PREFIX, RemoteFeedService, check_feed_address
from catalog.services.ingesting.stopped import Stopped
from catalog.types import DialectName, RowError
from catalog.unit_of_work import UnitOfWork, UnitOfWorkFactory
from embeddings.errors import ExplainedError

BUSY: Final = datetime.timedelta(seconds=5)
"""So long a feed waits whose merchant's catalog is being ingested from elsewhere."""

AWAY: Final = datetime.timedelta(minutes=1)
"""So long a feed waits when the image store, where it is or its photos go, does not answer; that is no fault of it."""

MOST_ATTEMPTS: Final = 3
"""So often a feed is begun whose taker is killed each time."""

ABANDONED: Final = datetime.timedelta(days=1)
"""When it is so old, an uploaded file that no job asks for is deleted, and a folder in which a feed was being taken."""

SWEEP_SECONDS: Final = 3600.0
"""So often, at most, it is looked for these."""

LONGEST_KEY: Final = 255
_LONGEST_NAME: Final = 100
_PIECE: Final = 2**20

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class FeedOptions:
    """How a feed is taken; as in ``IngestRequest``."""

    full_sync: bool = False
    max_removal: float = 0.2
    attributes_as_given: bool = False
    dialect: DialectName | None = None
    currency: str | None = None


@dataclass(frozen=True, slots=True)
class Submission:
    """A feed as it was handed over.

    Args:
        is_new: False where it had been, under the same idempotency key.
    """

    job: Job
    is_new: bool


@dataclass(frozen=True, slots=True)
class TakenSubmission:
    """What came of a feed: what its job counted, or why it failed."""

    job_id: int
    merchant: str
    counts: Mapping[str, int]
    error: str | None


class FeedSubmissionService:
    """Takes feeds over, and takes them.

    Args:
        model: The model version of a merchant's gallery, where there is none yet.
        max_image_bytes, max_feed_bytes: Larger ones are refused.
        lease: A feed whose taker has said nothing for so long is taken by another.
        clock: Seconds, monotonic.
    """

    def __init__(
        self,
        unit_of_work: UnitOfWorkFactory,
        store: FeedStore,
        ingest: IngestService,
        remote_feeds: RemoteFeedService,
        *,
        model: str,
        max_image_bytes: int,
        max_feed_bytes: int,
        lease: datetime.timedelta,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._unit_of_work = unit_of_work
        self._store = store
        self._ingest = ingest
        self._remote_feeds = remote_feeds
        self._model = model
        self._max_image_bytes = max_image_bytes
        self._max_feed_bytes = max_feed_bytes
        self._lease = lease
        self._clock = clock
        self._swept = float("-inf")

    def check_free(self, merchant_id: int, merchant: str) -> None:
        """Find out whether a feed would be turned away, before it is uploaded in vain.

        Raises:
            IngestRunning: the merchant's catalog is being ingested, or is to be.
        """
        with self._unit_of_work() as work:
            self._require_free(work, merchant_id, merchant)

    def submit_address(
        self, merchant_id: int, merchant: str, address: str, options: FeedOptions, idempotency_key: str | None = None
    ) -> Submission:
        """Have the feed at an address taken.

        Raises:
            IngestRunning: the merchant's catalog is being ingested, or is to be.
            InvalidRequest: the address cannot be one of a feed, there is no such currency, or the key was used for
                something else.
        """
        check_feed_address(address)
        asked = {**self._request(merchant, options).to_json(), "feed": address}
        return self._submit(merchant_id, merchant, address, asked, None, idempotency_key)

    def submit_upload(
        self,
        merchant_id: int,
        merchant: str,
        file: BinaryIO,
        name: str,
        options: FeedOptions,
        idempotency_key: str | None = None,
    ) -> Submission:
        """Have an uploaded file taken.

        Args:
            file: At its beginning. It is copied, and may be closed afterwards.
            name: What it is called where it came from.

        Raises:
            IngestRunning: the merchant's catalog is being ingested, or is to be.
            InvalidRequest: there is no such currency, or the key was used for something else.
            ImageStoreUnavailable: the file cannot be kept.
        """
        request = self._request(merchant, options)
        shown = shown_name(name)
        digest = hashlib.sha256()
        while piece := file.read(_PIECE):
            digest.update(piece)
        file.seek(0)
        asked = {**request.to_json(), "feed": shown, "sha256": digest.hexdigest()}
        upload = self._store.put(file, name)
        submission: Submission | None = None
        try:
            submission = self._submit(merchant_id, merchant, shown, asked, upload, idempotency_key)
        finally:
            if submission is None or not submission.is_new:
                self._store.delete(upload)
        return submission

    def run_due(self, stop: Callable[[], bool] = lambda: False) -> list[TakenSubmission]:
        """Take one feed after the other until none is due. A failure ends its job, and the next one is taken.

        Now and then, before that, what crashes and cancelled jobs have left is swept.

        Args:
            stop: Asked now and then; once it says so, the feed at hand is given back, and its job waits again.
        """
        if self._clock() - self._swept >= SWEEP_SECONDS:
            self._swept = self._clock()
            try:
                num_swept = self.sweep()
            except ImageStoreUnavailable as error:
                # Feeds by address may do without the store.
                _log.warning("Uploaded feeds that nobody asks for were not looked for: %s", error)
            else:
                if num_swept:
                    _log.info("Deleted %d uploaded feeds that nobody asks for", num_swept)
        taken: list[TakenSubmission] = []
        while not stop():
            with self._unit_of_work() as work:
                feed = work.submitted_feeds.claim(self._lease)
                work.commit()
            if feed is None:
                break
            one = self._take(feed, stop)
            if one is not None:
                taken.append(one)
        return taken

    def begin_alone(self) -> None:
        """Take up at once what a taker that was killed has left. Only where no other process takes feeds."""
        with self._unit_of_work() as work:
            work.submitted_feeds.release_abandoned()
            work.commit()

    def sweep(self) -> int:
        """Delete uploaded files that no job asks for, and folders of feeds on this machine; how many files.

        The files are those of jobs that were cancelled before they began, or of a process that was killed in between.
        """
        _delete_old_folders()
        old = self._store.older_than(ABANDONED)
        if not old:
            return 0
        with self._unit_of_work() as work:
            wanted = work.submitted_feeds.uploads()
        left = [key for key in old if key not in wanted]
        for key in left:
            self._store.delete(key)
        return len(left)

    def _request(self, merchant: str, options: FeedOptions) -> IngestRequest:
        request = IngestRequest(
            feed=Path("feed"),
            merchant=merchant,
            model=self._model,
            full_sync=options.full_sync,
            max_removal=options.max_removal,
            attributes_as_given=options.attributes_as_given,
            dialect=options.dialect,
            currency=options.currency,
        )
        request.reading_options()
        return request

    def _submit(
        self,
        merchant_id: int,
        merchant: str,
        subject: str,
        asked: Mapping[str, Any],
        upload: str | None,
        idempotency_key: str | None,
    ) -> Submission:
        with self._unit_of_work() as work:
            # Two that come at the same time are noted one after the other.
            work.merchants.lock(merchant_id)
            known = None if idempotency_key is None else work.jobs.called(merchant_id, idempotency_key)
            if known is not None:
                if _content(known.request or {}) != _content(asked):
                    raise InvalidRequest(
                        "The idempotency key was used for another feed, or other options",
                        received=f"the key of job {known.id}",
                        expected="a key of its own for each feed that is handed over",
                    )
                return Submission(known, is_new=False)
            self._require_free(work, merchant_id, merchant)
            noted = dict(asked) if upload is None else {**asked, "upload": upload}
            job_id = work.jobs.hand_over(merchant_id, JobKind.INGEST, subject, noted, idempotency_key)
            work.submitted_feeds.put(job_id, merchant_id, upload)
            job = work.jobs.find(job_id)
            work.commit()
        assert job is not None
        return Submission(job, is_new=True)

    def _require_free(self, work: UnitOfWork, merchant_id: int, merchant: str) -> None:
        if work.submitted_feeds.has(merchant_id):
            raise IngestRunning(
                "A feed of this merchant waits to be taken, or is being taken",
                received=f"another feed of {merchant}",
                expected="one at a time",
                remedy="wait until its job has ended, or cancel it",
            )
        work.merchants.check_not_ingested(merchant_id, merchant)

    def _take(self, feed: SubmittedFeed, stop: Callable[[], bool]) -> TakenSubmission | None:
        """Take a feed; None where its turn has not come, where it waits again, or it was cancelled meanwhile."""
        held_at = self._clock()

        def hold(*_: object) -> None:
            nonlocal held_at
            if stop():
                raise Stopped
            if self._clock() - held_at >= self._lease.total_seconds() / 4:
                held_at = self._clock()
                with self._unit_of_work() as work:
                    is_wanted = work.submitted_feeds.hold(feed.job_id, self._lease)
                    work.commit()
                if not is_wanted:
                    raise JobCancelled(f"Job {feed.job_id} was cancelled before it began")

        try:
            if feed.attempts > MOST_ATTEMPTS:
                raise DrapeError(
                    "The feed was given up: whatever took it was killed",
                    received=f"{MOST_ATTEMPTS} attempts",
                    expected="one that comes to its end",
                    remedy="hand it over again, in smaller parts; the operator finds out what happened",
                )
            with self._unit_of_work() as work:
                work.merchants.check_not_ingested(feed.merchant_id, feed.merchant)
            if feed.upload is None:
                request = self._of(feed, HandedOver(feed.job_id))
                counts = self._remote_feeds.run(feed.request["feed"], request, _ignore, hold, hold).counts
            else:
                with self._unpacked(feed) as request:
                    counts = self._ingest.run(request, _ignore, hold).counts
        except IngestRunning:
            self._give_back(feed, BUSY)
            return None
        except Stopped:
            self._give_back(feed, datetime.timedelta(0))
            return None
        except ImageStoreUnavailable as error:
            _log.warning("A feed that was handed over waits: %s", error, extra=_of_job(feed))
            self._give_back(feed, AWAY)
            return None
        except DatabaseUnavailable:
            # The lease ends, and somebody tries again.
            raise
        except JobCancelled:
            self._forget(feed, None)
            return None
        except (ExplainedError, OSError) as error:
            self._forget(feed, error)
            return TakenSubmission(feed.job_id, feed.merchant, {}, str(error) or type(error).__name__)
        except Exception as error:
            # Nobody has foreseen it: it is told whole, and the feed is not begun again.
            self._forget(feed, error)
            raise
        self._forget(feed, None)
        return TakenSubmission(feed.job_id, feed.merchant, counts, None)

    def _of(self, feed: SubmittedFeed, handed_over: HandedOver) -> IngestRequest:
        request = IngestRequest.from_json(feed.request)
        # An uploaded feed comes from somebody who must not read files of this machine, whatever was noted.
        return dataclasses.replace(request, merchant=feed.merchant, allow_absolute=False, handed_over=handed_over)

    @contextmanager
    def _unpacked(self, feed: SubmittedFeed) -> Iterator[IngestRequest]:
        """The feed in a folder with nothing else but the photos that came with it, gone after the ``with`` block."""
        assert feed.upload is not None
        name = str(feed.request["feed"])
        with tempfile.TemporaryDirectory(prefix=FOLDER_PREFIX) as folder:
            file = Path(folder) / feed.upload
            self._store.copy(feed.upload, file)
            handed_over = HandedOver(feed.job_id, name, feed.upload, feed.request.get("sha256"))
            try:
                unpack_images(file, max_image_bytes=self._max_image_bytes, max_bytes=self._max_feed_bytes)
                yield dataclasses.replace(self._of(feed, handed_over), feed=file)
            except FeedUnreadable as error:
                raise named_as(error, file, name) from error

    def _give_back(self, feed: SubmittedFeed, wait: datetime.timedelta) -> None:
        with self._unit_of_work() as work:
            work.submitted_feeds.give_back(feed.job_id, wait)
            work.commit()

    def _forget(self, feed: SubmittedFeed, error: Exception | None) -> None:
        """End the job, where that has not been done, and delete the file, which nobody needs any more.

        Args:
            error: Why it failed; None where it ended well, or was cancelled.
        """
        with self._unit_of_work() as work:
            work.jobs.end_unended(feed.job_id, error)
            work.commit()
        if feed.upload is None:
            return
        try:
            self._store.delete(feed.upload)
        except ImageStoreUnavailable as error:
            _log.warning("An uploaded feed stays until it is swept: %s", error, extra=_of_job(feed))


def _delete_old_folders() -> None:
    """Delete what processes that were killed had unpacked or fetched."""
    before = time.time() - ABANDONED.total_seconds()
    for folder in Path(tempfile.gettempdir()).glob(f"{FOLDER_PREFIX}*"):
        try:
            is_old = folder.lstat().st_mtime < before
        except FileNotFoundError:
            continue
        if is_old:
            # Those of other users stay.
            shutil.rmtree(folder, ignore_errors=True)


def shown_name(name: str) -> str:
    """What a file that was uploaded is called, without folders and what cannot be shown.

    >>> shown_name("C:\\\\feeds\\\\summer.csv"), shown_name("/etc/../a\\x00b.csv"), shown_name("")
    ('summer.csv', 'a_b.csv', 'feed')
    """
    last = name.replace("\\", "/").rpartition("/")[2]
    return "".join(letter if letter.isprintable() else "_" for letter in last)[-_LONGEST_NAME:].strip() or "feed"


def _of_job(feed: SubmittedFeed) -> dict[str, str | int]:
    return {"merchant": feed.merchant, "job": feed.job_id}


def _content(asked: Mapping[str, Any]) -> dict[str, Any]:
    """What must be the same where the same is asked for again."""
    return {name: value for name, value in asked.items() if name not in ("upload", "validators", "model")}


def _ignore(error: RowError) -> None:
    """The first errors of rows are kept in the job, and all are counted there."""
