"""The batch size that is fastest is found once, kept, and halved where memory is short."""

from __future__ import annotations

import json

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from catalog.adapters.networks.batch_sizes import BatchSizes
from catalog.adapters.networks.stored_models import StoredModels
from embeddings.batch_size import SIZES, fastest_batch_size
from embeddings.errors import OutOfMemory
from embeddings.keras_embedder import KerasEmbedder
from embeddings.model_store import ModelStore
from tests.model_versions import RandomNetwork, add_version, random_images


@pytest.fixture
def store(tmp_path):
    network = RandomNetwork("multiattrib", ("pool", "prob"))
    store = ModelStore(tmp_path / "models")
    add_version(store, "one", [(network, network.build(1))])
    return store


def _too_large(size: int) -> float:
    raise OutOfMemory(f"{size} do not fit")


@pytest.mark.parametrize(
    ("rates", "expected"),
    [
        # 30 / 20 and 33 / 30 are gains of at least a twentieth, 34 / 33 is not.
        ({8: 20.0, 16: 30.0, 32: 33.0, 64: 34.0, 128: 99.0}, 32),
        ({8: 20.0, 16: 19.0}, 8),
        ({8: 1.0, 16: 2.0, 32: 4.0, 64: 8.0, 128: 16.0, 256: 32.0}, 256),
    ],
)
def test_a_size_is_doubled_while_that_pays(rates, expected):
    assert fastest_batch_size(rates.__getitem__) == expected


def test_what_does_not_fit_is_not_chosen():
    assert fastest_batch_size(lambda size: float(size) if size <= 64 else _too_large(size)) == 64
    with pytest.raises(OutOfMemory):
        fastest_batch_size(_too_large)


@given(st.lists(st.floats(0.1, 1e4), min_size=len(SIZES), max_size=len(SIZES)))
def test_no_smaller_size_is_faster(rates):
    by_size = dict(zip(SIZES, rates, strict=True))
    chosen = fastest_batch_size(by_size.__getitem__)
    assert all(by_size[size] <= by_size[chosen] for size in SIZES if size <= chosen)


def test_a_measured_size_is_kept_for_every_version_and_device(tmp_path):
    sizes = BatchSizes(tmp_path / "home" / "batch-sizes.json")
    assert sizes.find("one", "CPU") is None
    sizes.keep("one", "CPU", 16)
    sizes.keep("one", "H100", 128)
    again = BatchSizes(tmp_path / "home" / "batch-sizes.json")
    assert [again.find("one", device) for device in ("CPU", "H100", "A10")] == [16, 128, None]


@pytest.mark.parametrize("content", ["", "[]", '{"one on CPU": "many"}', '{"one on CPU": 0}', "\udc80"])
def test_a_damaged_file_is_as_good_as_none(tmp_path, content):
    path = tmp_path / "batch-sizes.json"
    path.write_bytes(content.encode(errors="surrogateescape"))
    sizes = BatchSizes(path)
    assert sizes.find("one", "CPU") is None
    sizes.keep("one", "CPU", 8)
    assert sizes.find("one", "CPU") == 8


def test_what_cannot_be_kept_is_said(tmp_path, caplog):
    (tmp_path / "home").write_bytes(b"a file where a folder should be")
    BatchSizes(tmp_path / "home" / "batch-sizes.json").keep("one", "CPU", 8)
    assert "measured again" in caplog.text


def test_a_worker_measures_once_and_others_take_what_it_found(store, tmp_path, monkeypatch):
    measured = []

    def find(embedder: KerasEmbedder) -> int:
        measured.append(embedder.version)
        embedder.batch_size = 16
        return 16

    monkeypatch.setattr(KerasEmbedder, "find_batch_size", find)
    sizes = BatchSizes(tmp_path / "batch-sizes.json")

    def opened(measures: bool) -> int:
        models = StoredModels(store, batch_size=32, batch_sizes=sizes, measures=measures)
        return models.embedder("one").batch_size

    assert [opened(False), opened(True), opened(True), opened(False)] == [32, 16, 16, 16]
    assert measured == ["one"]
    assert json.loads((tmp_path / "batch-sizes.json").read_text()) == {"one on CPU": 16}


def test_a_network_is_measured_and_gives_the_same_features_in_every_size(store, monkeypatch):
    monkeypatch.setattr("embeddings.keras_embedder._MEASURED_SECONDS", 0.01)
    embedder = KerasEmbedder(store.open("one"), batch_size=4)
    images = random_images(9, seed=3)
    before = embedder.embed(images)
    size = embedder.find_batch_size()
    assert size in SIZES
    assert embedder.batch_size == size
    after = embedder.embed(images)
    for name, rows in before.items():
        np.testing.assert_allclose(after[name], rows, atol=2e-6)


def _with_memory_for(embedder: KerasEmbedder, most: int, monkeypatch) -> list[int]:
    """Have larger batches fail as TensorFlow's do; the sizes that were tried."""
    tried: list[int] = []
    function = embedder._function

    def limited(size: int):
        tried.append(size)
        if size > most:
            raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")
        return function(size)

    monkeypatch.setattr(embedder, "_function", limited)
    return tried


def test_batches_that_do_not_fit_are_halved_and_nothing_is_lost(store, monkeypatch):
    embedder = KerasEmbedder(store.open("one"), batch_size=8)
    images = random_images(20, seed=3)
    whole = embedder.embed(images)
    tried = _with_memory_for(embedder, 4, monkeypatch)
    halved = embedder.embed(images)
    assert tried == [8, 4, 4, 4, 4, 4]
    assert embedder.batch_size == 4
    for name, rows in whole.items():
        np.testing.assert_allclose(halved[name], rows, atol=2e-6)


def test_batches_are_halved_once_and_no_more(store, monkeypatch):
    embedder = KerasEmbedder(store.open("one"), batch_size=8)
    _with_memory_for(embedder, 2, monkeypatch)
    for _ in range(2):
        with pytest.raises(OutOfMemory):
            embedder.embed(random_images(20, seed=3))
    assert embedder.batch_size == 4
