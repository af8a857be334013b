"""Feeds by address: fetched into a file that is gone afterwards, where they have changed, and ingested."""

from __future__ import annotations

import dataclasses
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from catalog.errors import FeedUnreadable, InvalidRequest
from catalog.ports.remote_files import FetchFailed, NotModified, RemoteFile, RemoteFiles, Validators
from catalog.repositories.jobs import Job, JobKind
from catalog.services.galleries.galleries import GalleryService
from catalog.services.ingesting.ingest import (
    DATED_PRICES,
    FetchedFrom,
    IngestRequest,
    IngestService,
    IngestSummary,
    named_as,
)
from catalog.services.ingesting.ingest_run import OnError
from catalog.services.progress import Advance, unheard
from catalog.types import JobState, is_address
from catalog.unit_of_work import UnitOfWorkFactory

MAX_ADDRESS_LENGTH: Final = 1_000
"""Image paths are put behind it, and what comes of that has its own bound."""

FOLDER_PREFIX: Final = "drape-feed-"
"""How the names of temporary folders begin that feeds are taken in."""

_MAX_NAME_LENGTH: Final = 100
_NOT_IN_A_NAME: Final = re.compile(r"[^A-Za-z0-9._-]+")


class RemoteFeedService:
    """Ingests feeds by address.

    Args:
        max_bytes: Larger feeds are refused.
    """

    def __init__(
        self,
        unit_of_work: UnitOfWorkFactory,
        files: RemoteFiles,
        ingest: IngestService,
        galleries: GalleryService,
        *,
        max_bytes: int,
    ) -> None:
        self._unit_of_work = unit_of_work
        self._files = files
        self._ingest = ingest
        self._galleries = galleries
        self._max_bytes = max_bytes

    def run(
        self,
        address: str,
        request: IngestRequest,
        on_error: OnError,
        fetching: Advance = unheard,
        reading: Advance = unheard,
    ) -> IngestSummary:
        """Fetch the feed and ingest it, unless its server says that it is what was ingested last.

        Args:
            request: What to do with it; its file is replaced by the one that is fetched.
            on_error: As ``IngestService.run``.
            fetching: Told the bytes that were fetched, and how many there are.
            reading: Told the bytes that were read, and how many there are.

        Raises:
            As ``fetch`` and ``IngestService.run``.
        """
        with self.fetch(address, request, fetching) as fetched:
            if not isinstance(fetched, IngestSummary):
                return self._ingest.run(fetched, on_error, reading)
            if request.handed_over is not None:
                self._end_unread(request.handed_over.job_id, fetched.job_id, address, request)
            return fetched

    @contextmanager
    def fetch(
        self, address: str, request: IngestRequest, advance: Advance = unheard
    ) -> Iterator[IngestRequest | IngestSummary]:
        """Fetch the feed into a file, which is gone after the ``with`` block.

        Yields:
            The request with that file; or, where the feed is what was ingested last, what taking it comes to.

        Raises:
            InvalidRequest: the address cannot be one of a feed.
            FetchRefused, FetchFailed: it could not be fetched.
        """
        check_feed_address(address)
        last = self._last_ingest(address, request)
        known = None if last is None else _validators(last)
        with tempfile.TemporaryDirectory(prefix=FOLDER_PREFIX) as folder:
            with self._files.open(address, max_bytes=self._max_bytes, known=known) as answer:
                if isinstance(answer, NotModified):
                    file = None
                else:
                    file = Path(folder) / _file_name(address, answer.url)
                    _save(answer, file, advance)
                    fetched = FetchedFrom(address, answer.validators)
            if file is None:
                yield self._unmodified(address, last, request)
                return
            try:
                yield dataclasses.replace(request, feed=file, fetched=fetched)
            except FeedUnreadable as error:
                raise named_as(error, file, address) from error

    def _end_unread(self, job_id: int, last_job_id: int, address: str, request: IngestRequest) -> None:
        """End a job that found its feed as the last one left it, with what is needed to find that out again."""
        with self._unit_of_work() as work:
            last = work.jobs.find(last_job_id)
            validators = None if last is None else (last.request or {}).get("validators")
            asked = {**request.to_json(), "feed": address, "validators": validators}
            if work.jobs.begin(job_id, address, asked, "B"):
                work.jobs.end(job_id, JobState.DONE, {"feed_unchanged": 1})
            work.commit()

    def _last_ingest(self, address: str, request: IngestRequest) -> Job | None:
        """The ingest that took this feed last, where the same version need not be taken again.

        It must be where it was asked for otherwise, did not end well, was undone, or holds prices of limited time; and,
        where products that the feed does not have are to be removed, where another feed may have brought some. What
        another feed has changed meanwhile stays: two feeds of one catalog, each with its columns, do not undo each
        other's news.
        """
        with self._unit_of_work() as work:
            merchant_id = work.merchants.find(request.merchant)
            if merchant_id is None:
                return None
            # The job that waits for this is no ingest yet.
            before = None if request.handed_over is None else request.handed_over.job_id
            jobs = work.jobs.latest(merchant_id, 1, JobKind.INGEST, subject=address, before=before)
            undoings = work.jobs.latest(merchant_id, 1, JobKind.UNDO, before=before)
            ingests = work.jobs.latest(merchant_id, 1, JobKind.INGEST, before=before)
        if not jobs or jobs[0].state is not JobState.DONE:
            return None
        (last,) = jobs
        if last.counts.get(DATED_PRICES):
            return None
        if undoings and undoings[0].id > last.id:
            return None
        if request.full_sync and ingests[0].id != last.id:
            return None
        return last if _options(last.request or {}) == _options(request.to_json()) else None

    def _unmodified(self, address: str, last: Job | None, request: IngestRequest) -> IngestSummary:
        if last is None:
            raise FetchFailed(
                "A server says that a feed has not changed, though it was not asked",
                received=f"304 from {address}",
                expected="the feed",
            )
        with self._unit_of_work() as work:
            merchant_id = work.merchants.id_of(request.merchant)
        when = last.started_at.astimezone()
        return IngestSummary(
            merchant_id=merchant_id,
            job_id=last.id,
            model_version=self._galleries.ensure_live(merchant_id, request.model).model_version,
            feed=address,
            read_as=None,
            counts={},
            notes=(f"The feed has not changed since ingest {last.id} of {when:%Y-%m-%d %H:%M}: nothing was read.",),
            is_unmodified=True,
        )


def check_feed_address(address: str) -> None:
    """Raise InvalidRequest where this cannot be the address of a feed."""
    try:
        parts = urlsplit(address)
        is_good = bool(parts.hostname) and "@" not in parts.netloc
    except ValueError:
        is_good = False
    if not is_good or not is_address(address) or not address.isprintable() or len(address) > MAX_ADDRESS_LENGTH:
        raise InvalidRequest(
            "This cannot be the address of a feed",
            # What stands before an @ may be a password.
            received=ascii(address[:MAX_ADDRESS_LENGTH]) if "@" not in address else "an address with @",
            expected=f"an http or https address of at most {MAX_ADDRESS_LENGTH:,} characters, with no user or password",
        )


def _options(asked: Mapping[str, Any]) -> dict[str, Any]:
    left_out = {"feed", "validators", "model", "max_removal"}
    return {name: value for name, value in asked.items() if name not in left_out}


def _validators(job: Job) -> Validators | None:
    told = (job.request or {}).get("validators") or {}
    known = Validators(told.get("etag"), told.get("last_modified"))
    return None if known == Validators() else known


def _file_name(address: str, found_at: str) -> str:
    """A name that ends as the feed's does, which says how it is written and packed."""
    names = [unquote(urlsplit(url).path.rpartition("/")[2]) for url in (address, found_at)]
    name = next((name for name in names if "." in name), names[0])
    return _NOT_IN_A_NAME.sub("_", name)[-_MAX_NAME_LENGTH:].lstrip(".") or "feed"


def _save(answer: RemoteFile, path: Path, advance: Advance) -> None:
    num_bytes = 0
    with path.open("xb") as file:
        for chunk in answer.chunks():
            file.write(chunk)
            num_bytes += len(chunk)
            advance(num_bytes, answer.num_bytes)
