"""What int8 costs in neighbours on real photos: at most three of a hundred."""

from __future__ import annotations

import pytest

from embeddings.export.agreement import neighbour_recall
from embeddings.export.calibration import MOST_IMAGES, sample_images
from embeddings.export.quantization import quantize
from embeddings.manifest import Precision
from embeddings.model_store import ModelStore
from embeddings.open_embedder import open_embedder
from tests.benchmarks.networks import benchmark_version, prepared_photos

NUM_IMAGES = 320


@pytest.mark.shared
@pytest.mark.slow
def test_int8_keeps_float32s_neighbours_on_real_photos(shared_folder, tmp_path):
    """The shipped network, its weights rounded by other photos than those that are compared."""
    store = ModelStore(tmp_path)
    version = benchmark_version("compact-rendered", store, shared_folder)
    photos = prepared_photos(shared_folder, NUM_IMAGES + MOST_IMAGES, version.manifest.input_size)
    quantized = quantize(version, "quantized", store, sample_images(photos[NUM_IMAGES:], "other photos"))
    float32, int8 = (
        open_embedder(quantized, precision=precision).embed(photos[:NUM_IMAGES])
        for precision in (Precision.FLOAT32, Precision.INT8)
    )
    for feature in (quantized.manifest.visual_feature, "prob"):
        assert neighbour_recall(float32[feature], int8[feature]) >= 0.97
