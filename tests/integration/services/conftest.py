"""The services on real parts: PostgreSQL, Qdrant's engine and a folder of images. Only the network is a fake."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.orm import sessionmaker

from catalog.adapters.files.fsspec_image_store import FsspecImageStore
from catalog.adapters.qdrant.qdrant_edge_index import QdrantEdgeIndex
from catalog.services.galleries.galleries import GalleryService
from catalog.services.indexing.indexing import IndexingLimits, IndexingService, IndexingSummary
from catalog.services.ingesting.feed_history import FeedHistoryService
from catalog.services.ingesting.feed_undo import FeedUndoService, UndoSummary
from catalog.services.ingesting.ingest import IngestRequest, IngestService, IngestSummary
from catalog.services.photo_queries.batched_query_network import BatchedQueryNetwork
from catalog.services.photo_queries.query_cache import QueryCache
from catalog.services.photo_queries.query_embedding import QueryEmbedding
from catalog.services.reindexing.gallery_checks import GalleryChecks
from catalog.services.reindexing.gallery_pruning import GalleryPruning
from catalog.services.reindexing.reindexing import ReindexService
from catalog.services.searching.search import SearchService
from catalog.types import RowError
from catalog.unit_of_work import UnitOfWork
from tests.fakes import COLORS, ColorModels

MERCHANT = "atelier"


def picture(*colors: str, size: tuple[int, int] = (32, 48)) -> bytes:
    """A PNG of equal horizontal bands in these colours."""
    image = Image.new("RGB", size)
    draw = ImageDraw.Draw(image)
    band = size[1] / len(colors)
    for number, color in enumerate(colors):
        draw.rectangle((0, round(number * band), size[0], round((number + 1) * band)), fill=COLORS[color])
    buffer = BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


@dataclass
class Shop:
    """A feed folder and the services that take it, with what a test wants to ask of them."""

    folder: Path
    engine: Engine
    index: QdrantEdgeIndex
    models: ColorModels
    images: FsspecImageStore
    errors: list[RowError] = field(default_factory=list)
    limits: IndexingLimits = field(default_factory=lambda: IndexingLimits(batch_size=4))

    def unit_of_work(self) -> UnitOfWork:
        return UnitOfWork(sessionmaker(self.engine, expire_on_commit=False))

    @property
    def galleries(self) -> GalleryService:
        return GalleryService(self.unit_of_work, self.index, self.models)

    @property
    def ingest_service(self) -> IngestService:
        return IngestService(
            self.unit_of_work, self.images, self.galleries, max_pixels=10_000_000, max_bytes=2**20, read_threads=2
        )

    @property
    def feed_history(self) -> FeedHistoryService:
        return FeedHistoryService(self.unit_of_work)

    @property
    def feed_undo(self) -> FeedUndoService:
        return FeedUndoService(self.unit_of_work)

    @property
    def search(self) -> SearchService:
        return SearchService(self.unit_of_work, self.index, self.models, self.query_embedding)

    @property
    def query_embedding(self) -> QueryEmbedding:
        return QueryEmbedding(self.models, BatchedQueryNetwork(self.models), QueryCache(0), max_pixels=10_000_000)

    @property
    def indexing(self) -> IndexingService:
        return IndexingService(self.unit_of_work, self.index, self.images, self.models, self.limits, alone=True)

    @property
    def reindexing(self) -> ReindexService:
        return ReindexService(self.unit_of_work, self.galleries, self.indexing, self.checks)

    @property
    def checks(self) -> GalleryChecks:
        return GalleryChecks(self.unit_of_work, self.index, self.models)

    @property
    def pruning(self) -> GalleryPruning:
        return GalleryPruning(self.unit_of_work, self.index, alone=True)

    def photo(self, name: str, *colors: str) -> str:
        """Write a picture into the feed's folder; its name."""
        (self.folder / name).write_bytes(picture(*colors))
        return name

    def write_feed(self, rows: Sequence[dict[str, Any]]) -> Path:
        """Write a JSON Lines feed; its path."""
        path = self.folder / "feed.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        return path

    def ingest(self, rows: Sequence[dict[str, Any]], **options: Any) -> IngestSummary:
        """Ingest rows without indexing."""
        self.errors.clear()
        request = IngestRequest(self.write_feed(rows), MERCHANT, "colors-1", **options)
        return self.ingest_service.run(request, self.errors.append)

    def take(self, rows: Sequence[dict[str, Any]], **options: Any) -> tuple[IngestSummary, IndexingSummary]:
        """Ingest and index rows."""
        summary = self.ingest(rows, **options)
        return summary, self.indexing.run(summary.merchant_id)

    def undo(self) -> tuple[UndoSummary, IndexingSummary]:
        """Undo the last ingest and index what that marked."""
        summary = self.feed_undo.run(MERCHANT)
        return summary, self.indexing.run(summary.merchant_id)

    def catalog(self, merchant: str = MERCHANT) -> list[tuple[Any, ...]]:
        """Everything that feeds decide of the merchant's products and images, by product id and source."""
        return self.rows(
            "SELECT external_id, title, description, category, attributes, price, currency, availability, link, "
            "item_group, product.raw, fingerprint, product.created_at, source, position, crop, sha256, size_bytes, "
            "width, height, state, last_error FROM product JOIN image ON product_id = product.id "
            f"JOIN merchant ON merchant.id = product.merchant_id AND merchant.name = '{merchant}' "
            "ORDER BY external_id, source"
        )

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Rows of a query, as PostgreSQL has them."""
        with self.engine.connect() as connection:
            return [tuple(row) for row in connection.execute(text(query))]

    def scalar(self, query: str) -> Any:
        return self.rows(query)[0][0]

    def assert_consistent(self) -> None:
        """Every image that can be indexed is in every fed gallery exactly once, at its revision; nothing else is."""
        galleries = self.rows("SELECT id, collection FROM gallery WHERE state <> 'retired'")
        wanted = dict(self.rows("SELECT id, revision FROM image WHERE state = 'ready'"))
        assert self.scalar("SELECT count(*) FROM outbox") == 0
        for gallery, collection in galleries:
            points = {point.id: point.payload["revision"] for point in self.index.scroll(collection, limit=10_000)}
            assert points == wanted
            noted = self.rows(f"SELECT image_id, revision FROM indexed_image WHERE gallery_id = {gallery}")
            assert dict(noted) == wanted


@pytest.fixture
def shop(database, tmp_path) -> Iterator[Shop]:
    """An empty shop."""
    folder = tmp_path / "feed"
    folder.mkdir()
    engine = create_engine(database)
    index = QdrantEdgeIndex(tmp_path / "vectors")
    yield Shop(folder, engine, index, ColorModels(), FsspecImageStore((tmp_path / "images").as_uri()))
    index.close()
    engine.dispose()


@pytest.fixture
def no_wait(monkeypatch) -> None:
    """Failed images are due again at once."""
    monkeypatch.setattr("catalog.services.indexing.indexing.FIRST_RETRY", datetime.timedelta(0))
