"""Searches by photos: what comes at the same time is answered faster together than one after the other."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import psutil
import pytest

from catalog.bootstrap import Application
from catalog.settings import Settings
from embeddings.datasets.rendered.catalog import encode_view
from embeddings.datasets.rendered.items import items
from tests.benchmarks.clustered_shop import VERSION, fill

NUM_PRODUCTS = 1_000
NUM_PHOTOS = 64
EDGE = 400
CLIENTS = 8
ROUNDS = 3
SECONDS = 4.0


@contextmanager
def serving(home: Path, **settings: str) -> Iterator[tuple[str, psutil.Popen]]:
    """Host and port of a ``drape serve`` whose networks are loaded, and its process."""
    program = Path(sys.executable).with_name("drape")
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DRAPE_")}
    log = home.parent / "serve.log"
    # Not into a pipe: every request has a line.
    with log.open("w") as told:
        server = psutil.Popen(
            [program, "serve", "--open", "--port", "0"],
            env={**kept, "DRAPE_HOME": str(home), **settings},
            stderr=told,
        )
    try:
        while "The networks are loaded" not in log.read_text():
            assert server.is_running(), log.read_text()
            time.sleep(0.1)
        lines = map(json.loads, log.read_text().splitlines())
        yield next(line["address"] for line in lines if "address" in line).removeprefix("http://"), server
    finally:
        server.terminate()
        server.wait(60)


def asked(address: str, path: str, photos: Path, num_clients: int, seconds: float = SECONDS) -> Mapping[str, Any]:
    """What so many clients in a second process were answered."""
    command = [
        sys.executable,
        "-m",
        "tests.benchmarks.closed_loop",
        address,
        path,
        photos,
        str(num_clients),
        str(seconds),
    ]
    return json.loads(subprocess.run(list(map(str, command)), check=True, stdout=subprocess.PIPE, text=True).stdout)


@pytest.mark.benchmark
@pytest.mark.timeout(300)
@pytest.mark.parametrize("path", ["/v1/tag", "/v1/search"])
def test_queries_by_photo_are_batched(home, tmp_path, path):
    """Eight clients against one, in turns, each of which asks again once it is answered; every photo is new."""
    photos = tmp_path / "photos"
    photos.mkdir()
    for number, item in enumerate(items(NUM_PHOTOS, seed=5)):
        (photos / f"{number}.jpg").write_bytes(encode_view(item, 0, EDGE))
    with Application(Settings(home=home)) as application:
        fill(application, NUM_PRODUCTS)
    with serving(home) as (address, server):
        asked(address, path, photos, CLIENTS, 2.0)
        rates: dict[int, list[float]] = {1: [], CLIENTS: []}
        for _ in range(ROUNDS):
            for num_clients, found in rates.items():
                before = sum(server.cpu_times()[:2])
                answered = asked(address, path, photos, num_clients)
                found.append(answered["answers"] / answered["seconds"])
                spent = (sum(server.cpu_times()[:2]) - before) / answered["answers"]
                print(
                    f"\n{num_clients} clients: {found[-1]:.1f} {path}/s, median {answered['median'] * 1000:.1f} ms, "
                    f"{spent * 1000:.1f} ms of the server's CPU each"
                )
    ratio = median(together / alone for alone, together in zip(rates[1], rates[CLIENTS], strict=True))
    print(f"\n{CLIENTS} clients together: {ratio:.2f} times the {path} of one")
    assert ratio >= 1.5


@pytest.mark.benchmark
def test_the_network_alone_is_faster_in_batches(home):
    """Photos a second of the network without anything around it: eight at once, against one after the other."""
    with Application(Settings(home=home)) as application:
        embedder = application.models.embedder(VERSION)
    photos = np.random.default_rng(0).integers(256, size=(CLIENTS, embedder.input_size, embedder.input_size, 3))
    batches = {num: photos[:num].astype(np.uint8) for num in (1, CLIENTS)}
    rates: dict[int, list[float]] = {num: [] for num in batches}
    for _ in range(ROUNDS):
        for num, batch in batches.items():
            embedder.embed_with_scale(batch)
            start, num_photos = time.perf_counter(), 0
            while (passed := time.perf_counter() - start) < SECONDS / 4:
                embedder.embed_with_scale(batch)
                num_photos += num
            rates[num].append(num_photos / passed)
    ratio = median(together / alone for alone, together in zip(rates[1], rates[CLIENTS], strict=True))
    print(f"\nthe network alone: {median(rates[1]):.0f} photos/s one by one, {ratio:.2f} times in batches of {CLIENTS}")
    assert ratio >= 1.5
