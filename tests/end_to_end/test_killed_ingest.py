"""Whatever ends an ingest, the same command afterwards completes it: nothing lost, nothing twice."""

from __future__ import annotations

import dataclasses
import os
import signal
import time
from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import ProgrammingError

from catalog.adapters.postgres.embedded_postgres import EmbeddedPostgres

NUM_IMAGES = 240


@pytest.fixture(scope="module")
def feed(small_feed, tmp_path_factory):
    """A feed of many small pictures, all different."""
    return small_feed(tmp_path_factory.mktemp("many"), NUM_IMAGES)


@pytest.fixture
def num_indexed(drape) -> Iterator[Callable[[], int]]:
    """How many images PostgreSQL says are indexed, asked beside the running command."""
    with EmbeddedPostgres(drape.home / "postgres") as server:
        engine = create_engine(server.url())

        def ask() -> int:
            try:
                with engine.connect() as connection:
                    return connection.execute(text("SELECT count(*) FROM indexed_image")).scalar_one()
            except ProgrammingError:
                return 0  # The tables are not made yet.

        yield ask
        engine.dispose()


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGKILL], ids=["ctrl-c", "kill"])
def test_an_ingest_that_was_ended_is_completed_by_the_next(drape, feed, ending, num_indexed):
    """Ended while it indexes, with some images done and some not; the next run embeds exactly the rest."""
    # Small batches make it slow enough to be met in the middle.
    slow = dataclasses.replace(drape, settings={"DRAPE_BATCH_SIZE": "4"})
    running = slow.start("ingest", feed, "--merchant", "atelier")
    deadline = time.monotonic() + 200
    while num_indexed() == 0:
        assert running.poll() is None, running.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.kill(running.pid, ending)
    running.communicate(timeout=60)
    assert running.returncode != 0
    done = num_indexed()
    assert 0 < done < NUM_IMAGES

    completed = drape.run_here("ingest", feed, "--merchant", "atelier", "--json")
    assert completed.code == 0, completed.err
    assert completed.json["embedded"] == NUM_IMAGES - done
    assert num_indexed() == NUM_IMAGES
    again = drape.run_here("ingest", feed, "--merchant", "atelier", "--json")
    assert (again.json["embedded"], again.json["images"]["unchanged"]) == (0, NUM_IMAGES)
    similar = drape.run_here("similar", "P5", "--limit", "100", "--mode", "visual", "--every-image", "--json")
    ids = [hit["id"] for hit in similar.json["hits"]]
    assert len(set(ids)) == 100
