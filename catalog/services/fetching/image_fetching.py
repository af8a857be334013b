"""Images by address are fetched: claimed, asked for, judged by their bytes, stored; PostgreSQL is told last.

Whatever stops this half-way, the wish of what was not settled remains, and is taken up again when its lease ends.
"""

from __future__ import annotations

import datetime
import random
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, TypeAlias

from catalog.errors import DrapeError, ImageStoreUnavailable
from catalog.ports.image_store import ImageStore
from catalog.ports.remote_files import FetchFailed, FetchRefused, NotModified, RemoteFiles, Validators
from catalog.repositories.image_fetches import NO_FAULT, Fault, FetchClaim, HeldImage
from catalog.rows import FetchOutcome, ImageState
from catalog.services.fetching.fetched_content import FetchedImage, UnusableContent, judge
from catalog.services.progress import Advance, unheard
from catalog.unit_of_work import UnitOfWork, UnitOfWorkFactory
from embeddings.crop_box import RelativeBox

FIRST_RETRY: Final = datetime.timedelta(seconds=2)
LONGEST_RETRY: Final = datetime.timedelta(minutes=15)
STORE_RETRY: Final = datetime.timedelta(minutes=1)
"""How long an image waits while the image store is away; that is no fault of its host."""

FAILURES_BEFORE_REST: Final = 4
"""A host that failed so often in a row is left alone for a while, the longer the more often."""

PATIENCE: Final = 10.0
"""So many seconds a command waits for what is to be tried again."""

_LOOK_SECONDS: Final = 0.5
_COUNT_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True)
class FetchLimits:
    """How much is taken at once, and when to give up.

    Args:
        threads: Images fetched at the same time, by this process.
        per_host: Of these, from one host.
        max_bytes, max_pixels: Larger images are refused.
        max_attempts: An image that failed this often is given up.
        lease: How long a claim is left alone by others, and the most that one image may take.
    """

    threads: int = 8
    per_host: int = 4
    max_bytes: int = 64 * 2**20
    max_pixels: int = 64_000_000
    max_attempts: int = 5
    lease: datetime.timedelta = datetime.timedelta(minutes=5)


class FetchResult(StrEnum):
    """What came of one claim, beside the outcomes of ``FetchOutcome``.

    ``postponed``: failed for now. ``void``: nobody wants it any more. ``given_back``: the process was asked to end.
    """

    POSTPONED = "postponed"
    VOID = "void"
    GIVEN_BACK = "given_back"


@dataclass(frozen=True, slots=True)
class FetchingSummary:
    """What a run of fetching did, in images.

    Args:
        results: How many claims ended how; one that failed for now, and was then fetched, is there twice.
        seconds: How long it took.
    """

    results: Counter[FetchOutcome | FetchResult] = field(default_factory=Counter)
    seconds: float = 0.0

    @property
    def num_settled(self) -> int:
        """Images that no longer wait."""
        return sum(self.results[outcome] for outcome in FetchOutcome)


class _Abandoned(Exception):
    """The process was asked to end while it read."""


@dataclass(frozen=True, slots=True)
class _Failure:
    """Why an image was not fetched; for now, where there is an error that may pass."""

    outcome: FetchOutcome
    fault: Fault
    passing: FetchFailed | ImageStoreUnavailable | None = None


_Answer: TypeAlias = NotModified | FetchedImage | _Failure


def _never() -> bool:
    return False


def retry_delay(attempts: int, jitter: float) -> datetime.timedelta:
    """How long a fetch waits after its n-th failure: doubling, bounded, spread by a jitter in [0, 1).

    >>> retry_delay(1, 0.0).total_seconds(), retry_delay(3, 0.0).total_seconds(), retry_delay(1, 0.5).total_seconds()
    (2.0, 8.0, 3.0)
    """
    doubled: datetime.timedelta = FIRST_RETRY * 2 ** min(attempts - 1, 20)
    return min(doubled, LONGEST_RETRY) * (1 + jitter)


class _Progress:
    """Tells how far a run is. What waits is counted now and then: there may be a million of them."""

    def __init__(self, advance: Advance, num_waiting: Callable[[], int]) -> None:
        self._advance = advance
        self._num_waiting = num_waiting
        self._total = 0
        self._counted = float("-inf")

    def tell(self, settled: int) -> None:
        if time.monotonic() - self._counted >= _COUNT_SECONDS:
            self._counted = time.monotonic()
            self._total = settled + self._num_waiting()
        self._advance(settled, max(settled, self._total))


class ImageFetching:
    """Fetches what was wished for.

    Args:
        own: Takes what only one process can have, or fails; then no other process fetches, and what one that was killed
            has claimed is taken up at once. None where several may.
    """

    def __init__(
        self,
        unit_of_work: UnitOfWorkFactory,
        files: RemoteFiles,
        images: ImageStore,
        limits: FetchLimits,
        own: Callable[[], Any] | None = None,
    ) -> None:
        self._unit_of_work = unit_of_work
        self._files = files
        self._images = images
        self._limits = limits
        self._own = own

    def run(
        self,
        merchant_id: int | None = None,
        advance: Advance = unheard,
        *,
        stop: Callable[[], bool] = _never,
        abandon: Callable[[], bool] = _never,
        patience: float = 0.0,
    ) -> FetchingSummary:
        """Fetch until nothing is due.

        Args:
            merchant_id: Only this merchant's images; None takes everybody's.
            advance: Told the number of images settled and the number of those and the waiting.
            stop: Asked before images are claimed; once it says so, what is being fetched is finished, and no more.
            abandon: Whether to leave what is being fetched, too.
            patience: Wait for what is due again within so many seconds.

        Raises:
            DatabaseUnavailable: PostgreSQL is down; everything unfinished remains wished for.
        """
        started = time.perf_counter()
        if self._own is not None:
            self._own()
            with self._unit_of_work() as work:
                work.fetches.release_abandoned()
                work.commit()
        results: Counter[FetchOutcome | FetchResult] = Counter()
        working: dict[Future[FetchOutcome | FetchResult], str] = {}
        failed = False
        progress = _Progress(advance, lambda: self._num_waiting(merchant_id))

        def is_abandoned() -> bool:
            return failed or abandon()

        with ThreadPoolExecutor(self._limits.threads, thread_name_prefix="fetch") as threads:
            try:
                while True:
                    if not stop():
                        busy = Counter(working.values())
                        for claim in self._claim(merchant_id, self._limits.threads - len(working), busy):
                            working[threads.submit(self._fetch, claim, is_abandoned)] = claim.host
                    if not working:
                        if stop() or not self._wait(merchant_id, patience, stop):
                            break
                        continue
                    done, _ = wait(working, _LOOK_SECONDS, FIRST_COMPLETED)
                    for future in done:
                        del working[future]
                        results[future.result()] += 1
                    if done:
                        progress.tell(sum(results[outcome] for outcome in FetchOutcome))
            except BaseException:
                failed = True
                raise
        return FetchingSummary(results, time.perf_counter() - started)

    def _claim(self, merchant_id: int | None, limit: int, busy: Counter[str]) -> list[FetchClaim]:
        if limit < 1:
            return []
        with self._unit_of_work() as work:
            claims = work.fetches.claim(
                limit, self._limits.lease, per_host=self._limits.per_host, busy=busy, merchant_id=merchant_id
            )
            work.commit()
        return claims

    def _wait(self, merchant_id: int | None, patience: float, stop: Callable[[], bool]) -> bool:
        """Wait until something is due, if that is soon; whether it is worth looking again."""
        with self._unit_of_work() as work:
            seconds = work.fetches.seconds_until_due(merchant_id)
        if seconds is None or seconds > patience:
            return False
        until = time.monotonic() + seconds
        while not stop() and (left := until - time.monotonic()) > 0:
            time.sleep(min(left, _LOOK_SECONDS))
        # What is due and locked by another process for a moment is looked for again, but not as fast as can be.
        time.sleep(0.01)
        return patience > 0

    def _num_waiting(self, merchant_id: int | None) -> int:
        with self._unit_of_work() as work:
            return work.fetches.num_waiting(merchant_id)

    def _fetch(self, claim: FetchClaim, is_abandoned: Callable[[], bool]) -> FetchOutcome | FetchResult:
        try:
            answer = self._ask(claim, is_abandoned)
        except _Abandoned:
            with self._unit_of_work() as work:
                work.fetches.give_back(claim)
                work.commit()
            return FetchResult.GIVEN_BACK
        with self._unit_of_work() as work:
            held = work.fetches.hold(claim)
            if held is None:
                return FetchResult.VOID
            result = self._note(work, claim, held, answer)
            work.commit()
        return result

    def _ask(self, claim: FetchClaim, is_abandoned: Callable[[], bool]) -> _Answer:
        """What the server has to say, with the bytes in the image store where they are good."""
        if claim.attempts > self._limits.max_attempts:
            found = f"whatever fetched it was killed, {self._limits.max_attempts} times"
            return _Failure(FetchOutcome.UNREACHABLE, (found, "an image file"))
        until = time.monotonic() + self._limits.lease.total_seconds()
        try:
            with self._files.open(claim.address, max_bytes=self._limits.max_bytes, known=claim.known) as answer:
                if isinstance(answer, NotModified):
                    if claim.known is not None:
                        return answer
                    raise FetchFailed(
                        "The server says that the file has not changed", expected="the file, of which nothing is known"
                    )
                data = bytearray()
                for chunk in answer.chunks():
                    data += chunk
                    if is_abandoned():
                        raise _Abandoned
                    if time.monotonic() > until:
                        raise FetchFailed(
                            "The server takes too long",
                            received=f"{len(data):,} bytes in {self._limits.lease.total_seconds():.0f} s",
                            expected="the whole file in that time",
                        )
                validators = answer.validators
            content = judge(whole := bytes(data), max_pixels=self._limits.max_pixels)
            if isinstance(content, UnusableContent):
                return _Failure(FetchOutcome.UNUSABLE, (content.found, content.expected))
            sha256 = self._images.put(whole)
        except FetchRefused as error:
            return _Failure(FetchOutcome.REFUSED, _fault(error, claim.address))
        except (FetchFailed, ImageStoreUnavailable) as error:
            return _Failure(FetchOutcome.UNREACHABLE, _fault(error, claim.address), passing=error)
        return FetchedImage(sha256, len(data), content.width, content.height, validators)

    def _note(
        self, work: UnitOfWork, claim: FetchClaim, held: HeldImage, answer: _Answer
    ) -> FetchOutcome | FetchResult:
        if isinstance(answer, _Failure):
            return self._note_failure(work, claim, held, answer)
        work.fetches.host_answered(claim.host)
        if isinstance(answer, NotModified):
            if held.sha256 is None:
                # The bytes that were asked about are gone from the image store since; nothing is known of others.
                work.fetches.give_back(claim)
                return FetchResult.GIVEN_BACK
            return self._settle_unchanged(work, claim, held, None)
        if answer.sha256 == held.sha256:
            return self._settle_unchanged(work, claim, held, answer.validators)
        outcome = FetchOutcome.NEW if held.sha256 is None else FetchOutcome.CHANGED
        columns: dict[str, Any] = {
            "sha256": answer.sha256,
            "size_bytes": answer.size_bytes,
            "width": answer.width,
            "height": answer.height,
            "state": ImageState.READY,
            "last_error": None,
        }
        if held.relative_crop is not None:
            columns["crop"] = _in_pixels(held.relative_crop, answer.width, answer.height)
        work.products.update_image(claim.image_id, columns)
        work.fetches.settle(claim, outcome, answer.validators, NO_FAULT)
        work.outbox.mark([claim.image_id])
        return outcome

    @staticmethod
    def _settle_unchanged(
        work: UnitOfWork, claim: FetchClaim, held: HeldImage, validators: Validators | None
    ) -> FetchOutcome:
        if held.state == ImageState.QUARANTINED:
            # They were no use when they came, and are none now.
            fault = (held.last_error or "an image that was set aside", "an image that can be decoded")
            work.fetches.settle(claim, FetchOutcome.UNUSABLE, validators, fault)
            return FetchOutcome.UNUSABLE
        columns: dict[str, Any] = {} if held.last_error is None else {"last_error": None}
        if held.relative_crop is not None and held.width is not None and held.height is not None:
            crop = _in_pixels(held.relative_crop, held.width, held.height)
            if crop != held.crop:
                # The box came from a feed, or came back, while nobody could tell what it is in pixels.
                columns["crop"] = crop
        if columns:
            work.products.update_image(claim.image_id, columns)
        work.fetches.settle(claim, FetchOutcome.UNCHANGED, validators, NO_FAULT)
        if "crop" in columns:
            work.outbox.mark([claim.image_id])
        return FetchOutcome.UNCHANGED

    def _note_failure(
        self, work: UnitOfWork, claim: FetchClaim, held: HeldImage, failure: _Failure
    ) -> FetchOutcome | FetchResult:
        fault = failure.fault
        if isinstance(failure.passing, ImageStoreUnavailable):
            work.fetches.postpone(claim, STORE_RETRY * (1 + random.random()), fault, is_attempt=False)
            return FetchResult.POSTPONED
        if isinstance(failure.passing, FetchFailed):
            self._note_host_failure(work, claim.host, failure.passing)
            if claim.attempts < self._limits.max_attempts:
                work.fetches.postpone(claim, _delay(claim.attempts, failure.passing), fault)
                return FetchResult.POSTPONED
            fault = (f"given up after {claim.attempts} attempts: {fault[0]}", fault[1])
        else:
            work.fetches.host_answered(claim.host)
        if held.is_renewed:
            # It is tried again at once, with attempts of its own.
            work.fetches.settle(claim, failure.outcome, None, fault)
            return FetchResult.POSTPONED
        reason = f"{claim.address}: {fault[0]}; expected {fault[1]}"
        # What is stored of the image is better than nothing, so it stays until there is something better.
        columns = {"last_error": reason} if held.sha256 else {"last_error": reason, "state": ImageState.QUARANTINED}
        work.products.update_image(claim.image_id, columns)
        work.fetches.settle(claim, failure.outcome, None, fault)
        return failure.outcome

    @staticmethod
    def _note_host_failure(work: UnitOfWork, host: str, error: FetchFailed) -> None:
        failures = work.fetches.host_failed(host)
        if error.retry_after is not None:
            work.fetches.rest(host, min(datetime.timedelta(seconds=error.retry_after), LONGEST_RETRY))
        elif failures >= FAILURES_BEFORE_REST:
            work.fetches.rest(host, retry_delay(failures - FAILURES_BEFORE_REST + 1, random.random()))


def _in_pixels(box: RelativeBox, width: int, height: int) -> list[int]:
    crop = box.in_pixels(width, height)
    return [crop.left, crop.top, crop.right, crop.bottom]


def _delay(attempts: int, error: FetchFailed) -> datetime.timedelta:
    delay = retry_delay(attempts, random.random())
    if error.retry_after is None:
        return delay
    # Not all at the same moment that the server has named, but soon after it.
    asked = min(datetime.timedelta(seconds=error.retry_after), LONGEST_RETRY)
    return max(delay, asked + FIRST_RETRY * random.random())


def _fault(error: DrapeError, address: str) -> Fault:
    found = error.message.rstrip(".")
    # The address stands before all of it; one that it led to does not.
    received = (error.received or "").removeprefix(address.partition("?")[0]).removeprefix(": ")
    return (f"{found}: {received}" if received else found, error.expected or "an image file")
