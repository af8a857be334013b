"""How much of the network's own rate an ingest keeps, from the feed to the last point written."""

from __future__ import annotations

import time

import pytest

from catalog.bootstrap import Application
from catalog.services.ingesting.ingest import IngestRequest
from catalog.settings import Settings
from tests.benchmarks.networks import prepared_files, resnet50_version
from tests.feeds_from_shared import read_products, write_shared_feed

SMALLEST_SHARE = 0.8
BATCH = 32


@pytest.mark.benchmark
@pytest.mark.shared
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    ("version", "num_images", "smallest_share"),
    [("resnet50-imagenet", 640, SMALLEST_SHARE), ("compact-rendered", 2560, None)],
)
def test_ingest_keeps_the_networks_rate(shared_folder, tmp_path, home, version, num_images, smallest_share):
    """Real photos of about 400 px, decoded, embedded, upserted and noted, against the network on prepared arrays.

    The compact network outruns the decoding of such photos on two cores, so its share is told and not asserted.
    """
    feed = write_shared_feed(shared_folder, "clothing", tmp_path, limit=num_images)
    sources = [product.images[0].source for product in read_products(shared_folder, "clothing")][:num_images]
    with Application(Settings(home=home)) as application:
        if version == "resnet50-imagenet":
            resnet50_version(application.model_store, shared_folder)
        embedder = application.models.embedder(version)
        application.status.merchants()  # Starts PostgreSQL and makes its tables, which happens once and not per feed.
        prepared = prepared_files(sources, embedder.input_size)
        embedder.embed(prepared[:BATCH])
        start = time.perf_counter()
        for first in range(0, num_images, BATCH):
            embedder.embed(prepared[first : first + BATCH])
        bare = num_images / (time.perf_counter() - start)
        del prepared
        start = time.perf_counter()
        summary = application.ingest.run(
            IngestRequest(feed, "benchmark", version, allow_absolute=True),
            on_error=lambda error: pytest.fail(str(error)),
        )
        indexing = application.indexing.run(summary.merchant_id)
        whole = num_images / (time.perf_counter() - start)
    assert indexing.embedded == num_images
    print(
        f"\n{version}: bare network {bare:.1f} images/s, ingest end to end {whole:.1f} images/s "
        f"(reading {summary.seconds:.1f} s, indexing {indexing.seconds:.1f} s), share {whole / bare:.2f}"
    )
    if smallest_share is not None:
        assert whole / bare >= smallest_share
