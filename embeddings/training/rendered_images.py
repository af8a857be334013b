"""The rendered catalog as labelled images."""

from __future__ import annotations

import os
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import islice
from multiprocessing import get_context

import numpy as np
from numpy.typing import NDArray

from embeddings.datasets.rendered import RenderedItem, items, render_view
from embeddings.images import prepare
from embeddings.training.labelled_images import LabelledImages

# Photos come larger than the network's input and are reduced to it; drawing at this multiple of the input's edge
# leaves the same trace of that reduction.
_DRAWN_HEIGHT_RATIO = 1.5


def rendered_images(
    num_items: int, views_per_item: int, *, seed: int, input_size: int, num_processes: int | None = None
) -> LabelledImages:
    """Photos of drawn items, the same for the same arguments, with their attributes and identities.

    Args:
        num_items: At least 1. Items of different seeds differ.
        views_per_item: At least 1; the first is the packshot.
        seed: Decides the items.
        input_size: Edge of the square images in pixels.
        num_processes: How many draw at once; None is one per processor, 1 draws in this process.

    Returns:
        num_items · views_per_item images, all views of an item in a row.

    Raises:
        ValueError: there is nothing to draw.
    """
    if num_items < 1 or views_per_item < 1:
        raise ValueError(f"expected at least one item and one view, received {num_items} and {views_per_item}")
    catalog = list(islice(items(num_items, seed), num_items))
    images = np.empty((num_items, views_per_item, input_size, input_size, 3), dtype=np.uint8)
    draw = partial(_views_of, num_views=views_per_item, input_size=input_size)
    for position, views in enumerate(_each(draw, catalog, num_processes or os.cpu_count() or 1)):
        images[position] = views
    return LabelledImages(
        images=images.reshape(-1, input_size, input_size, 3),
        attributes=[item.attributes for item in catalog for _ in range(views_per_item)],
        item_ids=[item.item_id for item in catalog for _ in range(views_per_item)],
    )


def _each(
    draw: partial[NDArray[np.uint8]], catalog: list[RenderedItem], num_processes: int
) -> Iterable[NDArray[np.uint8]]:
    if num_processes == 1:
        yield from map(draw, catalog)
        return
    # Started anew rather than forked: a fork of a process that runs TensorFlow's threads can hang.
    with ProcessPoolExecutor(num_processes, mp_context=get_context("spawn")) as pool:
        yield from pool.map(draw, catalog, chunksize=16)


def _views_of(item: RenderedItem, num_views: int, input_size: int) -> NDArray[np.uint8]:
    height = round(input_size * _DRAWN_HEIGHT_RATIO)
    return np.stack([prepare(render_view(item, view, height), input_size) for view in range(num_views)])
