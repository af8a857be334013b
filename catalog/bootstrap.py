"""The composition root: the one place that chooses adapters and hands them to services."""

from __future__ import annotations

import datetime
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from catalog.errors import InvalidRequest
from catalog.settings import Settings

if TYPE_CHECKING:
    from sqlalchemy.orm import Session, sessionmaker

    from catalog.adapters.broker.request_limits import RequestLimits
    from catalog.adapters.files.shared_models import SharedModels
    from catalog.adapters.http.http_files import HttpFiles
    from catalog.adapters.http.http_on_demand import HttpOnDemand
    from catalog.adapters.networks.network_process import NetworkProcess
    from catalog.adapters.networks.stored_models import StoredModels
    from catalog.adapters.qdrant.qdrant_edge_index import QdrantEdgeIndex
    from catalog.ports.announcements import Announcements, OwnAnnouncements
    from catalog.ports.image_store import ImageStore
    from catalog.ports.indexing_observer import IndexingObserver
    from catalog.ports.models import Models
    from catalog.ports.query_network import QueryNetwork
    from catalog.ports.remote_files import RemoteFiles
    from catalog.ports.vector_index import VectorIndex
    from catalog.ports.vector_snapshots import VectorSnapshots
    from catalog.services.api_keys import ApiKeyService
    from catalog.services.browsing.attribute_choices import AttributeChoices
    from catalog.services.browsing.facets import FacetService
    from catalog.services.browsing.product_browsing import ProductBrowsing
    from catalog.services.browsing.product_removal import ProductRemoval
    from catalog.services.browsing.shown_images import ShownImages
    from catalog.services.fetching.fetching_and_indexing import FetchingAndIndexing
    from catalog.services.fetching.fetching_work import FetchingWork
    from catalog.services.fetching.image_fetching import ImageFetching
    from catalog.services.galleries.galleries import GalleryService
    from catalog.services.galleries.snapshots import SnapshotService
    from catalog.services.indexing.indexer import Indexer
    from catalog.services.indexing.indexing import IndexingService
    from catalog.services.indexing.indexing_follower import IndexingFollower
    from catalog.services.indexing.indexing_work import IndexingWork
    from catalog.services.indexing.reconciliation import ReconciliationService
    from catalog.services.ingesting.feed_history import FeedHistoryService
    from catalog.services.ingesting.feed_schedules import FeedScheduleService
    from catalog.services.ingesting.feed_submissions import FeedSubmissionService
    from catalog.services.ingesting.feed_undo import FeedUndoService
    from catalog.services.ingesting.ingest import IngestService
    from catalog.services.ingesting.remote_feeds import RemoteFeedService
    from catalog.services.jobs import JobService
    from catalog.services.models.attribute_mining import AttributeMiningService
    from catalog.services.models.calibration import CalibrationService
    from catalog.services.models.catalog_dataset import CatalogDatasets
    from catalog.services.models.evaluation import EvaluationService
    from catalog.services.models.noted_models import NotedModels
    from catalog.services.models.training import TrainingService
    from catalog.services.photo_queries.query_embedding import QueryEmbedding
    from catalog.services.photo_queries.query_work import QueryWork
    from catalog.services.photo_queries.tagging import TaggingService
    from catalog.services.readiness import ReadinessService
    from catalog.services.reindexing.gallery_checks import GalleryChecks
    from catalog.services.reindexing.gallery_pruning import GalleryPruning
    from catalog.services.reindexing.reindexing import ReindexService
    from catalog.services.searching.search import SearchService
    from catalog.services.status import StatusService
    from catalog.services.webhooks import WebhookService
    from catalog.unit_of_work import UnitOfWork
    from embeddings.model_store import ModelStore


def settings_from_environment() -> Settings:
    """The settings that the ``DRAPE_*`` variables give.

    Raises:
        InvalidRequest: a variable has a value that it cannot have.
    """
    from pydantic import ValidationError

    from catalog.adapters.http.fetch_allow_list import FetchAllowList
    from embeddings.manifest import Precision

    try:
        settings = Settings()
    except ValidationError as error:
        # None of the settings that can be wrong in themselves is a secret, so the value may be shown.
        first = error.errors(include_url=False)[0]
        raise InvalidRequest(
            "A setting cannot be used",
            received=f"DRAPE_{str(first['loc'][0]).upper()}={first['input']}",
            expected=first["msg"],
            remedy="correct the variable, or unset it",
        ) from error
    if settings.precision is not None and settings.precision not in list(Precision):
        raise InvalidRequest(
            "A setting cannot be used",
            received=f"DRAPE_PRECISION={settings.precision}",
            expected=" or ".join(Precision),
            remedy="correct the variable, or unset it",
        )
    FetchAllowList.parse(settings.fetch_allow)
    return settings


class Application:
    """Everything a command, a worker or the storefront works with. Parts are made when they are first asked for.

    What is imported inside the properties is what makes a command slow to start; a command pays for what it uses.
    Use it in a ``with`` block: leaving it closes what was opened, in reverse order.

    Args:
        observer: Told of every batch that is indexed.
        is_worker: The process lives long, and indexes more than anything else.
        is_server: The process lives long, and where there are no workers it also does their work.
    """

    def __init__(
        self,
        settings: Settings,
        observer: IndexingObserver | None = None,
        *,
        is_worker: bool = False,
        is_server: bool = False,
    ) -> None:
        self.settings = settings
        self._is_worker = is_worker
        self._is_server = is_server
        self._observer = observer
        self._resources = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Release everything that was opened. Safe to call twice."""
        self._resources.close()

    @cached_property
    def database_url(self) -> str:
        """Where PostgreSQL is; the embedded one is started by asking."""
        from catalog.adapters.postgres.database_url import normalize_database_url
        from catalog.adapters.postgres.embedded_postgres import EmbeddedPostgres

        if self.settings.database_url is not None:
            return normalize_database_url(self.settings.database_url.get_secret_value())
        server = EmbeddedPostgres(self.settings.postgres_folder)
        self._resources.callback(server.close)
        return server.url()

    @cached_property
    def _sessions(self) -> sessionmaker[Session]:
        from sqlalchemy.orm import sessionmaker

        from catalog.adapters.postgres.postgres_engine import create_postgres_engine
        from migrations.runner import upgrade

        engine = create_postgres_engine(self.database_url)
        self._resources.callback(engine.dispose)
        upgrade(engine)
        return sessionmaker(engine, expire_on_commit=False)

    def unit_of_work(self) -> UnitOfWork:
        """A new transaction, for use in a ``with`` block."""
        from catalog.unit_of_work import UnitOfWork

        return UnitOfWork(self._sessions, self.announcements)

    @cached_property
    def _reading_sessions(self) -> sessionmaker[Session]:
        from sqlalchemy.orm import sessionmaker

        from catalog.adapters.postgres.postgres_engine import create_postgres_engine

        assert self._sessions  # The schema is as it should be.
        engine = create_postgres_engine(self.database_url, only_reads=True)
        self._resources.callback(engine.dispose)
        return sessionmaker(engine, expire_on_commit=False)

    def unit_of_reading(self) -> UnitOfWork:
        """Statements that only read, for use in a ``with`` block."""
        from catalog.unit_of_work import UnitOfReading

        return UnitOfReading(self._reading_sessions)

    def check_database(self) -> None:
        """Ask PostgreSQL whether it is there, and bring its schema up to date.

        Raises:
            DatabaseUnavailable: it does not answer, or a newer Drape has upgraded it.
        """
        with self.unit_of_work() as work:
            work.merchants.names()

    def check_broker(self) -> None:
        """Ask the broker whether it is there.

        Raises:
            InvalidRequest: none is configured, or one that is not Redis.
            BrokerUnavailable: it does not answer.
        """
        from catalog.adapters.broker.broker_url import require_broker_url
        from catalog.adapters.broker.celery_broker import require_redis

        require_redis(require_broker_url(self.settings.broker_url))

    @cached_property
    def announcements(self) -> Announcements:
        """Tells workers that there is work, where a broker is configured; else threads of this process."""
        if self.settings.broker_url is None:
            return self.own_announcements
        from catalog.adapters.broker.celery_announcements import CeleryAnnouncements
        from catalog.adapters.broker.celery_broker import celery_app

        announcements = CeleryAnnouncements(celery_app(self.settings.broker_url.get_secret_value()))
        self._resources.callback(announcements.close)
        return announcements

    @cached_property
    def own_announcements(self) -> OwnAnnouncements:
        """Wakes the threads of this process that work as workers would, where there are none of these."""
        from catalog.ports.announcements import OwnAnnouncements

        return OwnAnnouncements()

    @cached_property
    def index(self) -> VectorIndex:
        """The vector index: a Qdrant server where one is configured, else Qdrant's engine in this process."""
        if self.settings.qdrant_url is not None:
            from catalog.adapters.qdrant.qdrant_server_index import QdrantServerIndex, ServerLayout

            key = self.settings.qdrant_api_key
            layout = ServerLayout(
                self.settings.qdrant_shards,
                self.settings.qdrant_replicas,
                self.settings.qdrant_write_consistency,
                self.settings.qdrant_quantization == "int8",
                self.settings.qdrant_on_disk,
            )
            server = QdrantServerIndex.connect(
                self.settings.qdrant_url, None if key is None else key.get_secret_value(), layout=layout
            )
            self._resources.callback(server.close)
            return server
        return self._edge_index

    @cached_property
    def _edge_index(self) -> QdrantEdgeIndex:
        from catalog.adapters.qdrant.qdrant_edge_index import QdrantEdgeIndex

        works_for_others = self._is_server and self.settings.broker_url is None
        edge = QdrantEdgeIndex(self.settings.vectors_folder, works_for_others=works_for_others)
        self._resources.callback(edge.close)
        return edge

    @cached_property
    def is_indexed_elsewhere(self) -> bool:
        """Whether what this process marks is indexed by others: by workers, or by the server that owns the index."""
        if self.settings.broker_url is not None:
            return True
        if self.settings.qdrant_url is not None or self._is_server:
            return False
        from catalog.adapters.qdrant.exclusive_folder import is_worked_in

        return is_worked_in(self.settings.vectors_folder)

    @cached_property
    def snapshots(self) -> SnapshotService:
        """Saves the collections of all galleries, and puts them back."""
        from catalog.services.galleries.snapshots import SnapshotService

        return SnapshotService(self.unit_of_work, self.index, self._vector_snapshots)

    @cached_property
    def _vector_snapshots(self) -> VectorSnapshots:
        if self.settings.qdrant_url is None:
            return self._edge_index
        from catalog.adapters.qdrant.qdrant_server_snapshots import QdrantServerSnapshots

        key = self.settings.qdrant_api_key
        server = QdrantServerSnapshots(self.settings.qdrant_url, None if key is None else key.get_secret_value())
        self._resources.callback(server.close)
        return server

    @contextmanager
    def temporary_index(self) -> Iterator[VectorIndex]:
        """An empty vector index in this process, gone after the ``with`` block; other processes may own theirs."""
        from catalog.adapters.qdrant.qdrant_edge_index import QdrantEdgeIndex

        with tempfile.TemporaryDirectory(prefix="drape-vectors-") as folder:
            index = QdrantEdgeIndex(Path(folder) / "vectors")
            try:
                yield index
            finally:
                index.close()

    @cached_property
    def image_store(self) -> ImageStore:
        """Where image bytes are kept."""
        from catalog.adapters.files.fsspec_image_store import FsspecImageStore

        return FsspecImageStore(self.settings.image_store_url)

    @cached_property
    def remote_files(self) -> RemoteFiles:
        """Fetches images and feeds that are named by their address."""
        return self._http

    @cached_property
    def _http(self) -> HttpOnDemand:
        from catalog.adapters.http.fetch_allow_list import FetchAllowList
        from catalog.adapters.http.http_on_demand import HttpOnDemand

        allowed = FetchAllowList.parse(self.settings.fetch_allow)

        def make() -> HttpFiles:
            from catalog.adapters.http.http_files import HttpFiles

            files = HttpFiles(allowed, per_host=self.settings.fetch_per_host)
            self._resources.callback(files.close)
            return files

        return HttpOnDemand(make)

    @cached_property
    def model_store(self) -> ModelStore:
        """The model versions on this machine."""
        from embeddings.model_store import ModelStore

        return ModelStore(self.settings.models_folder)

    @cached_property
    def _shared_models(self) -> SharedModels | None:
        if self.settings.model_store is None:
            return None
        from catalog.adapters.files.shared_models import SharedModels

        return SharedModels(self.settings.model_store)

    @cached_property
    def models(self) -> StoredModels:
        """The model versions as the services see them."""
        from catalog.adapters.networks.batch_sizes import BatchSizes
        from catalog.adapters.networks.stored_models import StoredModels

        # Without the precision of the settings, which is for new galleries: those that exist are looked up by the name
        # their vectors are kept under, and that means one precision whatever the settings become.
        sizes = BatchSizes(self.settings.home / "batch-sizes.json") if self.settings.batch_size is None else None
        return StoredModels(
            self.model_store,
            batch_size=self.settings.images_per_call,
            shared=self._shared_models,
            batch_sizes=sizes,
            measures=self._is_worker,
        )

    @cached_property
    def _noted_models(self) -> NotedModels:
        """The same, held to what they were when vectors were first made with them."""
        from catalog.services.models.noted_models import NotedModels

        return NotedModels(self._running_models, self.unit_of_work)

    @cached_property
    def _running_models(self) -> Models:
        """The same with networks that do not keep this process from answering."""
        if not self._is_server:
            return self.models
        from catalog.adapters.networks.process_models import ProcessModels

        return ProcessModels(self.models, self._network_process)

    @cached_property
    def _network_process(self) -> NetworkProcess:
        """Where the networks of a server run; started once it is asked for one."""
        from catalog.adapters.networks.network_process import NetworkProcess

        process = NetworkProcess("workers.network_process", self.settings)
        self._resources.callback(process.close)
        return process

    def end_networks(self) -> None:
        """Have nobody wait any longer for the networks of a server, be they loaded, at work or hung."""
        if self._is_server:
            self._network_process.close()

    @cached_property
    def galleries(self) -> GalleryService:
        """Galleries: made, fed, switched."""
        # The embedded index belongs to the worker, where there is one, and a feed can be taken beside it.
        is_elsewhere = self.settings.qdrant_url is None and self.settings.broker_url is not None
        return self._gallery_service(None if is_elsewhere else self.index)

    @cached_property
    def _galleries_of_feeds(self) -> GalleryService:
        """The same for taking feeds, which goes beside a server that owns the embedded index, too."""
        is_elsewhere = self.settings.qdrant_url is None and self.is_indexed_elsewhere
        return self._gallery_service(None) if is_elsewhere else self.galleries

    def _gallery_service(self, index: VectorIndex | None) -> GalleryService:
        from catalog.services.galleries.galleries import GalleryService
        from embeddings.manifest import Precision

        precision = None if self.settings.precision is None else Precision(self.settings.precision)
        return GalleryService(self.unit_of_work, index, self._noted_models, precision)

    @cached_property
    def ingest(self) -> IngestService:
        """Takes feeds."""
        from catalog.services.ingesting.ingest import IngestService

        return IngestService(
            self.unit_of_work,
            self.image_store,
            self._galleries_of_feeds,
            max_pixels=self.settings.max_image_pixels,
            max_bytes=self.settings.max_image_bytes,
            read_threads=self.settings.decode_threads,
        )

    @cached_property
    def remote_feeds(self) -> RemoteFeedService:
        """Fetches feeds by address and takes them."""
        from catalog.services.ingesting.remote_feeds import RemoteFeedService

        return RemoteFeedService(
            self.unit_of_work,
            self.remote_files,
            self.ingest,
            self._galleries_of_feeds,
            max_bytes=self.settings.max_feed_bytes,
        )

    @cached_property
    def feed_schedules(self) -> FeedScheduleService:
        """Takes feeds by address again and again."""
        from catalog.services.ingesting.feed_schedules import FeedScheduleService

        lease = datetime.timedelta(seconds=self.settings.lease_seconds)
        return FeedScheduleService(self.unit_of_work, self.remote_feeds, self.galleries, lease=lease)

    @cached_property
    def feed_submissions(self) -> FeedSubmissionService:
        """Takes over feeds, for whoever takes them."""
        from catalog.adapters.files.fsspec_feed_store import FsspecFeedStore
        from catalog.services.ingesting.feed_submissions import FeedSubmissionService

        return FeedSubmissionService(
            self.unit_of_work,
            FsspecFeedStore(self.settings.image_store_url),
            self.ingest,
            self.remote_feeds,
            model=self.settings.model,
            max_image_bytes=self.settings.max_image_bytes,
            max_feed_bytes=self.settings.max_feed_bytes,
            lease=datetime.timedelta(seconds=self.settings.lease_seconds),
        )

    @cached_property
    def webhooks(self) -> WebhookService:
        """Keeps webhooks, and tells them of jobs that have ended."""
        from catalog.services.webhooks import WebhookService

        return WebhookService(self.unit_of_work, self._http)

    @cached_property
    def feed_history(self) -> FeedHistoryService:
        """Tells what ingests have changed."""
        from catalog.services.ingesting.feed_history import FeedHistoryService

        return FeedHistoryService(self.unit_of_work)

    @cached_property
    def feed_undo(self) -> FeedUndoService:
        """Undoes ingests."""
        from catalog.services.ingesting.feed_undo import FeedUndoService

        return FeedUndoService(self.unit_of_work)

    @cached_property
    def image_fetching(self) -> ImageFetching:
        """Fetches images by address."""
        from catalog.services.fetching.image_fetching import FetchLimits, ImageFetching

        limits = FetchLimits(
            threads=self.settings.fetch_threads,
            per_host=self.settings.fetch_per_host,
            max_bytes=self.settings.max_image_bytes,
            max_pixels=self.settings.max_image_pixels,
            max_attempts=self.settings.max_attempts,
            lease=datetime.timedelta(seconds=self.settings.lease_seconds),
        )
        # Who owns the embedded index is the only one that fetches, too.
        own = self.index.list_collections if self.settings.qdrant_url is None else None
        return ImageFetching(self.unit_of_work, self.remote_files, self.image_store, limits, own)

    @cached_property
    def fetching_work(self) -> FetchingWork:
        """The fetching as a worker does it, in shares."""
        from catalog.services.fetching.fetching_work import FetchingWork

        return FetchingWork(self.image_fetching, self.announcements)

    @cached_property
    def fetching_and_indexing(self) -> FetchingAndIndexing:
        """Fetches and indexes where there are no workers."""
        from catalog.services.fetching.fetching_and_indexing import FetchingAndIndexing

        return FetchingAndIndexing(self.unit_of_work, self.image_fetching, self.indexing)

    @cached_property
    def indexing(self) -> IndexingService:
        """Works off dirty images."""
        from catalog.services.indexing.indexing import IndexingLimits, IndexingService

        limits = IndexingLimits(
            batch_size=self.settings.images_per_call,
            decode_threads=self.settings.decode_threads,
            max_pixels=self.settings.max_image_pixels,
            max_attempts=self.settings.max_attempts,
            lease=datetime.timedelta(seconds=self.settings.lease_seconds),
            hide_duplicates=self.settings.hide_duplicates,
        )
        if self._is_worker and limits.hide_duplicates:
            from embeddings.photo_hash import load_hashing

            # Before the first images are claimed, whose lease would run meanwhile.
            load_hashing()
        # The embedded index has one owner at a time, and only its owner indexes.
        alone = self.settings.qdrant_url is None
        return IndexingService(
            self.unit_of_work,
            self.index,
            self.image_store,
            self._noted_models,
            limits,
            alone=alone,
            observer=self._observer,
        )

    @cached_property
    def indexing_work(self) -> IndexingWork:
        """The indexing as a worker does it, in shares."""
        from catalog.services.indexing.indexing_work import IndexingWork

        return IndexingWork(self.indexing, self.announcements)

    @cached_property
    def indexing_follower(self) -> IndexingFollower:
        """Watches what workers index."""
        from catalog.services.indexing.indexing_follower import IndexingFollower

        return IndexingFollower(self.unit_of_work)

    @cached_property
    def reindexing(self) -> ReindexService:
        """Changes to other model versions, and back."""
        from catalog.services.reindexing.reindexing import ReindexService

        return ReindexService(self.unit_of_work, self.galleries, self._indexer, self.gallery_checks)

    @cached_property
    def _indexer(self) -> Indexer:
        """Workers, where there are some that do not own the index; else this process."""
        from catalog.services.indexing.indexing_follower import WorkersIndexing

        if self.settings.broker_url is None or self.settings.qdrant_url is None:
            return self.indexing
        return WorkersIndexing(self.indexing_follower)

    @cached_property
    def gallery_checks(self) -> GalleryChecks:
        """Measures galleries before searches go to them."""
        from catalog.services.reindexing.gallery_checks import GalleryChecks

        return GalleryChecks(self.unit_of_work, self.index, self._noted_models)

    @cached_property
    def pruning(self) -> GalleryPruning:
        """Drops galleries that are no longer searched."""
        from catalog.services.reindexing.gallery_pruning import GalleryPruning

        return GalleryPruning(self.unit_of_work, self.index, alone=self.settings.qdrant_url is None)

    @cached_property
    def search(self) -> SearchService:
        """Answers searches."""
        from catalog.services.searching.search import AT_ONCE, SearchService

        at_once = AT_ONCE if self.settings.qdrant_url is None else None
        return SearchService(
            self.unit_of_reading, self.index, self._noted_models, self.query_embedding, at_once=at_once
        )

    @cached_property
    def query_embedding(self) -> QueryEmbedding:
        """Turns photos that are searched with into features."""
        from catalog.services.photo_queries.query_cache import QueryCache
        from catalog.services.photo_queries.query_embedding import QueryEmbedding

        cache = QueryCache(self.settings.query_cache_mb * 2**20)
        return QueryEmbedding(self._noted_models, self._query_network, cache, max_pixels=self.settings.max_image_pixels)

    @cached_property
    def _query_network(self) -> QueryNetwork:
        """In this process, or on workers."""
        if self.settings.query_embedder == "here":
            from catalog.services.photo_queries.batched_query_network import BatchedQueryNetwork

            return BatchedQueryNetwork(self._noted_models)
        from catalog.adapters.broker.broker_url import require_broker_url
        from catalog.adapters.broker.redis_query_network import RedisQueryNetwork

        broker_url = require_broker_url(self.settings.broker_url)
        network = RedisQueryNetwork(broker_url, self.announcements, self.settings.query_deadline)
        self._resources.callback(network.close)
        return network

    @cached_property
    def query_work(self) -> QueryWork:
        """Embeds photos that are searched with elsewhere."""
        from catalog.adapters.broker.broker_url import require_broker_url
        from catalog.adapters.broker.redis_query_requests import RedisQueryRequests
        from catalog.services.photo_queries.query_work import QueryWork

        requests = RedisQueryRequests(require_broker_url(self.settings.broker_url))
        self._resources.callback(requests.close)
        return QueryWork(self.unit_of_work, self._noted_models, requests)

    @cached_property
    def tagging(self) -> TaggingService:
        """Tells what photos show."""
        from catalog.services.photo_queries.tagging import TaggingService

        return TaggingService(self.unit_of_work, self._noted_models, self.query_embedding)

    @cached_property
    def facets(self) -> FacetService:
        """Counts products of each kind."""
        from catalog.services.browsing.facets import FacetService

        return FacetService(self.unit_of_reading)

    @cached_property
    def product_browsing(self) -> ProductBrowsing:
        """Shows products one by one and page by page."""
        from catalog.services.browsing.product_browsing import ProductBrowsing

        return ProductBrowsing(self.unit_of_reading)

    @cached_property
    def product_removal(self) -> ProductRemoval:
        """Removes single products."""
        from catalog.services.browsing.product_removal import ProductRemoval

        return ProductRemoval(self.unit_of_work)

    @cached_property
    def attribute_choices(self) -> AttributeChoices:
        """Lists attributes to choose from, and completes what is typed of them."""
        from catalog.services.browsing.attribute_choices import AttributeChoices

        return AttributeChoices(self.unit_of_reading, self._noted_models)

    @cached_property
    def shown_images(self) -> ShownImages:
        """Gives out the photos of catalogs."""
        from catalog.services.browsing.shown_images import ShownImages

        return ShownImages(self.unit_of_reading, self.image_store, max_pixels=self.settings.max_image_pixels)

    @cached_property
    def readiness(self) -> ReadinessService:
        """Tells whether searches can be answered."""
        from catalog.services.readiness import ReadinessService

        return ReadinessService(self.unit_of_work, self.index, self.image_store)

    @cached_property
    def status(self) -> StatusService:
        """Tells how things stand."""
        from catalog.services.status import StatusService

        return StatusService(self.unit_of_work, self.models)

    @cached_property
    def api_keys(self) -> ApiKeyService:
        """Makes, lists and revokes API keys, and tells whose a key is."""
        from catalog.services.api_keys import ApiKeyService

        return ApiKeyService(self.unit_of_work)

    @cached_property
    def request_limits(self) -> RequestLimits:
        """Counts requests: for all processes in Redis, where there is one."""
        from catalog.adapters.broker.request_limits import RequestLimits

        url = self.settings.broker_url
        return RequestLimits(None if url is None else url.get_secret_value())

    @cached_property
    def jobs(self) -> JobService:
        """Lists and cancels what takes long."""
        from catalog.services.jobs import JobService

        return JobService(self.unit_of_work)

    @cached_property
    def reconciliation(self) -> ReconciliationService:
        """Compares the vector index with PostgreSQL."""
        from catalog.services.indexing.reconciliation import ReconciliationService

        return ReconciliationService(self.unit_of_work, self.index, self._noted_models)

    @cached_property
    def attribute_mining(self) -> AttributeMiningService:
        """Finds attributes in a catalog's feed and texts."""
        from catalog.services.models.attribute_mining import AttributeMiningService

        return AttributeMiningService(self.unit_of_work)

    @cached_property
    def calibration(self) -> CalibrationService:
        """Reads samples of catalogs to quantize with."""
        from catalog.services.models.calibration import CalibrationService

        return CalibrationService(self.unit_of_work, self.image_store, max_pixels=self.settings.max_image_pixels)

    @cached_property
    def training(self) -> TrainingService:
        """Trains on catalogs and data sets."""
        from catalog.services.models.training import TrainingService

        return TrainingService(
            self.unit_of_work,
            self.image_store,
            self.model_store,
            self.attribute_mining,
            self.settings.training_folder,
            max_pixels=self.settings.max_image_pixels,
        )

    @cached_property
    def catalog_datasets(self) -> CatalogDatasets:
        """Reads catalogs as data sets to evaluate on."""
        from catalog.services.models.catalog_dataset import CatalogDatasets

        return CatalogDatasets(self.unit_of_work, self.image_store, self.attribute_mining)

    @cached_property
    def evaluation(self) -> EvaluationService:
        """Evaluates networks on data sets. Touches neither the database nor the galleries."""
        from catalog.services.models.evaluation import EvaluationService

        return EvaluationService(
            self.model_store,
            self.models,
            self.temporary_index,
            batch_size=self.settings.images_per_call,
            decode_threads=self.settings.decode_threads,
            max_pixels=self.settings.max_image_pixels,
        )
