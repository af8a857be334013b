"""The private PostgreSQL: starting, sharing, stopping, and what it survives."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import textwrap
import time
from pathlib import Path

import psutil
import pytest
from sqlalchemy import create_engine, make_url, text
from sqlalchemy.pool import NullPool

from catalog.adapters.postgres.database_url import normalize_database_url
from catalog.adapters.postgres.embedded_postgres import EmbeddedPostgres
from catalog.adapters.postgres.postgres_programs import running_server
from catalog.errors import DatabaseUnavailable, InvalidRequest


@pytest.fixture(scope="module")
def made_folder():
    """A server's folder that the tests of this module share, because making one takes a second or more."""
    with tempfile.TemporaryDirectory(prefix="drape-tests-") as name:
        yield Path(name) / "postgres"


@pytest.fixture
def folder(made_folder):
    """A server's folder, used before; the server is stopped when the test begins."""
    yield made_folder
    kill_server(made_folder)


@pytest.fixture
def new_folder():
    """The path of a server's folder that is not there yet."""
    with tempfile.TemporaryDirectory(prefix="drape-tests-") as name:
        yield Path(name) / "postgres"
        for data in Path(name).rglob("data"):
            kill_server(data.parent)


@pytest.fixture
def open_elsewhere():
    """Opens a folder in another process; those that are still there at the end are killed."""
    clients: list[Client] = []

    def open_in_another_process(folder: Path) -> Client:
        clients.append(Client(folder))
        return clients[-1]

    yield open_in_another_process
    for client in clients:
        client.kill()


def kill_server(folder: Path) -> None:
    """Kill -9 of the postmaster, if one runs; returns when it is gone, for a signal is only a request."""
    server = running_server(folder / "data")
    if server is not None:
        process = psutil.Process(server.pid)
        process.kill()
        psutil.wait_procs([process], timeout=20)


def ask(url: str, statement: str):
    """The single value that ``statement`` returns, committed."""
    with create_engine(url, poolclass=NullPool).begin() as connection:
        return connection.execute(text(statement)).scalar()


def write(url: str, statement: str) -> None:
    with create_engine(url, poolclass=NullPool).begin() as connection:
        connection.execute(text(statement))


def wait_until(condition, seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


class Client:
    """Another process that opens the folder, says so, and holds on until told to leave or killed."""

    _PROGRAM = textwrap.dedent(
        """
        import sys
        from pathlib import Path
        from catalog.adapters.postgres.embedded_postgres import EmbeddedPostgres

        server = EmbeddedPostgres(Path(sys.argv[1]))
        print(server.url(), flush=True)
        sys.stdin.readline()
        """
    )

    def __init__(self, folder: Path) -> None:
        command = [sys.executable, "-c", self._PROGRAM, str(folder)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def url(self) -> str:
        return self._process.stdout.readline().strip()

    def start_leaving(self) -> None:
        self._process.stdin.write("\n")
        self._process.stdin.flush()

    def leave(self) -> None:
        self._process.communicate("\n", timeout=60)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait(timeout=60)
        self._process.stdin.close()
        self._process.stdout.close()


def test_the_database_speaks_utf8_and_sorts_by_code_point(folder):
    """Text is UTF-8; order is the same on every machine: capitals before small letters, é after z. Times are UTC."""
    with EmbeddedPostgres(folder) as server:
        url = server.url()
        assert ask(url, "SHOW server_encoding") == "UTF8"
        assert ask(url, "SHOW timezone") == "UTC"
        words = "(VALUES ('é'), ('z'), ('a'), ('Z')) AS words (word)"
        assert ask(url, f"SELECT string_agg(word, '' ORDER BY word) FROM {words}") == "Zazé"
        assert ask(url, "SELECT lower('ÉTÉ')") == "été"


def test_it_listens_on_no_network(folder):
    """Only a socket in the folder leads to it."""
    with EmbeddedPostgres(folder) as server:
        assert ask(server.url(), "SHOW listen_addresses") == ""
        process = psutil.Process(running_server(folder / "data").pid)
        assert process.net_connections(kind="inet") == []


def test_data_is_there_after_closing_and_opening(folder):
    """Closing stops the server; opening again finds what was committed."""
    server = EmbeddedPostgres(folder)
    write(server.url(), "CREATE TABLE kept_closed AS SELECT 41 AS value")
    server.close()
    server.close()  # Twice is as good as once.
    assert running_server(folder / "data") is None
    assert ask(server.url(), "SELECT value FROM kept_closed") == 41
    server.close()


def test_two_in_one_process_share_the_server(folder):
    """The server stays until the second of two has closed."""
    first, second = EmbeddedPostgres(folder), EmbeddedPostgres(folder)
    assert first.url() == second.url()
    first.close()
    assert ask(second.url(), "SELECT 1") == 1
    second.close()
    assert running_server(folder / "data") is None


def test_processes_that_start_together_share_one_server(new_folder, open_elsewhere):
    """Four processes released on an empty folder get the same server; the last to leave stops it."""
    clients = [open_elsewhere(new_folder) for _ in range(4)]
    urls = {client.url() for client in clients}
    assert len(urls) == 1
    for client in clients[:3]:
        client.leave()
        assert ask(next(iter(urls)), "SELECT 1") == 1
    clients[3].leave()
    assert running_server(new_folder / "data") is None


def test_a_killed_process_does_not_keep_the_server_alive(folder, open_elsewhere):
    """One of two users is killed; when the other leaves, the server stops all the same."""
    killed, leaving = open_elsewhere(folder), open_elsewhere(folder)
    killed.url()
    leaving.url()
    killed.kill()
    assert running_server(folder / "data") is not None
    leaving.leave()
    assert running_server(folder / "data") is None


def test_a_server_whose_users_were_all_killed_is_adopted(folder, open_elsewhere):
    """Kill every user: the next one finds the server running, uses it, and stops it when it leaves."""
    client = open_elsewhere(folder)
    client.url()
    pid = running_server(folder / "data").pid
    client.kill()
    with EmbeddedPostgres(folder) as server:
        assert ask(server.url(), "SELECT 1") == 1
        assert running_server(folder / "data").pid == pid
    assert running_server(folder / "data") is None


def test_a_process_killed_while_it_starts_the_server_leaves_it_usable(folder, open_elsewhere):
    """The starter dies between the server's first sign of life and its readiness: the next one waits for the latter."""
    client = open_elsewhere(folder)
    wait_until(lambda: running_server(folder / "data") is not None)
    client.kill()
    with EmbeddedPostgres(folder) as server:
        assert ask(server.url(), "SELECT 1") == 1


def test_a_process_killed_while_it_stops_the_server_leaves_it_usable(folder, open_elsewhere):
    """The last user dies while the server shuts down: the next one starts it anew when it is down."""
    client = open_elsewhere(folder)
    client.url()
    client.start_leaving()
    wait_until(lambda: (server := running_server(folder / "data")) is None or not server.is_ready)
    client.kill()
    with EmbeddedPostgres(folder) as server:
        assert ask(server.url(), "SELECT 1") == 1


def test_an_interrupt_from_the_keyboard_does_not_reach_the_server(folder):
    """Ctrl-C goes to a terminal's foreground process group; the server is in another."""
    with EmbeddedPostgres(folder) as server:
        server.url()
        assert os.getpgid(running_server(folder / "data").pid) != os.getpgid(0)


def test_committed_data_survives_killing_everything(folder, open_elsewhere):
    """Kill -9 of the user and of the postmaster: the next start recovers, and every commit is there."""
    client = open_elsewhere(folder)
    write(client.url(), "CREATE TABLE kept_killed AS SELECT generate_series(1, 1000) AS value")
    client.kill()
    kill_server(folder)
    with EmbeddedPostgres(folder) as server:
        assert ask(server.url(), "SELECT sum(value) FROM kept_killed") == 500_500  # 1000 · 1001 / 2


def test_url_starts_the_server_again_after_it_was_killed(folder):
    """A process that outlives its server gets a new one by asking for the address again."""
    with EmbeddedPostgres(folder) as server:
        write(server.url(), "CREATE TABLE kept_restarted AS SELECT 43 AS value")
        kill_server(folder)
        assert ask(server.url(), "SELECT value FROM kept_restarted") == 43


def test_a_query_that_outlives_its_postmaster_does_not_block_the_next_start(folder):
    """A backend busy with a long computation when the postmaster is killed is ended before the new start."""
    with EmbeddedPostgres(folder) as server:
        url = server.url().replace("postgresql+psycopg2://", "postgresql://")
        endless = f"""import psycopg2
c = psycopg2.connect({url!r}).cursor()
c.execute("SET max_parallel_workers_per_gather = 0")
c.execute("SELECT count(*) FROM generate_series(1, 100000) a, generate_series(1, 1000000) b")"""
        client = subprocess.Popen([sys.executable, "-c", endless], stderr=subprocess.DEVNULL)
        running = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT count(*) FROM generate%'"
        wait_until(lambda: ask(server.url(), running) == 1)
        kill_server(folder)
        assert ask(server.url(), running) == 0
        client.wait(timeout=60)


def test_a_process_id_given_to_another_program_is_not_taken_for_the_server(folder):
    """After a reboot the recorded process id may be anybody's: here it is this test's own."""
    with EmbeddedPostgres(folder) as server:
        server.url()
        pid_file = folder / "data" / "postmaster.pid"
        lines = pid_file.read_text().splitlines()
        kill_server(folder)
        pid_file.write_text("\n".join([str(os.getpid()), *lines[1:]]))
        assert running_server(folder / "data") is None
        assert ask(server.url(), "SELECT 1") == 1


def test_a_half_made_data_folder_is_made_anew(new_folder):
    """A process killed while it made the data folder leaves nothing that the next one trips over."""
    unfinished = new_folder / "data.unfinished"
    unfinished.mkdir(parents=True)
    (unfinished / "PG_VERSION").write_text("18\n")
    with EmbeddedPostgres(new_folder) as server:
        assert ask(server.url(), "SELECT 1") == 1
    assert not unfinished.exists()


def check_folder(folder: Path) -> None:
    """Open, ask, close; the socket is closed to others, and gone at the end with any folder made for it."""
    with EmbeddedPostgres(folder) as server:
        url = server.url()
        assert ask(url, "SELECT 1") == 1
        socket_folder = Path(make_url(url).query["host"])
        assert socket_folder.stat().st_mode & 0o066 == 0, "others may not list the folder nor write in it"
    assert not (socket_folder / ".s.PGSQL.5432").exists()
    assert socket_folder == folder / "data" or not socket_folder.exists()


def test_the_strangest_folder_name_will_do(new_folder):
    """Longer than a socket's path may be, with what shells and connection strings read as syntax."""
    check_folder(new_folder / ("comma, quote ' and $HOME and Ünïcode " + "x" * 90))


@pytest.mark.parametrize("name", ["x" * 120, "two words", "comma,comma"])
def test_a_folder_may_be_moved(folder, name):
    """A stopped server's folder works wherever it is moved to, whatever the place is called."""
    with EmbeddedPostgres(folder) as server:
        server.url()
    moved = folder.with_name(name)
    folder.rename(moved)
    check_folder(moved)
    moved.rename(folder)


def test_variables_meant_for_another_postgresql_are_ignored(folder, monkeypatch):
    """PGPORT and its like, set for the user's own server, change neither this server nor the way to it."""
    monkeypatch.setenv("PGPORT", "6543")
    monkeypatch.setenv("PGDATA", "/nowhere")
    monkeypatch.setenv("PGHOST", "db.example")
    with EmbeddedPostgres(folder) as server:
        assert ask(server.url(), "SELECT current_database()") == "drape"


def test_settings_reach_the_server(folder):
    """What is given as settings is what the server runs with."""
    with EmbeddedPostgres(folder, settings={"work_mem": "7MB", "application_name": "it's me"}) as server:
        assert ask(server.url(), "SHOW work_mem") == "7MB"


def test_a_server_that_cannot_start_says_why(folder):
    """The error carries the server's own message and leaves the folder usable."""
    with pytest.raises(DatabaseUnavailable, match="no_such_setting") as caught:
        EmbeddedPostgres(folder, settings={"no_such_setting": "1"}).url()
    assert "DRAPE_DATABASE_URL" in caught.value.remedy
    with EmbeddedPostgres(folder) as server:
        assert ask(server.url(), "SELECT 1") == 1


def test_data_of_another_major_version_is_refused(new_folder):
    """Data of PostgreSQL 16 is left alone, and the message says what it is."""
    (new_folder / "data").mkdir(parents=True)
    (new_folder / "data" / "PG_VERSION").write_text("16\n")
    with pytest.raises(DatabaseUnavailable, match=r"data of PostgreSQL 16.*data of PostgreSQL 18"):
        EmbeddedPostgres(new_folder).url()


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    """A file where the folder should be: the error names the path."""
    (tmp_path / "file").write_text("")
    with pytest.raises(DatabaseUnavailable, match=str(tmp_path / "file")):
        EmbeddedPostgres(tmp_path / "file" / "postgres").url()


def test_a_forked_child_does_not_stop_its_parents_server(folder):
    """A child that inherits the object and closes it leaves the server to the parent."""
    with EmbeddedPostgres(folder) as server:
        url = server.url()
        child = os.fork()
        if child == 0:
            server.close()
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        assert ask(url, "SELECT 1") == 1
        with EmbeddedPostgres(folder) as other:
            other.url()
        assert ask(url, "SELECT 1") == 1, "the parent is still counted as a user"


@pytest.mark.parametrize(
    "url", ["postgres://u:p%40@h:1/d?x=y", "postgresql://u:p%40@h:1/d?x=y", "postgresql+psycopg2://u:p%40@h:1/d?x=y"]
)
def test_addresses_of_postgresql_get_their_driver(url):
    """The three spellings in use name the same address; nothing after the scheme changes."""
    assert normalize_database_url(url) == "postgresql+psycopg2://u:p%40@h:1/d?x=y"


@pytest.mark.parametrize("url", ["mysql://u:secret@h/d", "secret", "postgresql+asyncpg://u:secret@h/d", ""])
def test_other_addresses_are_refused_without_showing_secrets(url):
    """The message names the scheme at most: the rest may hold a password."""
    with pytest.raises(InvalidRequest) as caught:
        normalize_database_url(url)
    assert "secret" not in str(caught.value)
