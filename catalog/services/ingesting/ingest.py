"""A feed becomes rows: products and images are written, and what changed is marked dirty, in the same transaction."""

from __future__ import annotations

import dataclasses
import itertools
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

from catalog.attributes.feed_words import FeedWordsReport
from catalog.errors import FeedUnreadable, InvalidRequest, RemovalRefused
from catalog.feeds import Column, FeedReader, ReadingOptions, open_feed, reading_options
from catalog.ports.image_store import ImageStore
from catalog.ports.remote_files import Validators
from catalog.repositories.jobs import JobKind
from catalog.services.galleries.galleries import GalleryService
from catalog.services.ingesting.first_errors import FirstErrors
from catalog.services.ingesting.ingest_rows import RowWriter
from catalog.services.ingesting.ingest_run import IngestRun, OnError, repeated_id
from catalog.services.ingesting.pixel_crops import boxes_to_fetch, with_pixel_crops
from catalog.services.ingesting.source_images import ImageFiles, SourceImages
from catalog.services.job_run import JobRun
from catalog.services.progress import Advance, unheard
from catalog.types import DialectName, FeedImage, Outcome, ProductField, ProductRecord, RowError
from catalog.unit_of_work import UnitOfWork, UnitOfWorkFactory

ROWS_PER_TRANSACTION = 200
DATED_PRICES = "dated_prices"
"""Among the counts: rows with a price that begins or ends later. Without such rows it is left out."""
RUNS_KEPT = 10
"""Of so many runs of a merchant it is kept what they changed."""
MAX_MERCHANT_NAME = 100


@dataclass(frozen=True, slots=True)
class FetchedFrom:
    """Where a feed was fetched from, and what its server said of its version.

    Args:
        address: As it was asked for, before redirects: relative image paths start from it.
    """

    address: str
    validators: Validators


@dataclass(frozen=True, slots=True)
class HandedOver:
    """That a feed was handed over, and somebody else takes it.

    Args:
        job_id: The job that waits for that.
        name: What an uploaded file was called where it came from; None of a feed by address.
        upload: The key of that file in the feed store.
        sha256: Of that file.
    """

    job_id: int
    name: str | None = None
    upload: str | None = None
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class IngestRequest:
    """What to ingest, and how careful to be.

    Args:
        feed: The feed's file, or folder.
        merchant: The merchant's name; a new one is made.
        model: The model version of the merchant's gallery, where there is none yet.
        allow_absolute: Whether image paths may be absolute.
        full_sync: Whether products that the feed does not have are removed.
        max_removal: The share of the catalog, 0 to 1, that a full sync may remove.
        attributes_as_given: Whether attributes keep the feed's words, instead of the vocabulary's names.
        dialect: The feed's dialect; None finds it out.
        currency: ISO 4217 code of prices that come without one; None takes no such price.
        fetched: Where the file was fetched from, if it was.
        handed_over: What is known of the feed, where it was handed over.
    """

    feed: Path
    merchant: str
    model: str
    allow_absolute: bool = False
    full_sync: bool = False
    max_removal: float = 0.2
    attributes_as_given: bool = False
    dialect: DialectName | None = None
    currency: str | None = None
    fetched: FetchedFrom | None = None
    handed_over: HandedOver | None = None

    @property
    def subject(self) -> str:
        """What the feed is called."""
        if self.handed_over is not None and self.handed_over.name is not None:
            return self.handed_over.name
        return _storable(self.feed) if self.fetched is None else self.fetched.address

    def reading_options(self) -> ReadingOptions:
        """What the feed does not say of itself.

        Raises:
            InvalidRequest: there is no such currency.
        """
        return reading_options(self.dialect, self.currency)

    def to_json(self) -> dict[str, object]:
        """The request as JSON-serialisable values, with the feed's address or whole path: to be asked again."""
        asked = dataclasses.asdict(self)
        del asked["fetched"], asked["handed_over"]
        if self.handed_over is not None and self.handed_over.name is not None:
            uploaded = {"upload": self.handed_over.upload, "sha256": self.handed_over.sha256}
            return {**asked, "feed": self.handed_over.name, **uploaded}
        if self.fetched is None:
            return {**asked, "feed": _storable(self.feed.absolute())}
        validators = dataclasses.asdict(self.fetched.validators)
        return {**asked, "feed": self.fetched.address, "validators": validators}

    @classmethod
    def from_json(cls, asked: Mapping[str, Any]) -> IngestRequest:
        """The request that ``to_json`` has written; of a feed that was fetched, without its file."""
        names = {field.name for field in dataclasses.fields(cls)} & asked.keys()
        dialect = asked.get("dialect")
        return cls(
            **{
                **{name: asked[name] for name in names},
                "feed": Path(asked["feed"]),
                "dialect": None if dialect is None else DialectName(dialect),
            }
        )


@dataclass(frozen=True, slots=True)
class IngestSummary:
    """What an ingest did.

    Args:
        model_version: That of the merchant's live gallery.
        feed: The feed's file name, or the address that it was fetched from.
        read_as: What the feed was taken for; None where nothing was read.
        counts: ``products_new``, ``products_changed``, ``products_unchanged``, ``products_removed``, ``rows_failed``,
            ``images_new``, ``images_changed``, ``images_unchanged``, ``images_removed``, ``images_failed``,
            ``values_mended``; and ``images_to_fetch``, which are by address, and of which more is known once they have
            been fetched.
        reasons: What was expected, and how many rows or images failed it.
        mended: What was expected, and how many values were taken although they did not hold to it.
        notes: What the reader noticed about the feed as a whole.
        refusal: Why the full sync removed nothing, where it was refused.
        words: What the feed's words for attributes left open.
        seconds: How long reading the feed and writing the rows took.
        is_unmodified: The feed is as it was when the job took it, so that nothing was read.
    """

    merchant_id: int
    job_id: int
    model_version: str
    feed: str
    read_as: str | None
    counts: Mapping[str, int]
    reasons: Mapping[str, int] = field(default_factory=dict)
    mended: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    refusal: RemovalRefused | None = None
    words: FeedWordsReport = field(default_factory=FeedWordsReport)
    seconds: float = 0.0
    is_unmodified: bool = False


class IngestService:
    """Takes feeds.

    Args:
        max_pixels, max_bytes: Larger images are refused before they are decoded, or read.
        read_threads: Images read at the same time.
    """

    def __init__(
        self,
        unit_of_work: UnitOfWorkFactory,
        images: ImageStore,
        galleries: GalleryService,
        *,
        max_pixels: int,
        max_bytes: int,
        read_threads: int,
    ) -> None:
        self._unit_of_work = unit_of_work
        self._images = images
        self._galleries = galleries
        self._max_pixels = max_pixels
        self._max_bytes = max_bytes
        self._read_threads = read_threads

    def run(self, request: IngestRequest, on_error: OnError, advance: Advance = unheard) -> IngestSummary:
        """Read the whole feed. Each transaction takes some rows; what was committed stays, whatever comes after.

        Args:
            on_error: Told every row and every image that was not taken, in the feed's order.
            advance: Told the bytes of the feed that were read, and its size.

        Raises:
            InvalidRequest: the merchant's name cannot be one. Nothing was written.
            FeedUnreadable: the file is no feed. Nothing was written.
            embeddings.errors.UnusableModel: a new merchant's model version cannot be used. Nothing was written.
            IngestRunning: the merchant's catalog is being ingested by another process.
            ImageStoreUnavailable, DatabaseUnavailable: they are away. A job that was handed over waits again.
        """
        check_merchant_name(request.merchant)
        with open_feed(request.feed, request.reading_options()) as reader:
            with self._unit_of_work() as work:
                if work.merchants.find(request.merchant) is None:
                    # Asked before the merchant is made, so that a mistyped version leaves no empty merchant behind.
                    self._galleries.describe(request.model)
                merchant_id = work.merchants.ensure(request.merchant)
                work.commit()
            # Held open until the end: a second ingest of this merchant is turned away, and a killed one's lock is free.
            with self._unit_of_work() as guard:
                guard.merchants.claim_ingest(merchant_id, request.merchant)
                return self._run(reader, request, merchant_id, on_error, advance)

    def set_aside(self, job_id: int, image_ids: Sequence[int]) -> list[RowError]:
        """Images of an ingest that the indexer could not take, as errors of the feed's rows.

        Args:
            job_id: The merchant's last ingest.
            image_ids: From ``IndexingSummary.quarantined_images``.
        """
        with self._unit_of_work() as work:
            rows = work.products.set_aside(job_id, image_ids)
        return [
            RowError(
                line,
                Column.IMAGE,
                f"{source}: {reason}",
                "an image that can be decoded",
                external_id,
                Outcome.IMAGE_LEFT_OUT,
            )
            for line, external_id, source, reason in rows
        ]

    def _run(
        self, reader: FeedReader, request: IngestRequest, merchant_id: int, on_error: OnError, advance: Advance
    ) -> IngestSummary:
        gallery = self._galleries.ensure_live(merchant_id, request.model)
        started = time.perf_counter()
        with self._unit_of_work() as work:
            work.products.forget_sightings(merchant_id)
            work.changes.keep_latest(merchant_id, JobKind.INGEST, RUNS_KEPT - 1)
            work.commit()
        sources = SourceImages(
            self._images,
            ImageFiles(
                reader.image_folder,
                allow_absolute=request.allow_absolute,
                max_pixels=self._max_pixels,
                max_bytes=self._max_bytes,
            ),
        )
        refusal: RemovalRefused | None = None
        asked = request.to_json()
        waiting = None if request.handed_over is None else request.handed_over.job_id
        with JobRun(
            self._unit_of_work, merchant_id, JobKind.INGEST, request.subject, asked, unit="B", waiting=waiting
        ) as job:
            first_errors = FirstErrors(on_error, reader.image_folder)
            job.errors = first_errors.kept
            run = IngestRun(
                merchant_id,
                job.id,
                first_errors,
                attributes_as_given=request.attributes_as_given,
                told=first_errors.told,
            )

            def look() -> None:
                job.end_if_cancelled()
                job.counts = run.counts
                job.report(reader.position, reader.num_bytes)
                advance(reader.position, reader.num_bytes)

            reader.on_rows = look
            try:
                with ThreadPoolExecutor(self._read_threads, thread_name_prefix="read") as readers:
                    for rows in _chunks(_located(reader, request), ROWS_PER_TRANSACTION):
                        job.end_if_cancelled()
                        self._take(rows, sources, run, readers, reader)
                        advance(reader.position, reader.num_bytes)
                if reader.num_dated_prices:
                    run.counts[DATED_PRICES] = reader.num_dated_prices
                if request.full_sync:
                    job.end_if_cancelled()
                    refusal = self._remove_unsighted(request, run)
                    job.failure = refusal
            except FeedUnreadable as error:
                raise named_as(error, request.feed, request.subject) from error
            finally:
                job.counts = run.counts
        return IngestSummary(
            merchant_id=merchant_id,
            job_id=job.id,
            model_version=gallery.model_version,
            feed=reader.name if request.fetched is None else request.fetched.address,
            read_as=reader.read_as,
            counts=dict(run.counts),
            reasons=dict(run.reasons),
            mended=dict(run.mended),
            notes=reader.notes,
            refusal=refusal,
            words=run.words.report(),
            seconds=time.perf_counter() - started,
        )

    def _take(
        self,
        rows: Sequence[ProductRecord | RowError],
        sources: SourceImages,
        run: IngestRun,
        readers: ThreadPoolExecutor,
        reader: FeedReader,
    ) -> None:
        records = [row for row in rows if isinstance(row, ProductRecord)]
        pairs = [(record, image) for record in records for image in record.images]
        readings = dict(
            zip(
                [(record.line, image.source) for record, image in pairs],
                readers.map(lambda pair: sources.read(pair[1]), pairs),
                strict=True,
            )
        )
        with self._unit_of_work() as work:
            work.merchants.lock(run.merchant_id)
            sizes = work.fetches.sizes(run.merchant_id, boxes_to_fetch(records))
            rows = with_pixel_crops(rows, readings, sizes)
            attempt = run.attempt()
            for row in rows:
                if isinstance(row, RowError):
                    attempt.fail(row)
            fresh = self._without_repeats(work, rows, attempt)
            RowWriter(work, attempt, readings).write(fresh)
            fetched = [
                record.external_id
                for record in fresh
                if ProductField.IMAGE_BOX in record.given and any(image.is_address for image in record.images)
            ]
            work.fetches.note_relative_crops(run.merchant_id, fetched, boxes_to_fetch(fresh))
            for record in fresh:
                attempt.note_words(record)
            work.jobs.report(run.job_id, attempt.counts, reader.position, reader.num_bytes)
            work.commit()
        run.accept(attempt)

    def _without_repeats(
        self, work: UnitOfWork, rows: Sequence[ProductRecord | RowError], run: IngestRun
    ) -> list[ProductRecord]:
        """The records whose id the feed has not had before; ids of failed rows are noted too, as still in the feed."""
        first_lines: dict[str, int] = {}
        fresh: list[ProductRecord] = []
        repeats: list[tuple[ProductRecord, int]] = []
        for row in rows:
            if row.external_id is None:
                continue
            first = first_lines.setdefault(row.external_id, row.product_line)
            if isinstance(row, ProductRecord):
                # Errors of a row may come before its product: the same line is the same row.
                if first == row.line:
                    fresh.append(row)
                else:
                    repeats.append((row, first))
        seen = work.products.sight(run.job_id, first_lines) if first_lines else {}
        repeats.extend(
            (record, seen[record.external_id])
            for record in fresh
            if seen.get(record.external_id, record.line) != record.line
        )
        for record, line in sorted(repeats, key=lambda repeat: repeat[0].line):
            run.fail(repeated_id(record, line))
        return [record for record in fresh if seen.get(record.external_id, record.line) == record.line]

    def _remove_unsighted(self, request: IngestRequest, run: IngestRun) -> RemovalRefused | None:
        with self._unit_of_work() as work:
            work.merchants.lock(run.merchant_id)
            total = work.products.count(run.merchant_id)
            surplus = work.products.count_unsighted(run.merchant_id, run.job_id)
            if surplus == 0:
                return None
            if run.nameless_failures and request.max_removal < 1:
                return RemovalRefused(
                    "Nothing was removed: rows whose id could not be read may be among what seems to be missing",
                    received=f"{run.nameless_failures} such rows; {surplus} of {total} products not in the feed",
                    expected="a feed in which every row has a readable id",
                    remedy="mend those rows, or pass --max-removal 1",
                )
            if surplus > request.max_removal * total:
                return RemovalRefused(
                    "Nothing was removed: the feed lacks more of the catalog than a full sync may remove",
                    received=f"{surplus} of {total} products not in the feed ({surplus / total:.0%})",
                    expected=f"at most {request.max_removal:.0%}",
                    remedy="check that the feed is complete, or pass a larger --max-removal",
                )
            work.changes.note_removals(run.merchant_id, run.job_id)
            num_images = work.outbox.mark_products(work.products.unsighted(run.merchant_id, run.job_id))
            run.counts["products_removed"] += work.products.remove_unsighted(run.merchant_id, run.job_id)
            run.counts["images_removed"] += num_images
            work.jobs.report(run.job_id, run.counts)
            work.commit()
        return None


def check_merchant_name(name: str) -> None:
    """Raise InvalidRequest where no merchant can be called so."""
    if not 1 <= len(name) <= MAX_MERCHANT_NAME or not name.isprintable() or name != name.strip():
        raise InvalidRequest(
            "A merchant cannot be named so",
            received=ascii(name[:MAX_MERCHANT_NAME]),
            expected=f"1 to {MAX_MERCHANT_NAME} printable characters, without white space around them",
        )


def named_as(error: FeedUnreadable, path: Path, name: str) -> FeedUnreadable:
    """The same error of a feed that people know by another name than its file has."""
    return FeedUnreadable(
        error.message.replace(str(path), name), received=error.received, expected=error.expected, remedy=error.remedy
    )


def _storable(path: Path) -> str:
    """The path as text that PostgreSQL takes: bytes of a name that are no text become their escapes."""
    return str(path).encode("utf-8", "backslashreplace").decode("utf-8")


def _located(rows: Iterable[ProductRecord | RowError], request: IngestRequest) -> Iterator[ProductRecord | RowError]:
    """The rows; in a feed that was fetched, images by path are by address, from the feed's on."""
    if request.fetched is None:
        yield from rows
        return
    for row in rows:
        if isinstance(row, ProductRecord) and not all(image.is_address for image in row.images):
            images: dict[str, FeedImage] = {}
            for image in row.images:
                images.setdefault(urljoin(request.fetched.address, image.source), image)
            first = row.images[0].position
            located = [
                dataclasses.replace(image, source=source, position=first + at)
                for at, (source, image) in enumerate(images.items())
            ]
            yield dataclasses.replace(row, images=tuple(located))
        else:
            yield row


def _chunks(rows: Iterable[ProductRecord | RowError], size: int) -> Iterator[Sequence[ProductRecord | RowError]]:
    iterator = iter(rows)
    while chunk := tuple(itertools.islice(iterator, size)):
        yield chunk
