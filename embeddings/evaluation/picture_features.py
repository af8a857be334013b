"""Every output of a network for every picture of a data set, kept in files."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from embeddings.evaluation.feature_rows import FeatureFile, FloatArray, blocks
from embeddings.evaluation.unusable_features import require_kept
from embeddings.training.labelled_images import ImageSequence


class Network(Protocol):
    """What computes features; see ``embeddings.evaluation.networks.EvaluatedNetwork``."""

    name: str
    batch_size: int
    sizes: Mapping[str, int]

    def compute(self, images: NDArray[np.uint8]) -> Mapping[str, FloatArray]: ...


def compute_features(
    network: Network,
    images: ImageSequence,
    folder: Path,
    *,
    outputs: Collection[str] | None = None,
    half_precision: bool = False,
    decode_threads: int = 2,
    on_images: Callable[[int], None] = lambda _: None,
) -> dict[str, FeatureFile]:
    """Outputs of a network for all images, by name, raw, one file each in ``folder``.

    Images are read one batch ahead of the network, so memory is that of two batches.

    Args:
        outputs: Which; None is all that the network has.
        half_precision: Keep float16.
        decode_threads: How many images are read at once, at least 1.
        on_images: Told after every batch how many images are done.

    Raises:
        UnusableDataset: an image cannot be read.
        UnusableFeatures: the network gave NaN or infinity, or what does not fit into float16 where that was asked for.
    """
    files = {
        name: FeatureFile(folder / f"{name}.features", size, half_precision=half_precision)
        for name, size in network.sizes.items()
        if outputs is None or name in outputs
    }
    done = 0
    for batch in _read_ahead(images, network.batch_size, decode_threads):
        features = network.compute(batch)
        for name, file in files.items():
            require_kept(network.name, name, features[name], file)
            file.append(features[name])
        done += len(batch)
        on_images(done)
    return files


def _read_ahead(images: ImageSequence, batch_size: int, num_threads: int) -> Iterator[NDArray[np.uint8]]:
    with ThreadPoolExecutor(num_threads) as pool:

        def start(block: slice) -> list[Callable[[], NDArray[np.uint8]]]:
            return [pool.submit(images.__getitem__, position).result for position in range(block.start, block.stop)]

        waiting: list[Callable[[], NDArray[np.uint8]]] = []
        try:
            for block in blocks(len(images), batch_size):
                ready, waiting = waiting, start(block)
                if ready:
                    yield np.stack([result() for result in ready])
            if waiting:
                yield np.stack([result() for result in waiting])
        finally:
            # What nobody waits for any more must not hold up an error.
            pool.shutdown(wait=True, cancel_futures=True)
