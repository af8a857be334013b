"""A private PostgreSQL in a folder: started when first asked for, shared by processes, stopped by the last to leave."""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import os
import re
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from catalog.adapters.postgres.database_url import socket_database_url
from catalog.adapters.postgres.postgres_programs import (
    MAJOR_VERSION,
    PORT,
    SUPERUSER,
    PostgresPrograms,
    log_path,
    remove_socket,
    running_server,
    settled_server,
    socket_path,
)
from catalog.errors import DatabaseUnavailable

DATABASE = "drape"

_LONGEST_SOCKET_PATH = 107
"""Bytes of a Unix socket's path, without the closing zero (``unix(7)``)."""

_PLAIN_PATH = re.compile(r"[A-Za-z0-9_./@+~-]+")
"""Paths that need no quoting in PostgreSQL's list of socket folders nor in a connection string's list of hosts."""

_TURN_SECONDS = 330.0
"""How long to wait for another process that is starting the server: longer than a start may take."""


class EmbeddedPostgres:
    """PostgreSQL on ``folder``, for every process of one user that opens the same folder.

    Starting takes about 0.12 s on an existing folder and 1.1 s for a new one, joining a running server under a
    millisecond, stopping 0.11 s (two cores). Each process that uses the server holds a shared lock in the folder, which
    the kernel takes back however the process ends; the one that leaves last stops the server. If all were killed, the
    next one adopts the server, and if the server was killed too, starting recovers every committed transaction.

    The server listens on a Unix socket only. It runs as the current user, or as ``nobody`` where that is root, whom
    PostgreSQL refuses; the folders above are then opened for passing through (never for reading) where they were not.

    Args:
        folder: Made on first use, along with the folders above it. Any path will do, long ones and spaces included.
        settings: PostgreSQL settings given to the server when this process is the one that starts it.

    Raises (from ``url``):
        DatabaseUnavailable: the folder cannot be written, belongs to another major version, or the server does not
            start.
    """

    def __init__(self, folder: Path, *, settings: Mapping[str, str] | None = None) -> None:
        self._folder = folder.expanduser().absolute()
        self._settings = dict(settings or {})
        self._membership: int | None = None
        self._member_pid: int | None = None
        self._guard = threading.Lock()

    def url(self, database: str = DATABASE) -> str:
        """SQLAlchemy URL (psycopg2) of a database of the running server, which is started if it is not running."""
        with self._guard:
            server = running_server(self._data) if self._is_member else None
            if server is None:
                self._prepare_folder()
                with _turn(self._folder / "start.lock"):
                    self._join()
                    server = settled_server(self._data)
                    if server is None:
                        self._start()
                        server = running_server(self._data)
            if server is None or not socket_path(server.socket_folder).exists():
                raise DatabaseUnavailable(
                    "The embedded PostgreSQL runs but its socket is gone.",
                    received=str(server),
                    remedy="Stop every Drape process, end the named server process, and start again.",
                )
            return socket_database_url(server.socket_folder, user=SUPERUSER, database=database, port=PORT)

    def close(self) -> None:
        """Leave the server, and stop it if no other process uses it. Safe to call twice; ``url`` opens it again."""
        with self._guard:
            membership, self._membership = self._membership, None
            if membership is None:
                return
            atexit.unregister(self.close)
            if self._member_pid != os.getpid() or not self._folder.exists():
                # A forked child shares its parent's lock: closing its copy of the file leaves the lock to the parent.
                # And a server whose folder was deleted stops by itself within a minute.
                os.close(membership)
                return
            with _turn(self._folder / "start.lock"):
                fcntl.flock(membership, fcntl.LOCK_UN)
                try:
                    fcntl.flock(membership, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    others_remain = True
                else:
                    others_remain = False
                try:
                    if not others_remain:
                        self._stop()
                finally:
                    os.close(membership)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    @property
    def _is_member(self) -> bool:
        return self._membership is not None and self._member_pid == os.getpid()

    def _prepare_folder(self) -> None:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            version_file = self._data / "PG_VERSION"
            version = version_file.read_text().strip() if version_file.exists() else str(MAJOR_VERSION)
        except OSError as error:
            raise _folder_unusable(self._folder, error) from error
        if version != str(MAJOR_VERSION):
            raise DatabaseUnavailable(
                f"The database in {self._folder} belongs to another PostgreSQL.",
                received=f"data of PostgreSQL {version}",
                expected=f"data of PostgreSQL {MAJOR_VERSION}",
                remedy="Dump it with the Drape that made it and load the dump here, or set DRAPE_HOME to a new folder.",
            )

    def _join(self) -> None:
        """Become one of the server's users. Called with the turn held, so that nobody is about to stop the server."""
        if self._is_member:
            return
        if self._membership is not None:
            # Inherited through a fork: closing this copy leaves the lock to the parent.
            os.close(self._membership)
        membership = _open_lock(self._folder / "users.lock")
        fcntl.flock(membership, fcntl.LOCK_SH)
        self._membership, self._member_pid = membership, os.getpid()
        atexit.register(self.close)

    def _start(self) -> None:
        programs = PostgresPrograms()
        if not self._data.exists():
            programs.make_cluster(self._data)
        socket_folder = self._choose_socket_folder(programs)
        try:
            programs.start(self._data, socket_folder, self._settings)
        except DatabaseUnavailable:
            remove_socket(socket_folder, self._data)
            raise
        _ensure_database(socket_database_url(socket_folder, user=SUPERUSER, database="postgres", port=PORT))

    def _stop(self) -> None:
        server = running_server(self._data)
        if server is not None:
            PostgresPrograms().stop(self._data)
            remove_socket(server.socket_folder, self._data)

    def _choose_socket_folder(self, programs: PostgresPrograms) -> Path:
        """The data folder, or a new private folder with a short plain path where a socket cannot be in that one."""
        longest = len(os.fsencode(socket_path(self._data)))
        if longest <= _LONGEST_SOCKET_PATH and _PLAIN_PATH.fullmatch(str(self._data)):
            return self._data
        socket_folder = Path(tempfile.mkdtemp(prefix="drape-"))
        programs.hand_over(socket_folder)
        return socket_folder


def _ensure_database(maintenance_url: str) -> None:
    """Make Drape's database where it is missing: a server killed right after its folder was made has none yet."""
    from sqlalchemy import create_engine, text
    from sqlalchemy.pool import NullPool

    engine = create_engine(maintenance_url, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    with engine.connect() as connection:
        if not connection.scalar(text("SELECT count(*) FROM pg_database WHERE datname = :name"), {"name": DATABASE}):
            connection.execute(text(f'CREATE DATABASE "{DATABASE}"'))


@contextlib.contextmanager
def _turn(path: Path) -> Iterator[None]:
    """Hold the exclusive lock of ``path``: one process at a time starts or stops the server."""
    handle = _open_lock(path)
    try:
        deadline = time.monotonic() + _TURN_SECONDS
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise DatabaseUnavailable(
                        "Another process has been starting or stopping the embedded PostgreSQL for too long.",
                        received=f"{path} locked for over {_TURN_SECONDS:.0f} s",
                        remedy=f"See {log_path(path.parent / 'data')}; end the Drape process that hangs.",
                    ) from None
                time.sleep(0.02)
        yield
    finally:
        os.close(handle)


def _open_lock(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise _folder_unusable(path.parent, error) from error


def _folder_unusable(folder: Path, error: OSError) -> DatabaseUnavailable:
    return DatabaseUnavailable(
        "The folder of the embedded PostgreSQL cannot be used.",
        received=str(error),
        expected=f"a folder this user can write: {folder}",
        remedy="Set DRAPE_HOME to such a folder, or DRAPE_DATABASE_URL to a PostgreSQL server.",
    )
