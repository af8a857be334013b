"""A process of this machine that runs networks for another one, which then has its interpreter for itself."""

from __future__ import annotations

import logging
import pickle
import queue
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Final, cast

import numpy as np
from numpy.typing import NDArray

from catalog.adapters.networks.network_messages import Embed, Load, LoadedNetwork, take_answer
from catalog.errors import NetworkProcessEnded, NetworkProcessUnavailable
from catalog.settings import Settings

LANES: Final = 4
"""Calls that run at the same time; queries are one of them, indexing another."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Started:
    """One that was started, and what is spoken over with it.

    Args:
        life: It ends once the other end of this is closed, be it because this process was killed.
        lanes: Those that nobody speaks over just now.
        loaded: The versions whose networks it is known to have.
    """

    process: subprocess.Popen[bytes]
    life: Connection
    lanes: queue.SimpleQueue[Connection] = field(default_factory=queue.SimpleQueue)
    loaded: set[str] = field(default_factory=set)


class NetworkProcess:
    """Runs the networks of model versions in a process of its own, which is started when it is first asked.

    If that one ends, whatever the reason, whoever it was working for is told so, and the next call starts another one.
    Safe to use from several threads.

    Args:
        module: What the process runs, as ``python -m`` takes it; given the descriptors that it is spoken to over, of
            which the first is the one that it lives by.
        settings: Those it works by.
    """

    def __init__(self, module: str, settings: Settings) -> None:
        self._module = module
        self._settings = settings
        self._lock = threading.Lock()
        self._started: _Started | None = None
        self._is_closed = False

    def load(self, version: str) -> LoadedNetwork:
        """Load the version's network, where that is not done yet, and tell what it is.

        Raises:
            NetworkProcessUnavailable: the process cannot be started, was ended meanwhile, or was closed.
            embeddings.errors.UnusableModel, embeddings.errors.OutOfMemory, ...: as ``Models.embedder`` raises them.
        """
        return self._load(self._running(), version)

    def embed(
        self, version: str, images: NDArray[np.uint8], *, with_scale: bool = False
    ) -> dict[str, NDArray[np.float32]]:
        """What the version's embedder makes of these images; it is loaded, where that is not done yet.

        Args:
            images: (n, input_size, input_size, 3) uint8.
            with_scale: Whether by ``embed_with_scale``.

        Raises:
            NetworkProcessEnded: the process was ended while it had these images.
            NetworkProcessUnavailable: it cannot be started, was ended before that, or was closed.
            embeddings.errors.OutOfMemory, ValueError, ...: as ``Embedder.embed`` raises them.
        """
        started = self._running()
        if version not in started.loaded:
            # By itself, so that images are not taken for what has ended a process that could not even load.
            self._load(started, version)
        found = self._ask(started, Embed(version, images.shape, with_scale), np.ascontiguousarray(images))
        return cast(dict[str, NDArray[np.float32]], found)

    def close(self) -> None:
        """End the process, whatever it does, and start no other. Safe to call twice."""
        with self._lock:
            self._is_closed = True
            started, self._started = self._started, None
        if started is not None:
            _end(started)

    def _load(self, started: _Started, version: str) -> LoadedNetwork:
        try:
            network = cast(LoadedNetwork, self._ask(started, Load(version)))
        except NetworkProcessEnded as error:
            raise NetworkProcessUnavailable(
                "The process that runs the networks has ended before it had loaded one",
                received=error.received,
                expected=f"the network of {version}",
                remedy=error.remedy,
            ) from error
        started.loaded.add(version)
        return network

    def _ask(self, started: _Started, request: Load | Embed, images: NDArray[np.uint8] | None = None) -> object:
        lane = started.lanes.get()
        try:
            lane.send(request)
            if images is not None:
                lane.send_bytes(images.data.cast("B"))
            answer = lane.recv()
        except (EOFError, OSError) as error:
            raise self._ended(started) from error
        except BaseException:
            # What was begun to be said cannot be taken back.
            self._ended(started)
            raise
        finally:
            # Also one that leads nowhere any more: whoever waits for it finds that out.
            started.lanes.put(lane)
        return take_answer(answer)

    def _running(self) -> _Started:
        with self._lock:
            if self._is_closed:
                raise _stopped()
            if self._started is not None and self._started.process.poll() is not None:
                _log.warning("The process that runs the networks has ended (%s)", _how(self._started.process))
                self._started = None
            if self._started is None:
                self._started = self._start()
            return self._started

    def _start(self) -> _Started:
        ours: list[Connection] = []
        theirs: list[Connection] = []
        try:
            for _ in range(1 + LANES):
                our, their = Pipe()
                ours.append(our)
                theirs.append(their)
            descriptors = [their.fileno() for their in theirs]
            # Not -m alone, which would have modules of the folder that happens to be the current one go first.
            command = [sys.executable, "-P", "-m", self._module, *map(str, descriptors)]
            # In a group of its own: Ctrl-C is for the one that has started it, and ends it in time.
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, pass_fds=descriptors, process_group=0)
        except OSError as error:
            raise _not_started(str(error)) from error
        finally:
            for their in theirs:
                their.close()
        life, *lanes = ours
        started = _Started(process, life)
        for lane in lanes:
            started.lanes.put(lane)
        try:
            life.send_bytes(pickle.dumps(self._settings))
        except OSError as error:
            _end(started)
            raise _not_started(_how(process)) from error
        return started

    def _ended(self, started: _Started) -> NetworkProcessUnavailable:
        """Make sure that it has, and have another one started by the next call."""
        with self._lock:
            is_news = self._started is started
            if is_news:
                self._started = None
            is_closed = self._is_closed
        _end(started)
        if is_closed:
            return _stopped()
        error = _error(started.process)
        if is_news:
            _log.error("%s", error)
        return error


def _end(started: _Started) -> None:
    started.process.kill()
    started.process.wait()


def _not_started(received: str) -> NetworkProcessUnavailable:
    return NetworkProcessUnavailable(
        "The process that runs the networks cannot be started",
        received=received,
        expected="memory, processes and open files to spare",
        remedy="try again; or end something else on this machine",
    )


def _stopped() -> NetworkProcessUnavailable:
    return NetworkProcessUnavailable("The networks were stopped, with the server that they belong to")


def _error(process: subprocess.Popen[bytes]) -> NetworkProcessEnded:
    return NetworkProcessEnded(
        "The process that runs the networks has ended at its work",
        received=_how(process),
        expected="features",
        remedy="try again: another one is started; if it happens again, give the machine more memory",
    )


def _how(process: subprocess.Popen[bytes]) -> str:
    code = process.returncode
    if code >= 0:
        return f"exit status {code}"
    try:
        return f"ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"ended by signal {-code}"
