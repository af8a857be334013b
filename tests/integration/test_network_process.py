"""Networks in a process beside: whatever becomes of either of the two, nobody waits for ever, and nothing is left."""

from __future__ import annotations

import os
import pickle
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import psutil
import pytest

from catalog.adapters.networks.network_process import LANES, NetworkProcess
from catalog.adapters.networks.process_models import ProcessModels
from catalog.errors import NetworkProcessEnded, NetworkProcessUnavailable
from catalog.settings import Settings
from embeddings.errors import EmbeddingsError, ExplainedError, OutOfMemory, UnusableModel
from tests.color_networks import DEADLY, FAILING, HELD, LEAVING, MISSING, REFUSING, color_process
from tests.fakes import INPUT_SIZE, ColorEmbedder, ColorModels

SECONDS = 20

COLOR_NETWORKS = "tests.color_networks"


@pytest.fixture
def process() -> Iterator[NetworkProcess]:
    with color_process() as process:
        yield process


def running() -> psutil.Process:
    """The process that runs networks for this one, which must be the only one."""
    (found,) = [
        child
        for child in psutil.Process().children()
        if child.status() != psutil.STATUS_ZOMBIE and COLOR_NETWORKS in child.cmdline()
    ]
    return found


def images(number: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(256, size=(number, INPUT_SIZE, INPUT_SIZE, 3), dtype=np.uint8)


def begun(process: NetworkProcess, version: str) -> tuple[threading.Thread, list[Exception]]:
    """A thread that waits for that version's features, and the error that it will have met."""
    met: list[Exception] = []

    def ask() -> None:
        try:
            process.embed(version, images(1))
        except Exception as error:  # noqa: BLE001 - looked at by the test.
            met.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    return thread, met


def eventually(holds: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + SECONDS
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def test_features_come_back_as_they_were_made(process):
    assert process.load("colors-1").feature_sizes == ColorEmbedder("colors-1").feature_sizes
    given = images(5)
    for with_scale in (False, True):
        found = process.embed("colors-1", given[:, ::-1], with_scale=with_scale)
        expected = ColorEmbedder("colors-1").embed_with_scale(given[:, ::-1])
        assert set(expected) - set(found) == (set() if with_scale else {"prob_scale"})
        for name, values in found.items():
            np.testing.assert_array_equal(values, expected[name])


def test_more_calls_than_there_are_lanes_each_get_their_own_features(process):
    def asked(seed: int) -> bool:
        found = process.embed("colors-1", images(1 + seed % 3, seed))
        expected = ColorEmbedder("colors-1").embed(images(1 + seed % 3, seed))
        return all(np.array_equal(found[name], expected[name]) for name in expected)

    with ThreadPoolExecutor(3 * LANES) as pool:
        assert all(pool.map(asked, range(100)))


def test_a_call_does_not_wait_for_one_that_takes_long(process):
    thread, met = begun(process, HELD)
    assert process.embed("colors-1", images(1))["prob"].shape == (1, 6)
    assert thread.is_alive()
    process.close()
    thread.join(SECONDS)
    assert [type(error) for error in met] == [NetworkProcessUnavailable]


def test_errors_come_back_with_their_facts_and_cost_nothing_else(process):
    for _ in range(2 * LANES):
        with pytest.raises(UnusableModel) as unusable:
            process.load(MISSING)
        assert (unusable.value.received, unusable.value.remedy) == (MISSING, "import it")
        with pytest.raises(RuntimeError, match="LookupError: no kernel for that"):
            process.embed(FAILING, images(1))
        with pytest.raises(ValueError, match=r"expected images of shape .* received \(1, 8, 8, 3\) uint8"):
            process.embed("colors-1", images(1)[:, :8, :8])
    before = running().pid
    assert process.embed("colors-1", images(2))["pool"].shape == (2, 48)
    assert running().pid == before


def test_an_error_of_a_librarys_own_kind_is_told_as_the_kind_that_callers_know(process):
    thread, met = begun(process, REFUSING)
    thread.join(SECONDS)
    assert [(type(error), str(error)) for error in met] == [(ValueError, "no such shape")]


def test_what_ends_a_thread_of_the_process_leaves_nobody_waiting(process):
    thread, met = begun(process, LEAVING)
    thread.join(SECONDS)
    assert [(type(error), error.received) for error in met] == [(NetworkProcessEnded, "exit status 1")]
    assert process.load("colors-1").version == "colors-1"


def test_every_error_of_networks_can_be_sent(monkeypatch):
    def kinds(kind: type[ExplainedError]) -> Iterator[type[ExplainedError]]:
        yield kind
        for below in kind.__subclasses__():
            yield from kinds(below)

    found = set(kinds(EmbeddingsError))
    assert {UnusableModel, OutOfMemory} < found
    for kind in found:
        sent = pickle.loads(pickle.dumps(kind("what", received="a", expected="b", remedy="c")))
        assert (type(sent), str(sent)) == (kind, "what; received: a; expected: b; to do: c")


def test_who_waits_for_a_process_that_is_killed_is_told_and_the_next_has_another_one(process):
    process.load("colors-1")
    killed = running()
    waiting = [begun(process, HELD) for _ in range(LANES + 2)]
    time.sleep(0.2)
    killed.kill()
    for thread, met in waiting:
        thread.join(SECONDS)
        (error,) = met
        # Ended where it was at work for them, else only unavailable.
        assert isinstance(error, NetworkProcessUnavailable)
        assert error.received == "ended by SIGKILL"
    assert process.embed("colors-1", images(1))["prob"].shape == (1, 6)
    assert running().pid != killed.pid


def test_what_kills_its_process_is_told_each_time(process):
    for _ in range(2):
        with pytest.raises(NetworkProcessEnded, match="SIGKILL"):
            process.embed("colors-1", np.full((1, INPUT_SIZE, INPUT_SIZE, 3), DEADLY, np.uint8))
    assert process.load("colors-1").version == "colors-1"


def test_a_process_that_is_killed_while_nobody_needs_it_is_replaced_and_nobody_is_told(process, caplog):
    process.load("colors-1")
    killed = running()
    killed.kill()
    # Until it is gone with all of its threads, but without taking that news from who is to learn it.
    assert os.waitid(os.P_PID, killed.pid, os.WEXITED | os.WNOWAIT) is not None
    assert process.embed("colors-1", images(1))["prob"].shape == (1, 6)
    assert running().pid != killed.pid
    assert "has ended (ended by SIGKILL)" in caplog.text


def test_what_is_meant_for_the_one_that_has_started_it_does_not_end_it(process):
    """Ctrl-C at a terminal goes to a whole group of processes, and some send SIGTERM to all that a service has."""
    process.load("colors-1")
    child = running()
    assert os.getpgid(child.pid) != os.getpgid(0)
    for sent in (signal.SIGINT, signal.SIGTERM):
        child.send_signal(sent)
    assert process.embed("colors-1", images(1))["prob"].shape == (1, 6)
    assert running().pid == child.pid


def test_closing_waits_for_nothing_and_nothing_is_started_after_it(process):
    thread, met = begun(process, HELD)
    assert eventually(lambda: len(psutil.Process().children()) > 0)
    child = running()
    process.load("colors-1")
    process.close()
    thread.join(SECONDS)
    assert [type(error) for error in met] == [NetworkProcessUnavailable]
    assert not child.is_running()
    with pytest.raises(NetworkProcessUnavailable, match="were stopped"):
        process.embed("colors-1", images(1))
    process.close()


def test_a_process_that_cannot_begin_is_an_error_each_time():
    process = NetworkProcess("tests.no_such_module", Settings())
    for _ in range(2):
        with pytest.raises(NetworkProcessUnavailable, match="exit status 1") as met:
            process.load("colors-1")
        # No image has ended it.
        assert not isinstance(met.value, NetworkProcessEnded)
    process.close()


def test_images_are_not_what_ends_a_process_that_does_not_come_as_far_as_to_load(process, monkeypatch):
    process.embed("colors-1", images(1))
    killed = running()
    killed.kill()
    os.waitid(os.P_PID, killed.pid, os.WEXITED | os.WNOWAIT)
    monkeypatch.setattr(process, "_module", "tests.no_such_module")
    with pytest.raises(NetworkProcessUnavailable) as met:
        process.embed("colors-1", images(1))
    assert not isinstance(met.value, NetworkProcessEnded)
    assert met.value.received == "exit status 1"


def test_where_no_process_can_be_started_that_is_told_and_the_next_call_tries_again(process):
    """Here for want of files to open, of which some are left, but not enough for all pipes."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(int(one.name) for one in Path("/proc/self/fd").iterdir())
    held = [os.open(os.devnull, os.O_RDONLY) for _ in range(highest)]
    os.close(held.pop())
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(held) + 4, limits[1]))
    try:
        with pytest.raises(
            NetworkProcessUnavailable, match=r"cannot be started; received: .*Too many open files"
        ) as met:
            process.load("colors-1")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        for descriptor in held:
            os.close(descriptor)
    # Whatever it was working on has not ended it.
    assert not isinstance(met.value, NetworkProcessEnded)
    assert process.load("colors-1").version == "colors-1"


def test_a_process_that_ends_before_it_is_told_its_settings_is_one_that_cannot_be_started(process, monkeypatch):
    """Nobody's images have ended it."""
    send = Connection.send_bytes

    def gone(self, *arguments):
        monkeypatch.setattr(Connection, "send_bytes", send)
        raise BrokenPipeError

    monkeypatch.setattr(Connection, "send_bytes", gone)
    with pytest.raises(NetworkProcessUnavailable, match=r"cannot be started.*SIGKILL") as met:
        process.embed("colors-1", images(1))
    assert type(met.value) is NetworkProcessUnavailable
    assert process.embed("colors-1", images(1))["prob"].shape == (1, 6)


def test_it_does_not_outlive_a_process_that_is_killed():
    """Not even in the middle of its work."""
    program = (
        "import threading; from tests.integration.test_network_process import *\n"
        "with color_process() as process:\n"
        "    process.load('colors-1')\n"
        "    begun(process, HELD)\n"
        "    print(running().pid, flush=True)\n"
        "    threading.Event().wait()\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as parent:
        child = psutil.Process(int(parent.stdout.readline()))
        parent.kill()
    assert eventually(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)


def test_threads_that_want_a_network_that_is_not_loaded_have_the_same_one(process):
    models = ProcessModels(ColorModels(), process)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(models.embedder, ["colors-1", "colors-2"] * 8))
    assert len(set(map(id, found))) == 2
    assert {embedder.version for embedder in found} == {"colors-1", "colors-2"}
    assert models.describe("colors-1").input_size == found[0].input_size == INPUT_SIZE
