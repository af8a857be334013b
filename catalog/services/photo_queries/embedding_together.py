"""One call of a network for the photos of several queries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from catalog.errors import NetworkProcessUnavailable
from embeddings.embedder import Embedder


def embed_together(
    embedder: Embedder, photos: Sequence[NDArray[np.uint8]]
) -> list[Mapping[str, NDArray[np.float32]] | Exception]:
    """Each photo's features, or why it has none: what one of them cannot, or all cannot at once, another may.

    Args:
        photos: At least one, each (input_size, input_size, 3) uint8, as ``embeddings.images.prepare`` makes them.

    Returns:
        A float32 vector for each feature, of each photo, that shares no memory with those of the others; and what
            ``prob`` was divided by, as ``Embedder.embed_with_scale`` has it.
    """
    try:
        features = embedder.embed_with_scale(np.stack(photos))
    except NetworkProcessUnavailable as error:
        # One by one they would start it again and again.
        return [error for _ in photos]
    except Exception as error:  # noqa: BLE001 - raised by whoever asked for this photo.
        if len(photos) == 1:
            return [error]
        return [found for photo in photos for found in embed_together(embedder, [photo])]
    return [{name: values[place].copy() for name, values in features.items()} for place in range(len(photos))]
