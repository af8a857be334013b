"""The versions, their order, and the runner that every command calls."""

from __future__ import annotations

import threading

import pytest
from sqlalchemy import create_engine, event, inspect, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.pool import NullPool

from catalog.errors import DatabaseUnavailable
from migrations import runner
from migrations.drift import definitions, differences, find_drift


@pytest.fixture
def engine(empty_database):
    """An engine on a database with nothing in it."""
    return create_engine(empty_database, poolclass=NullPool)


def count_queries(engine) -> list[str]:
    """A list that receives every statement the engine runs from now on."""
    statements: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda *arguments: statements.append(arguments[2]))
    return statements


def test_an_empty_database_is_brought_to_the_newest_version(engine):
    """``upgrade`` makes every table, and ``current`` then names the newest version."""
    with engine.connect() as connection:
        assert runner.current(connection) is None
    runner.upgrade(engine)
    with engine.connect() as connection:
        assert runner.current(connection) == runner.head()
        assert {"merchant", "product", "image", "outbox"} <= set(inspect(connection).get_table_names())


def test_upgrading_by_url_does_the_same_as_by_engine(empty_database):
    """The address of a database is as good as an engine."""
    runner.upgrade(empty_database)
    with create_engine(empty_database, poolclass=NullPool).connect() as connection:
        assert runner.current(connection) == runner.head()


def test_a_database_that_is_up_to_date_costs_one_query(database):
    """Every command upgrades first; where there is nothing to do, that is one query."""
    engine = create_engine(database, poolclass=NullPool)
    engine.connect().close()  # The dialect asks its own questions on the first connection.
    statements = count_queries(engine)
    runner.upgrade(engine)
    assert statements == ["SELECT version_num FROM alembic_version"]


@pytest.mark.timeout(60)  # Upgrades that do not take turns can wait for each other's table locks for ever.
def test_processes_that_upgrade_at_once_take_turns(empty_database):
    """Eight upgrades released together leave one migrated database and no error."""
    barrier = threading.Barrier(8)
    errors: list[Exception] = []

    def upgrade_together() -> None:
        barrier.wait()
        try:
            runner.upgrade(empty_database)
        except Exception as error:  # noqa: BLE001 - whatever is raised in a thread must reach the assertion below.
            errors.append(error)

    # Alembic's own imports are not what is raced for.
    import alembic.command  # noqa: F401

    threads = [threading.Thread(target=upgrade_together) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    with create_engine(empty_database, poolclass=NullPool).connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM alembic_version")).scalar_one() == 1


def test_a_newer_database_is_refused_in_words(database):
    """A database of a newer Drape is left alone, and the message says which version it has."""
    engine = create_engine(database, poolclass=NullPool)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9876'"))
    with pytest.raises(runner.DatabaseTooNew, match=r"newer Drape.*9876.*Upgrade Drape"):
        runner.upgrade(engine)


def test_a_server_that_is_away_is_named_as_such(tmp_path):
    """No server at the address is a DatabaseUnavailable with a remedy, not a driver's error."""
    with pytest.raises(DatabaseUnavailable, match="DRAPE_DATABASE_URL"):
        runner.upgrade(f"postgresql+psycopg2://someone@/nothing?host={tmp_path}&port=5432")


def test_every_version_can_be_undone_and_redone(engine):
    """Down to nothing leaves nothing; up again makes exactly the same schema."""
    runner.upgrade(engine)
    with engine.connect() as connection:
        before = definitions(connection)
        connection.rollback()
        runner.downgrade(connection, "base")
        assert definitions(connection) == frozenset()
        connection.rollback()
        assert runner.current(connection) is None
    runner.upgrade(engine)
    with engine.connect() as connection:
        assert definitions(connection) == before


def test_file_names_tell_the_order_that_alembic_finds(engine):
    """The newest version read from file names is the one Alembic finds by following the versions, in one line."""
    from alembic.script import ScriptDirectory

    with engine.connect() as connection:
        scripts = ScriptDirectory.from_config(runner.configuration(connection))
    assert [script.revision for script in scripts.walk_revisions()] == list(reversed(runner.revisions()))
    assert scripts.get_heads() == [runner.head()]


def test_versions_make_what_the_rows_declare(postgres_server):
    """No drift between the versions and the rows."""
    assert find_drift(postgres_server) == []


@pytest.mark.parametrize(
    ("change", "seen"),
    [
        ("ALTER TABLE product ALTER COLUMN title DROP NOT NULL", "column product.title"),
        ("ALTER TABLE outbox ALTER COLUMN attempts SET DEFAULT 1", "column outbox.attempts"),
        ("ALTER TABLE image ALTER COLUMN width TYPE bigint", "column image.width"),
        ("ALTER TABLE image DROP CONSTRAINT ck_image_state", "constraint image ck_image_state"),
        ("DROP INDEX uq_gallery_live", "index CREATE UNIQUE INDEX uq_gallery_live"),
        ("ALTER SEQUENCE image_revision INCREMENT BY 2", "sequence image_revision"),
        ("CREATE TABLE stray (id integer)", "column stray.id"),
    ],
)
def test_drift_of_every_kind_is_seen(database, change, seen):
    """One altered default, type, constraint, partial index or sequence is named."""
    with create_engine(database, poolclass=NullPool).connect() as connection:
        declared = definitions(connection)
        connection.execute(text(change))
        found = differences(definitions(connection), declared)
    assert any(line[2:].startswith(seen) for line in found), found


def test_at_most_one_gallery_of_a_merchant_is_live(database):
    """The partial unique index lets many galleries be retired and one be live."""
    insert = (
        "INSERT INTO gallery (merchant_id, model_version_id, collection, state) VALUES (1, {version}, 'c', '{state}')"
    )
    engine = create_engine(database, poolclass=NullPool)
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO merchant (name) VALUES ('m')"))
        for version in (1, 2, 3, 4):
            row = {"name": f"v{version}"}
            connection.execute(text("INSERT INTO model_version (name, manifest) VALUES (:name, '{}')"), row)
        for version, state in ((1, "retired"), (2, "retired"), (3, "live")):
            connection.execute(text(insert.format(version=version, state=state)))
    with engine.begin() as connection, pytest.raises(IntegrityError, match="uq_gallery_live"):
        connection.execute(text(insert.format(version=4, state="live")))


def test_the_only_retired_gallery_is_what_a_rollback_goes_back_to(empty_database):
    """Before 0002 nothing noted when galleries were retired: of one it is known anyway, of several it is not."""
    engine = create_engine(empty_database, poolclass=NullPool)
    runner.upgrade(engine)
    with engine.connect() as connection:
        runner.downgrade(connection, "0001")
        galleries = [(1, 1, "retired"), (1, 2, "live"), (2, 1, "retired"), (2, 2, "retired"), (2, 3, "live")]
        connection.execute(text("INSERT INTO merchant (name) VALUES ('one'), ('two')"))
        connection.execute(
            text("INSERT INTO model_version (name, manifest) VALUES ('a', '{}'), ('b', '{}'), ('c', '{}')")
        )
        for merchant, version, state in galleries:
            row = {"merchant": merchant, "version": version, "state": state}
            connection.execute(
                text(
                    "INSERT INTO gallery (merchant_id, model_version_id, collection, state) "
                    "VALUES (:merchant, :version, 'c', :state)"
                ),
                row,
            )
        connection.commit()
    runner.upgrade(engine)
    with engine.connect() as connection:
        noted = connection.execute(
            text("SELECT merchant_id, model_version_id FROM gallery WHERE retired_at IS NOT NULL")
        )
        assert [tuple(row) for row in noted] == [(1, 1)]


def test_a_catalog_of_before_feeds_came_over_http_is_kept_and_can_go_back(empty_database):
    """From 0010 with rows, and back, where what waits is cancelled. Galleries changed with the last job."""
    engine = create_engine(empty_database, poolclass=NullPool)
    runner.upgrade(engine)
    with engine.connect() as connection:
        runner.downgrade(connection, "0010")
        for statement in (
            "INSERT INTO merchant (name) VALUES ('busy'), ('idle')",
            "INSERT INTO model_version (name, manifest) VALUES ('a', '{}')",
            "INSERT INTO gallery (merchant_id, model_version_id, collection, state, created_at) VALUES "
            "(1, 1, 'c', 'live', '2026-01-01T00:00Z'), (2, 1, 'd', 'live', '2026-02-01T00:00Z')",
            "INSERT INTO job (merchant_id, kind, subject, state, counts, updated_at, finished_at) VALUES "
            "(1, 'ingest', 'f.csv', 'done', '{}', '2026-03-01T00:00Z', '2026-03-01T00:00Z'), "
            "(1, 'ingest', 'f.csv', 'running', '{}', '2026-03-02T00:00Z', NULL)",
            "INSERT INTO product (merchant_id, external_id, title, description, category, attributes, "
            "given_attributes, availability, raw, fingerprint) "
            "VALUES (1, 'p', 'Dress', '', '{}', '{}', '{}', 'unknown', '{}', 'x')",
        ):
            connection.execute(text(statement))
        connection.commit()
    runner.upgrade(engine)
    with engine.connect() as connection:
        indexed = connection.execute(text("SELECT indexed_at FROM gallery ORDER BY id")).scalars()
        assert [(at.month, at.day) for at in indexed] == [(3, 2), (2, 1)]
        assert connection.execute(text("SELECT fields FROM product")).scalar_one() == []
        states = text("SELECT state FROM job ORDER BY id")
        connection.execute(
            text(
                "INSERT INTO job (merchant_id, kind, subject, state, counts) "
                "VALUES (1, 'ingest', 'g.csv', 'waiting', '{}')"
            )
        )
        connection.execute(text("INSERT INTO submitted_feed (job_id, merchant_id) VALUES (3, 1)"))
        connection.commit()
        runner.downgrade(connection, "0010")
        assert list(connection.execute(states).scalars()) == ["done", "running", "cancelled"]
    runner.upgrade(engine)
