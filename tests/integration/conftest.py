"""PostgreSQL for the tests: one private server per run, one freshly migrated database per test that asks for it."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url, text
from sqlalchemy.pool import NullPool

from catalog.adapters.postgres.embedded_postgres import EmbeddedPostgres
from migrations.runner import upgrade
from tests.qdrant_double import QdrantDouble
from tests.redis_server import RedisServer
from tests.worker_cluster import WorkerCluster

_TEMPLATE = "migrated_template"
_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[EmbeddedPostgres]:
    """The run's private server. Its folder is deleted afterwards, so durability is switched off for speed."""
    settings = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}
    with (
        # Not pytest's own folder: that one is closed to the account which runs PostgreSQL for root.
        tempfile.TemporaryDirectory(prefix="drape-tests-") as folder,
        EmbeddedPostgres(Path(folder) / "postgres", settings=settings) as server,
    ):
        server.url()
        yield server


@pytest.fixture(scope="session")
def postgres_url(postgres_server) -> str:
    """URL of the server's maintenance database; for tests that make databases of their own."""
    return postgres_server.url("postgres")


@pytest.fixture(scope="session")
def _migrated_template(postgres_url) -> str:
    """Name of a database at the newest schema version, to be copied (a copy takes a tenth of the migrations' time)."""
    _execute(postgres_url, f"CREATE DATABASE {_TEMPLATE}")
    upgrade(_with_database(postgres_url, _TEMPLATE))
    return _TEMPLATE


@pytest.fixture
def database(postgres_url, _migrated_template) -> Iterator[str]:
    """URL of an empty database at the newest schema version, this test's own, dropped after it."""
    with _fresh_database(postgres_url, _migrated_template) as url:
        yield url


@pytest.fixture(scope="module")
def module_database(postgres_url, _migrated_template) -> Iterator[str]:
    """The same, for all tests of a module that only read what is put there once."""
    with _fresh_database(postgres_url, _migrated_template) as url:
        yield url


@contextmanager
def _fresh_database(postgres_url: str, template: str) -> Iterator[str]:
    name = f"test_{next(_numbers)}"
    _execute(postgres_url, f"CREATE DATABASE {name} TEMPLATE {template}")
    yield _with_database(postgres_url, name)
    _execute(postgres_url, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def empty_database(postgres_url) -> Iterator[str]:
    """URL of a database with nothing in it, this test's own, dropped after it."""
    name = f"empty_{next(_numbers)}"
    _execute(postgres_url, f"CREATE DATABASE {name}")
    yield _with_database(postgres_url, name)
    _execute(postgres_url, f"DROP DATABASE {name} WITH (FORCE)")


def _execute(url: str, statement: str) -> None:
    engine = create_engine(url, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    with engine.connect() as connection:
        connection.execute(text(statement))


def _with_database(url: str, database: str) -> str:
    return make_url(url).set(database=database).render_as_string(hide_password=False)


@pytest.fixture
def cluster(database, tmp_path) -> Iterator[WorkerCluster]:
    """PostgreSQL, Redis and a Qdrant double, with no worker yet; those that a test starts end with it."""
    engine = create_engine(database)
    with RedisServer(tmp_path / "redis") as redis, QdrantDouble() as qdrant:
        cluster = WorkerCluster(tmp_path, engine, redis, qdrant)
        yield cluster
        cluster.stop()
    engine.dispose()
