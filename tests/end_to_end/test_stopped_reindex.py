"""A re-indexing that is asked to end leaves nothing in its hands, and the same command goes on with it."""

from __future__ import annotations

import dataclasses
import signal
import time

from sqlalchemy import create_engine, text

from catalog.adapters.postgres.embedded_postgres import EmbeddedPostgres

NUM_IMAGES = 24
SECOND = "compact-rendered.bfloat16"


def test_a_reindexing_that_is_terminated_is_completed_by_the_next(drape, small_feed, tmp_path):
    """At 2 images a second, 24 take long enough to be met in the middle: searches stay, no lease does."""
    assert drape.run_here("ingest", small_feed(tmp_path, NUM_IMAGES), "--merchant", "atelier").code == 0
    slow = dataclasses.replace(drape, settings={"DRAPE_BATCH_SIZE": "4"})
    with EmbeddedPostgres(drape.home / "postgres") as server:
        engine = create_engine(server.url())

        def ask(query: str):
            with engine.connect() as connection:
                return connection.execute(text(query)).scalar_one()

        running = slow.start("reindex", "--model", SECOND, "--max-rate", "2")
        deadline = time.monotonic() + 200
        while ask("SELECT count(*) FROM indexed_image") == NUM_IMAGES:
            assert running.poll() is None, running.communicate()[1]
            assert time.monotonic() < deadline
            time.sleep(0.02)
        running.send_signal(signal.SIGTERM)
        _, err = running.communicate(timeout=60)
        assert (running.returncode, "continues from there" in err) == (130, True), err
        assert ask("SELECT count(*) FROM outbox WHERE lease_until IS NOT NULL") == 0
        assert ask("SELECT state FROM job WHERE kind = 'reindex'") == "interrupted"
        assert ask("SELECT count(*) FROM gallery WHERE state = 'building'") == 1
        done = ask("SELECT count(*) FROM indexed_image") - NUM_IMAGES
        assert 0 < done < NUM_IMAGES
        engine.dispose()

    assert drape.run_here("similar", "P5", "--json").json["model_version"] == "compact-rendered"
    completed = drape.run_here("reindex", "--model", SECOND, "--json")
    assert completed.code == 0, completed.err
    assert (completed.json["embedded"], completed.json["checked"]["points"]) == (NUM_IMAGES - done, NUM_IMAGES)
    assert drape.run_here("similar", "P5", "--json").json["model_version"] == SECOND
