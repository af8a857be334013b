"""bfloat16 against float32: how much faster, and whether the neighbours stay the same."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from embeddings.images import decode_image, prepare
from embeddings.keras_embedder import KerasEmbedder
from embeddings.manifest import Precision
from embeddings.model_store import ModelStore
from embeddings.similarity import cosine_similarity
from tests.benchmarks.networks import resnet50_version

SMALLEST_SPEEDUP = 2.0
SMALLEST_RECALL = 0.99
NUM_IMAGES = 640
BATCH = 32
NEIGHBOURS = 10


@pytest.mark.benchmark
@pytest.mark.shared
@pytest.mark.timeout(1800)
def test_bfloat16_is_twice_as_fast_and_finds_the_same(shared_folder, tmp_path):
    """ResNet-50 with ImageNet weights on real photos; float32 neighbours among themselves are the truth."""
    if "avx512_bf16" not in Path("/proc/cpuinfo").read_text() and "amx_bf16" not in Path("/proc/cpuinfo").read_text():
        pytest.skip("this CPU has no bfloat16 instructions")
    version = resnet50_version(ModelStore(tmp_path), shared_folder)
    photos = sorted((shared_folder / "data" / "clothing" / "images").glob("*.jpg"))[:NUM_IMAGES]
    images = np.stack([prepare(decode_image(path.read_bytes(), max_pixels=10**8), 224) for path in photos])
    embedders = {one: KerasEmbedder(version, precision=one, batch_size=BATCH) for one in Precision}
    features = {one: [] for one in Precision}
    seconds = dict.fromkeys(Precision, 0.0)
    for embedder in embedders.values():
        embedder.embed(images[:BATCH])
    # In turns, so that whatever else the machine does slows both alike.
    for first in range(0, NUM_IMAGES, BATCH):
        for one, embedder in embedders.items():
            start = time.perf_counter()
            features[one].append(embedder.embed(images[first : first + BATCH])["pool"])
            seconds[one] += time.perf_counter() - start
    nearest = {}
    for one in Precision:
        pool = np.concatenate(features[one])
        similarity = cosine_similarity(pool, pool)
        np.fill_diagonal(similarity, -1)
        nearest[one] = np.argsort(-similarity, axis=1)[:, :NEIGHBOURS]
    recall = np.mean(
        [
            len(set(exact) & set(found)) / NEIGHBOURS
            for exact, found in zip(nearest[Precision.FLOAT32], nearest[Precision.BFLOAT16], strict=True)
        ]
    )
    speedup = seconds[Precision.FLOAT32] / seconds[Precision.BFLOAT16]
    rates = {one.value: f"{NUM_IMAGES / seconds[one]:.1f} images/s" for one in Precision}
    print(f"\nResNet-50 at 224 px, batch {BATCH}: {rates}, {speedup:.2f} times; recall@10 of neighbours {recall:.4f}")
    assert recall >= SMALLEST_RECALL
    assert speedup >= SMALLEST_SPEEDUP
