"""Dirty images become points: decode, embed and upsert, overlapped, with PostgreSQL told last.

Whatever stops this half-way, the marks of what was not finished remain, and the next run takes them up again.
"""

from __future__ import annotations

import datetime
import hashlib
import random
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from catalog.errors import ImageStoreUnavailable, ModelStoreUnavailable, NetworkProcessEnded
from catalog.ports.image_store import ImageStore, StoredImageAltered, StoredImageMissing
from catalog.ports.indexing_observer import BatchOutcome, FailureKind, IndexingObserver, NoObserver, Stage, timed
from catalog.ports.models import Models
from catalog.ports.vector_index import Payload, Point, VectorIndex
from catalog.repositories.galleries import Gallery, IndexedImage
from catalog.repositories.images import IndexableImage
from catalog.repositories.outbox import Claim, Postponement, Work
from catalog.services.galleries.gallery_layout import collection_spec, payload, point_vectors
from catalog.services.indexing.indexing_summary import IndexingSummary
from catalog.services.indexing.near_duplicates import NearDuplicates
from catalog.services.indexing.rate_limit import RateLimit
from catalog.services.progress import Advance, unheard
from catalog.unit_of_work import UnitOfWorkFactory
from embeddings.crop_box import CropBox
from embeddings.errors import EmbeddingsError, OutOfMemory, UnusableImage
from embeddings.images import decode_image, prepare
from embeddings.photo_hash import PhotoHash, photo_hash

_Failure: TypeAlias = UnusableImage | StoredImageMissing | StoredImageAltered | ImageStoreUnavailable

FIRST_RETRY = datetime.timedelta(seconds=5)
MODEL_RETRY = datetime.timedelta(minutes=1)
"""How long images wait for a model version to become usable; that counts against none of them."""
STORE_RETRY = datetime.timedelta(minutes=1)
"""How long they wait for the image store to answer; neither does that."""
LONGEST_RETRY = datetime.timedelta(minutes=15)

_PROBE = hashlib.sha256(b"").hexdigest()
"""Asked for to find out whether the image store answers; whether it has it does not matter."""

_MOST_SECONDS_HELD = 10
"""Where the rate is limited, a batch is no more than goes in this time."""


@dataclass(frozen=True, slots=True)
class IndexingLimits:
    """How much is taken at once, and when to give up.

    Args:
        batch_size: Images claimed, embedded and upserted together; more where a network takes more at once.
        decode_threads: Images decoded at the same time.
        max_pixels: Larger images are refused before they are decoded.
        max_attempts: An image that failed this often is quarantined.
        lease: How long a claim is left alone by other indexers.
        hide_duplicates: Whether photos of a product that look the same are shown once.
    """

    batch_size: int = 32
    decode_threads: int = 2
    max_pixels: int = 64_000_000
    max_attempts: int = 5
    lease: datetime.timedelta = datetime.timedelta(minutes=5)
    hide_duplicates: bool = True


@dataclass(frozen=True, slots=True)
class _Task:
    """What one gallery needs of one image."""

    gallery: Gallery
    image: IndexableImage
    claim: Claim


@dataclass(frozen=True, slots=True)
class _Batch:
    """Claimed images with all that is known of them before the network runs.

    Args:
        prepared: Network inputs by image id and input size, uint8 (S, S, 3).
        removals: (gallery, image id) whose points must go.
        removed: Ids of gone images that some gallery is known to hold.
        hopeless: Image id to reason: trying again does not help.
        lost: Of the hopeless, those whose bytes are not in the image store: ingesting them again does help.
        failed: Image id to reason: may work another time.
        blameless: Of the failed, those that wait through no fault of theirs, for a usable model version or for the
            image store, and how long.
        merchants: Names by id.
        kinds: Of the hopeless and the failed, by image id.
        duplicates: Ids of images that are no longer shown, because another of their product looks the same.
    """

    claims: Sequence[Claim]
    embeds: Sequence[_Task]
    refreshes: Sequence[_Task]
    removals: Sequence[tuple[Gallery, int]]
    removed: frozenset[int]
    prepared: Mapping[tuple[int, int], NDArray[np.uint8]]
    images: Mapping[int, IndexableImage]
    hopeless: Mapping[int, str]
    lost: frozenset[int]
    failed: Mapping[int, str]
    blameless: Mapping[int, datetime.timedelta]
    merchants: Mapping[int, str]
    kinds: Mapping[int, FailureKind]
    duplicates: frozenset[int]


@dataclass(frozen=True, slots=True)
class _Decoded:
    """What is kept of an image that was decoded.

    Args:
        inputs: For the networks, by input size, uint8 (S, S, 3).
        hash: None where nobody asks for it.
    """

    inputs: Mapping[int, NDArray[np.uint8]]
    hash: PhotoHash | None


@dataclass(frozen=True, slots=True)
class _EmbeddedBatch:
    batch: _Batch
    points: Mapping[str, Sequence[tuple[_Task, Point]]]
    """Points by collection."""


@dataclass(slots=True)
class _Run:
    """What the threads of one run share.

    Args:
        merchant_id: Only this merchant's images; None for everybody's.
        stop: Whether to claim nothing more.
        decoders: Threads that decode.
        leave_unusable: Whether images wait whose model version cannot be used here.
        batch_size: Images to claim: as many as the networks so far take at once.
        claimed: Claims that are not finished yet, by image id.
        made: Collections that are known to exist.
        unusable: Model versions that cannot be used here, with the reason.
        duplicates: Ids of images that come twice: that another is shown instead is found out when they come first.
    """

    merchant_id: int | None
    stop: Callable[[], bool]
    decoders: ThreadPoolExecutor
    leave_unusable: bool
    batch_size: int
    claimed: dict[int, Claim] = field(default_factory=dict)
    made: set[str] = field(default_factory=set)
    unusable: dict[str, str] = field(default_factory=dict)
    duplicates: set[int] = field(default_factory=set)

    def count(self, batch: _Batch) -> int:
        """How many images of a batch have come for the first time, so that progress counts each of them once."""
        number = sum(claim.image_id not in self.duplicates for claim in batch.claims)
        self.duplicates |= batch.duplicates
        return number


def _never() -> bool:
    return False


def retry_delay(attempts: int, jitter: float) -> datetime.timedelta:
    """How long a mark waits after its n-th failure: doubling, bounded, spread by a jitter in [0, 1).

    >>> retry_delay(1, 0.0).total_seconds(), retry_delay(3, 0.0).total_seconds(), retry_delay(1, 0.5).total_seconds()
    (5.0, 20.0, 7.5)
    """
    doubled: datetime.timedelta = FIRST_RETRY * 2 ** min(attempts - 1, 20)
    return min(doubled, LONGEST_RETRY) * (1 + jitter)


def _postponement(claim: Claim, batch: _Batch) -> Postponement:
    reason = batch.failed[claim.image_id]
    if claim.image_id in batch.blameless:
        return Postponement(batch.blameless[claim.image_id], reason, is_attempt=False)
    return Postponement(retry_delay(claim.attempts, random.random()), reason)


def _kind(failure: _Failure) -> FailureKind:
    match failure:
        case UnusableImage():
            return FailureKind.UNUSABLE_IMAGE
        case ImageStoreUnavailable():
            return FailureKind.IMAGE_STORE
        case StoredImageMissing() | StoredImageAltered():
            return FailureKind.LOST_IMAGE


def _outcome(batch: _Batch) -> BatchOutcome:
    def counted(tasks: Sequence[_Task]) -> Counter[tuple[str, str]]:
        return Counter((batch.merchants[task.claim.merchant_id], task.gallery.model_version) for task in tasks)

    return BatchOutcome(
        embedded=counted(batch.embeds),
        refreshed=counted(batch.refreshes),
        removed=Counter(
            batch.merchants[claim.merchant_id] for claim in batch.claims if claim.image_id in batch.removed
        ),
        quarantined=Counter(batch.kinds[image_id] for image_id in batch.hopeless),
        postponed=Counter(batch.kinds[image_id] for image_id in batch.failed),
        duplicates=len(batch.duplicates),
    )


class IndexingService:
    """Works off the outbox.

    Args:
        alone: True when no other indexer can run, because this process owns the index. Claims left by a killed
            process are then taken up at once instead of when their lease ends.
        observer: Told of every batch.
    """

    def __init__(
        self,
        unit_of_work: UnitOfWorkFactory,
        index: VectorIndex,
        images: ImageStore,
        models: Models,
        limits: IndexingLimits,
        *,
        alone: bool,
        observer: IndexingObserver | None = None,
    ) -> None:
        self._unit_of_work = unit_of_work
        self._index = index
        self._images = images
        self._models = models
        self._limits = limits
        self._alone = alone
        self._observer = NoObserver() if observer is None else observer
        self._near_duplicates = NearDuplicates(unit_of_work, hide=limits.hide_duplicates)

    keeps_rate = True

    def run(
        self,
        merchant_id: int | None = None,
        advance: Advance = unheard,
        *,
        light: bool = False,
        stop: Callable[[], bool] = _never,
        max_rate: float | None = None,
        leave_unusable: bool = False,
    ) -> IndexingSummary:
        """Index until nothing is due. Loading, the network and writing work on three batches at the same time.

        What several processes have died of, or with, is worked on at the end, image by image and nothing beside it:
        what kills then is known, and set aside once it was tried often enough.

        Args:
            merchant_id: Only this merchant's images; None takes everybody's.
            advance: Told the number of images done and the number dirty in all.
            light: Only what needs no network: payloads to replace and points to delete.
            stop: Asked before images are claimed; once it says so, what has been claimed is finished, and no more.
            max_rate: Embed no more images in a second than this; None is as many as go.
            leave_unusable: Have images wait whose model version cannot be used here, instead of ending with that: one
                merchant's broken version does not keep the images of others.

        Raises:
            InvalidRequest: the rate is too low to be kept to.
            embeddings.errors.EmbeddingsError: a model version cannot be used, and is not left.
            embeddings.errors.OutOfMemory: the network's batches do not fit, halved or not.
            NetworkProcessEnded: a process of its own that runs the network was killed.
            NetworkProcessUnavailable: there is none, and none can be started; everything unfinished remains marked.
            IndexUnavailable, DatabaseUnavailable: a service is down; everything unfinished remains marked.
        """
        started = time.perf_counter()
        limit = None if max_rate is None else RateLimit(max_rate)
        # Where the rate is limited, a small batch is not held for long, so that its lease does not end while it waits.
        most = None if max_rate is None else max(1, int(max_rate * _MOST_SECONDS_HELD))
        if self._alone:
            # Takes the index, or fails because another process has it: only its owner may touch the others' claims.
            self._index.list_collections()
        self._near_duplicates.show_all(merchant_id)
        with self._unit_of_work() as work:
            if self._alone:
                work.outbox.release_abandoned()
                work.commit()
            total = work.outbox.backlog(merchant_id).waiting
        summary = IndexingSummary()
        done = 0
        touched: set[str] = set()
        decoders = ThreadPoolExecutor(self._limits.decode_threads, thread_name_prefix="decode")
        run = _Run(merchant_id, stop, decoders, leave_unusable, self._limits.batch_size)
        loader = ThreadPoolExecutor(1, thread_name_prefix="load")
        writer = ThreadPoolExecutor(1, thread_name_prefix="write")
        try:
            kind = Work.LIGHT if light else Work.ANY
            load = partial(self._load, run, kind, most)
            loading = loader.submit(load)
            writing: Future[IndexingSummary] | None = None
            while (batch := loading.result()) is not None or writing is not None:
                embedded = None
                if batch is not None:
                    loading = loader.submit(load)
                    if limit is not None:
                        limit.take(len({task.image.id for task in batch.embeds}), stop)
                    embedded = self._embed(batch, run)
                    touched.update(embedded.points)
                if writing is not None:
                    summary = summary.plus(writing.result())
                    writing = None
                    advance(done, max(total, done))
                if embedded is not None:
                    writing = writer.submit(self._write, embedded, run)
                    done += run.count(embedded.batch)
                else:
                    # Nothing was due, but what was marked again while the last batch was written is due by now.
                    loading = loader.submit(load)
            load = partial(self._load, run, Work.SUSPECT, 1)
            while not light and (batch := load()) is not None:
                embedded = self._embed(batch, run)
                touched.update(embedded.points)
                summary = summary.plus(self._write(embedded, run))
                done += run.count(batch)
            advance(done, max(total, done))
        except NetworkProcessEnded:
            # Whatever it was killed by may be of this batch: its claims count as those of a process that was killed.
            run.claimed.clear()
            raise
        finally:
            # The threads finish what they hold before the claims nobody will work on are given back.
            for pool in (loader, writer, decoders):
                pool.shutdown(wait=True, cancel_futures=True)
            self._give_back(run.claimed)
        for collection in sorted(touched):
            self._index.optimize(collection)
        return replace(summary, seconds=time.perf_counter() - started)

    def _leave(self, image_ids: Collection[int], claimed: dict[int, Claim]) -> None:
        """Give back those claims that are for another indexer."""
        self._give_back({image_id: claimed.pop(image_id) for image_id in image_ids})

    def _give_back(self, claimed: Mapping[int, Claim]) -> None:
        if not claimed:
            return
        with self._unit_of_work() as work:
            work.outbox.give_back(sorted(claimed.values(), key=lambda claim: claim.image_id))
            work.commit()

    def _load(
        self,
        run: _Run,
        kind: Work,
        most: int | None,
    ) -> _Batch | None:
        if run.stop():
            return None
        limit = run.batch_size if most is None else min(run.batch_size, most)
        with timed(self._observer, Stage.CLAIM):
            with self._unit_of_work() as work:
                claims = work.outbox.claim(limit, self._limits.lease, run.merchant_id, kind)
                work.commit()
            if not claims:
                return None
            run.claimed.update({claim.image_id: claim for claim in claims})
            ids = [claim.image_id for claim in claims]
            with self._unit_of_work() as work:
                images = work.images.indexable(ids)
                merchants = work.merchants.names_of({claim.merchant_id for claim in claims})
                fed = {merchant: work.galleries.fed(merchant) for merchant in merchants}
                held = work.galleries.indexed([gallery.id for all in fed.values() for gallery in all], ids)
        embeds: list[_Task] = []
        refreshes: list[_Task] = []
        removals: list[tuple[Gallery, int]] = []
        for claim in claims:
            image = images.get(claim.image_id)
            for gallery in fed[claim.merchant_id]:
                known = held.get((gallery.id, claim.image_id))
                if image is None:
                    removals.append((gallery, claim.image_id))
                elif known is not None and known.content_key == image.content_key:
                    refreshes.append(_Task(gallery, image, claim))
                else:
                    embeds.append(_Task(gallery, image, claim))
        if kind is Work.LIGHT:
            # Whether the network is needed was looked at before the images were read, and both may change in between.
            heavy = {task.image.id for task in embeds}
            self._leave(heavy, run.claimed)
            claims = [claim for claim in claims if claim.image_id not in heavy]
            embeds = []
            refreshes = [task for task in refreshes if task.image.id not in heavy]
        hopeless: dict[int, str] = {
            claim.image_id: f"whatever worked on it was killed, {self._limits.max_attempts} times"
            for claim in claims
            if claim.attempts > self._limits.max_attempts and claim.image_id in images
        }
        kinds = dict.fromkeys(hopeless, FailureKind.KILLED)
        failed: dict[int, str] = {}
        if run.leave_unusable:
            # Its other galleries get what they need; the mark stays for this one.
            self._find_unusable({task.gallery.model_version for task in embeds}, run)
            unusable = [task for task in embeds if task.gallery.model_version in run.unusable]
            failed.update({task.image.id: run.unusable[task.gallery.model_version] for task in unusable})
            kinds.update({task.image.id: FailureKind.MODEL for task in unusable})
            embeds = [task for task in embeds if task.gallery.model_version not in run.unusable]
        with timed(self._observer, Stage.DECODE):
            decoded, failures = self._prepare([task for task in embeds if task.image.id not in hopeless], run.decoders)
        undecoded: set[int] = set()
        is_away = self._is_store_away(failures)
        for claim in claims:
            failure = failures.get(claim.image_id)
            if failure is None:
                continue
            kinds[claim.image_id] = _kind(failure)
            if not isinstance(failure, ImageStoreUnavailable):
                hopeless[claim.image_id] = str(failure)
            elif claim.attempts >= self._limits.max_attempts and not is_away:
                hopeless[claim.image_id] = f"given up after {claim.attempts} attempts: {failure}"
            else:
                failed[claim.image_id] = str(failure)
                undecoded.add(claim.image_id)
        decision = self._near_duplicates.decide(
            [claim.image_id for claim in claims],
            {id: (images[id].content_key, one.hash) for id, one in decoded.items() if one.hash is not None},
            hopeless.keys(),
        )
        # Their marks were renewed, so that they come again: as images that are not to be indexed.
        unembeddable = hopeless.keys() | undecoded | decision.hidden
        for claim in claims:
            if claim.image_id in hopeless:
                removals.extend((gallery, claim.image_id) for gallery in fed[claim.merchant_id])
        return _Batch(
            claims=claims,
            embeds=[task for task in embeds if task.image.id not in unembeddable],
            refreshes=[task for task in refreshes if task.image.id not in hopeless.keys() | decision.hidden],
            removals=removals,
            removed=frozenset(image_id for _, image_id in held if image_id not in images),
            prepared={(id, size): array for id, one in decoded.items() for size, array in one.inputs.items()},
            images=images,
            hopeless=hopeless,
            lost=frozenset(
                id
                for id in hopeless
                if isinstance(failures.get(id), StoredImageMissing | StoredImageAltered | ImageStoreUnavailable)
            ),
            failed=failed,
            blameless={
                **dict.fromkeys(failed.keys() - undecoded, MODEL_RETRY),
                **dict.fromkeys(undecoded if is_away else (), STORE_RETRY),
            },
            merchants=merchants,
            kinds=kinds,
            duplicates=decision.new,
        )

    def _find_unusable(self, versions: set[str], run: _Run) -> None:
        for version in versions - run.unusable.keys():
            try:
                self._models.describe(version)
                self._models.embedder(version)
            except OutOfMemory:
                # This process's trouble, not the version's.
                raise
            except (EmbeddingsError, ModelStoreUnavailable) as error:
                run.unusable[version] = str(error)

    def _prepare(
        self, tasks: Sequence[_Task], decoders: ThreadPoolExecutor
    ) -> tuple[dict[int, _Decoded], dict[int, _Failure]]:
        images = {task.image.id: task.image for task in tasks}
        sizes: dict[int, set[int]] = {}
        for task in tasks:
            sizes.setdefault(task.image.id, set()).add(self._models.describe(task.gallery.model_version).input_size)
        outcomes = decoders.map(lambda image: self._decode(image, sizes[image.id]), images.values())
        decoded: dict[int, _Decoded] = {}
        failures: dict[int, _Failure] = {}
        for image, outcome in zip(images.values(), outcomes, strict=True):
            if isinstance(outcome, _Decoded):
                decoded[image.id] = outcome
            else:
                failures[image.id] = outcome
        return decoded, failures

    def _is_store_away(self, failures: Mapping[int, _Failure]) -> bool:
        """Whether images failed because the store answers nobody, and not because it cannot give these."""
        if not any(isinstance(failure, ImageStoreUnavailable) for failure in failures.values()):
            return False
        try:
            self._images.exists(_PROBE)
        except ImageStoreUnavailable:
            return True
        return False

    def _decode(self, image: IndexableImage, sizes: Collection[int]) -> _Decoded | _Failure:
        try:
            data = self._images.get(image.sha256)
            crop = None if image.crop is None else CropBox(*image.crop)
            pixels = decode_image(data, max_pixels=self._limits.max_pixels, crop=crop, min_edge=max(sizes))
        except StoredImageAltered as error:
            # What is stored under that name is worth nothing, and would keep the right bytes from being stored again.
            try:
                self._images.delete(image.sha256)
            except ImageStoreUnavailable as unavailable:
                return unavailable
            return error
        except (UnusableImage, StoredImageMissing, ImageStoreUnavailable) as error:
            return error
        return _Decoded(
            {size: prepare(pixels, size) for size in sizes},
            photo_hash(pixels) if self._near_duplicates.hides else None,
        )

    def _embed(self, batch: _Batch, run: _Run) -> _EmbeddedBatch:
        by_version: dict[str, list[_Task]] = {}
        for task in batch.embeds:
            by_version.setdefault(task.gallery.model_version, []).append(task)
        points: dict[str, list[tuple[_Task, Point]]] = {}
        for version, tasks in by_version.items():
            embedder = self._models.embedder(version)
            model = self._models.describe(version)
            inputs = np.stack([batch.prepared[task.image.id, model.input_size] for task in tasks])
            with timed(self._observer, Stage.EMBED):
                features = embedder.embed(inputs)
            # A network that takes 128 images at once is not fed 32, and one that takes 1 is not fed one by one.
            run.batch_size = max(run.batch_size, embedder.batch_size)
            vectors = point_vectors(model, features)
            for task, named in zip(tasks, vectors, strict=True):
                point = Point(task.image.id, named, payload(task.image, version, task.image.revision))
                points.setdefault(task.gallery.collection, []).append((task, point))
        return _EmbeddedBatch(replace(batch, prepared={}), points)

    def _write(self, embedded: _EmbeddedBatch, run: _Run) -> IndexingSummary:
        batch = embedded.batch
        with timed(self._observer, Stage.WRITE):
            self._write_points(embedded, run)
        with timed(self._observer, Stage.FINISH):
            self._finish(batch)
        outcome = _outcome(batch)
        self._observer.wrote(outcome)
        for claim in batch.claims:
            run.claimed.pop(claim.image_id, None)
        embedded_ids = {task.image.id for task in batch.embeds}
        return IndexingSummary(
            embedded=len(embedded_ids),
            refreshed=len({task.image.id for task in batch.refreshes} - embedded_ids),
            removed=len(batch.removed),
            quarantined_images=tuple(batch.hopeless),
            postponed=len(batch.failed),
            failures=Counter((*batch.hopeless.values(), *batch.failed.values())),
            written=Counter(outcome.embedded) + Counter(outcome.refreshed),
            duplicates=len(batch.duplicates),
        )

    def _write_points(self, embedded: _EmbeddedBatch, run: _Run) -> None:
        batch = embedded.batch
        galleries = [task.gallery for task in (*batch.embeds, *batch.refreshes)]
        galleries.extend(gallery for gallery, _ in batch.removals)
        for gallery in galleries:
            # Who made the gallery may have had no index to make its collection in.
            if gallery.collection not in run.made and gallery.model_version not in run.unusable:
                spec = collection_spec(self._models.describe(gallery.model_version))
                self._index.create_collection(gallery.collection, spec)
                run.made.add(gallery.collection)
        for collection, points in embedded.points.items():
            self._index.upsert(collection, [point for _, point in points])
        refreshed: dict[str, dict[int, Payload]] = {}
        for task in batch.refreshes:
            fresh = payload(task.image, task.gallery.model_version, task.image.revision)
            refreshed.setdefault(task.gallery.collection, {})[task.image.id] = fresh
        for collection, payloads in refreshed.items():
            self._index.replace_payloads(collection, payloads)
        gone: dict[str, list[int]] = {}
        for gallery, image_id in batch.removals:
            gone.setdefault(gallery.collection, []).append(image_id)
        for collection, ids in gone.items():
            self._index.delete(collection, ids)

    def _finish(self, batch: _Batch) -> None:
        """Note in one transaction what the collections now hold, and take the marks away."""
        done = [*batch.embeds, *batch.refreshes]
        with self._unit_of_work() as work:
            work.galleries.note_indexed(
                [
                    IndexedImage(task.gallery.id, task.image.id, task.image.content_key, task.image.revision)
                    for task in done
                ]
            )
            work.galleries.forget_indexed([(gallery.id, image_id) for gallery, image_id in batch.removals])
            changed = {task.gallery.id for task in done} | {gallery.id for gallery, _ in batch.removals}
            for image_id, reason in sorted(batch.hopeless.items()):
                revision = batch.images[image_id].revision
                work.products.quarantine(image_id, revision, reason, forget_content=image_id in batch.lost)
            postponed = {
                claim.image_id: _postponement(claim, batch) for claim in batch.claims if claim.image_id in batch.failed
            }
            work.outbox.mark_again(work.outbox.finish(batch.claims, postponed))
            # Last, because the rows are locked from here on to the end, and other indexers wait for them.
            work.galleries.note_change(changed)
            work.commit()
