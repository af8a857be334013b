"""The same photo is embedded once, whether it comes again or at the same time."""

import threading
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from catalog.ports.query_network import EmbeddedQuery
from catalog.services.photo_queries.batched_query_network import BatchedQueryNetwork
from catalog.services.photo_queries.query_cache import CacheCounts, QueryCache
from catalog.services.photo_queries.query_embedding import QueryEmbedding
from embeddings.crop_box import CropBox
from embeddings.errors import OutOfMemory, UnusableImage
from tests.fakes import COLORS, ColorModels

SECONDS = 20


def embedded(value, size=100):
    """4 bytes a number, and 600 for the entry: 1,000 in all."""
    return EmbeddedQuery({"pool": np.full(size, value, dtype=np.float32)}, {"embed": 3.0})


def test_what_was_used_last_is_kept():
    """Of 1,000 bytes each, 2,500 hold two: after a, b, a again and c, it is b that has to go."""
    cache = QueryCache(2500)
    computed = []

    def get(name):
        def compute():
            computed.append(name)
            return embedded(ord(name))

        return cache.get(name, compute).features["pool"][0]

    assert [get(name) for name in "abacab"] == [ord(name) for name in "abacab"]
    assert computed == ["a", "b", "c", "b"]
    assert cache.counts == CacheCounts(hits=2, shared=0, misses=4, num_bytes=2000)


@pytest.mark.parametrize("max_bytes", [0, 999])
def test_what_does_not_fit_is_not_kept(max_bytes):
    cache = QueryCache(max_bytes)
    for value in (1, 2):
        assert cache.get("a", lambda value=value: embedded(value)).features["pool"][0] == value
    assert cache.counts == CacheCounts(misses=2)


def test_timings_are_of_what_was_computed():
    """What is found took no time of the network."""
    cache = QueryCache(2500)
    assert cache.get("a", lambda: embedded(1)).timings_ms == {"embed": 3.0}
    assert cache.get("a", lambda: embedded(1)).timings_ms == {}


def test_nobody_can_change_what_others_get():
    cache = QueryCache(2500)
    for _ in range(2):
        with pytest.raises(ValueError, match="read-only"):
            cache.get("a", lambda: embedded(1)).features["pool"][0] = 2


def together(cache, compute, number=3):
    """Threads that ask for the same, all of them before it is computed."""
    began, may_go_on = threading.Event(), threading.Event()

    def held():
        began.set()
        assert may_go_on.wait(SECONDS)
        return compute()

    with ThreadPoolExecutor(number) as pool:
        asked = [pool.submit(cache.get, "a", held)]
        assert began.wait(SECONDS)
        asked += [pool.submit(cache.get, "a", lambda: embedded(99)) for _ in range(number - 1)]
        while cache.counts.shared < number - 1:
            threading.Event().wait(0.001)
        may_go_on.set()
    return asked


def test_what_is_asked_for_at_the_same_time_is_computed_once():
    """Also where nothing is kept."""
    cache = QueryCache(0)
    assert [one.result().features["pool"][0] for one in together(cache, lambda: embedded(1))] == [1, 1, 1]
    assert cache.counts == CacheCounts(shared=2, misses=1)


def test_an_error_is_everybodys_and_not_kept():
    def fail():
        raise OutOfMemory("too much", received="one")

    cache = QueryCache(2500)
    for one in together(cache, fail):
        with pytest.raises(OutOfMemory):
            one.result()
    assert cache.get("a", lambda: embedded(1)).features["pool"][0] == 1


def png(color):
    buffer = BytesIO()
    Image.new("RGB", (20, 30), COLORS[color]).save(buffer, "PNG")
    return buffer.getvalue()


def test_a_photo_is_known_by_its_bytes_its_part_and_the_model():
    """Six askings, of which the second and the last are known."""
    models = ColorModels()
    queries = QueryEmbedding(models, BatchedQueryNetwork(models), QueryCache(2**20), max_pixels=1000)
    first = queries.embed(png("red"), "colors-1")
    again = queries.embed(png("red"), "colors-1")
    queries.embed(png("blue"), "colors-1")
    queries.embed(png("red"), "colors-1", CropBox(0, 0, 10, 10))
    queries.embed(png("red"), "colors-2")
    queries.embed(png("red"), "colors-1", CropBox(0, 0, 10, 10))
    assert (queries.cache_counts.misses, queries.cache_counts.hits, models.num_embedded) == (4, 2, 4)
    assert list(first.timings_ms) == ["cache", "decode", "load", "wait", "embed"]
    assert list(again.timings_ms) == ["cache"]
    np.testing.assert_array_equal(first.features["pool"], again.features["pool"])


def test_a_photo_that_cannot_be_decoded_is_refused_each_time():
    models = ColorModels()
    queries = QueryEmbedding(models, BatchedQueryNetwork(models), QueryCache(2**20), max_pixels=1000)
    for _ in range(2):
        with pytest.raises(UnusableImage):
            queries.embed(b"no photo", "colors-1")
    assert queries.cache_counts == CacheCounts(misses=2)
