"""Photos that come while the network runs are its next batch, and none fails because of its company."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from catalog.errors import NetworkProcessEnded
from catalog.services.photo_queries.batched_query_network import BatchedQueryNetwork
from embeddings.errors import OutOfMemory
from tests.fakes import COLORS, INPUT_SIZE, ColorEmbedder, ColorModels

SECONDS = 20


class HeldEmbedder(ColorEmbedder):
    """Holds the first batch until it is let go; more than ``most`` at once, or a yellow photo, do not fit."""

    def __init__(self, version, most=99):
        super().__init__(version)
        self.most = most
        self.batches = []
        self.began = threading.Event()
        self.may_go_on = threading.Event()

    def embed(self, images):
        self.batches.append(len(images))
        self.began.set()
        assert self.may_go_on.wait(SECONDS)
        if len(images) > self.most or any((image[0, 0] == COLORS["yellow"]).all() for image in images):
            raise OutOfMemory("too much", received=f"{len(images)} images")
        return super().embed(images)


def photo(color):
    return np.full((INPUT_SIZE, INPUT_SIZE, 3), COLORS[color], dtype=np.uint8)


@pytest.fixture
def models():
    models = ColorModels()
    for version in ("colors-1", "colors-2"):
        models.embedders[version] = HeldEmbedder(version)
    return models


@pytest.fixture
def pool():
    with ThreadPoolExecutor(12) as pool:
        yield pool


class Crowd:
    """Photos that come while the first one is held in the network, in their order."""

    def __init__(self, models, pool, most_at_once=16):
        self.network = BatchedQueryNetwork(models, most_at_once)
        self._models, self._pool = models, pool
        self.answers = [pool.submit(self.network.embed, "colors-1", photo("black"))]
        assert models.embedders["colors-1"].began.wait(SECONDS)

    def come(self, *colors, version="colors-1"):
        for color in colors:
            before = len(self.network._waiting)
            self.answers.append(self._pool.submit(self.network.embed, version, photo(color)))
            while len(self.network._waiting) == before:
                threading.Event().wait(0.001)

    def let_go(self):
        for embedder in self._models.embedders.values():
            embedder.may_go_on.set()

    def colors(self):
        """The colour whose share is the whole picture, of each answer."""
        return [list(COLORS)[int(one.result(SECONDS).features["prob"].argmax())] for one in self.answers]


def test_a_batch_waits_for_photos_that_are_being_decoded(models, pool):
    """As long as two are, of which one fails."""
    network = BatchedQueryNetwork(models, patience=SECONDS)
    embedder = models.embedders["colors-1"]
    embedder.may_go_on.set()
    with network.expecting():
        with network.expecting():
            first = pool.submit(network.embed, "colors-1", photo("red"))
            assert not embedder.began.wait(0.1)
        second = pool.submit(network.embed, "colors-1", photo("blue"))
        assert not embedder.began.wait(0.1)
    assert [one.result(SECONDS).features["prob"].argmax() for one in (first, second)] == [
        list(COLORS).index("red"),
        list(COLORS).index("blue"),
    ]
    assert embedder.batches == [2]


def test_a_batch_does_not_wait_long(models):
    """Its photo is answered although another is decoded for ever."""
    network = BatchedQueryNetwork(models, patience=0.05)
    models.embedders["colors-1"].may_go_on.set()
    with network.expecting():
        assert network.embed("colors-1", photo("red")).timings_ms["wait"] >= 50


def test_a_full_batch_waits_for_no_more(models, pool):
    network = BatchedQueryNetwork(models, most_at_once=2, patience=SECONDS)
    models.embedders["colors-1"].may_go_on.set()
    with network.expecting():
        answers = [pool.submit(network.embed, "colors-1", photo(color)) for color in ("red", "blue")]
        for one in answers:
            one.result(SECONDS / 2)


def test_a_lone_photo_runs_at_once(models):
    """Nobody else will come."""
    models.embedders["colors-1"].may_go_on.set()
    network = BatchedQueryNetwork(models)
    found = network.embed("colors-1", photo("red"))
    assert list(found.timings_ms) == ["load", "wait", "embed"]
    assert found.features["prob"].tolist() == [0, 0, 0, 1, 0, 0]
    assert (models.embedders["colors-1"].batches, network.batch_sizes) == ([1], {1: 1})


def test_those_that_come_meanwhile_run_together_and_each_gets_its_own(models, pool):
    """1 runs, 5 come: the next batch has all 5."""
    crowd = Crowd(models, pool)
    crowd.come("red", "green", "blue", "white", "red")
    crowd.let_go()
    assert crowd.colors() == ["black", "red", "green", "blue", "white", "red"]
    assert models.embedders["colors-1"].batches == [1, 5]
    assert crowd.network.batch_sizes == {1: 1, 5: 1}


def test_a_batch_has_an_end(models, pool):
    """1 runs, 5 come, 2 at once: 2, 2 and 1."""
    crowd = Crowd(models, pool, most_at_once=2)
    crowd.come("red", "green", "blue", "white", "red")
    crowd.let_go()
    assert crowd.colors() == ["black", "red", "green", "blue", "white", "red"]
    assert models.embedders["colors-1"].batches == [1, 2, 2, 1]


def test_model_versions_do_not_mix(models, pool):
    """Of red, green by the other version and blue, red and blue go together; green is next."""
    crowd = Crowd(models, pool)
    crowd.come("red")
    crowd.come("green", version="colors-2")
    crowd.come("blue")
    crowd.let_go()
    assert crowd.colors() == ["black", "red", "green", "blue"]
    assert models.embedders["colors-1"].batches == [1, 2]
    assert models.embedders["colors-2"].batches == [1]


def test_one_that_fails_fails_alone(models, pool):
    """A batch that fails is run one by one: all but the yellow one have their features."""
    crowd = Crowd(models, pool)
    crowd.come("red", "yellow", "blue")
    crowd.let_go()
    failed = crowd.answers.pop(2)
    assert crowd.colors() == ["black", "red", "blue"]
    with pytest.raises(OutOfMemory):
        failed.result(SECONDS)
    assert models.embedders["colors-1"].batches == [1, 3, 1, 1, 1]


def test_what_is_too_much_at_once_runs_one_by_one(models, pool):
    """Two at once do not fit into the memory."""
    models.embedders["colors-1"].most = 1
    crowd = Crowd(models, pool)
    crowd.come("red", "blue")
    crowd.let_go()
    assert crowd.colors() == ["black", "red", "blue"]


def test_what_its_process_was_killed_with_is_not_run_again_one_by_one(models, pool):
    """Each would start the process anew, for many seconds. All are told; the next photo is as good as any."""
    crowd = Crowd(models, pool)
    embedder = models.embedders["colors-1"]
    embed = embedder.embed_with_scale

    def killed(images):
        embed(images)
        raise NetworkProcessEnded("ended", received="SIGKILL")

    embedder.embed_with_scale = killed
    crowd.come("red", "blue")
    crowd.let_go()
    for failed in crowd.answers[1:]:
        with pytest.raises(NetworkProcessEnded):
            failed.result(SECONDS)
    assert embedder.batches == [1, 2]
    embedder.embed_with_scale = embed
    assert crowd.network.embed("colors-1", photo("red")).features["prob"].argmax() == 3


def test_after_an_error_the_network_is_free(models):
    """Whoever comes next is not left to wait for one who has gone."""
    models.embedders["colors-1"].may_go_on.set()
    network = BatchedQueryNetwork(models)
    with pytest.raises(OutOfMemory):
        network.embed("colors-1", photo("yellow"))
    assert network.embed("colors-1", photo("red")).features["prob"].argmax() == 3


def test_no_photo_waits_for_ever_for_a_batch_that_nobody_foresaw_to_fail(models, pool):
    """Its features cannot be told apart. All are told why, and the next photo finds the network free."""
    crowd = Crowd(models, pool)
    embedder = models.embedders["colors-1"]
    embed = embedder.embed_with_scale
    embedder.embed_with_scale = lambda images: embed(images) if len(images) == 1 else {"prob": None}
    crowd.come("red", "blue")
    crowd.let_go()
    for failed in crowd.answers[1:]:
        with pytest.raises(TypeError):
            failed.result(SECONDS)
    assert crowd.network.embed("colors-1", photo("green")).features["prob"].argmax() == list(COLORS).index("green")


def test_a_photo_of_another_form_is_refused_before_it_has_company(models):
    """It would fail them, too."""
    with pytest.raises(ValueError, match="received"):
        BatchedQueryNetwork(models).embed("colors-1", np.zeros((INPUT_SIZE, INPUT_SIZE + 1, 3), np.uint8))


def test_many_threads_each_get_their_own(models, pool):
    """300 photos of 12 threads: as many as came are counted, and every answer is to its own photo."""
    for embedder in models.embedders.values():
        embedder.may_go_on.set()
    network = BatchedQueryNetwork(models, most_at_once=4)
    colors = [list(COLORS)[at % 5] for at in range(300)]
    found = list(pool.map(lambda color: network.embed("colors-1", photo(color)).features["prob"].argmax(), colors))
    assert [list(COLORS)[place] for place in found] == colors
    assert sum(size * number for size, number in network.batch_sizes.items()) == 300
    assert max(network.batch_sizes) <= 4
