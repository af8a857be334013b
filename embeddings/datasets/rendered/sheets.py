"""Contact sheets: many rendered photos on one picture, for looking at."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from embeddings.datasets.rendered.items import RenderedItem
from embeddings.datasets.rendered.views import render_view

_GAP = 4


def contact_sheet(
    catalog: Sequence[RenderedItem], num_views: int, height: int, num_columns: int = 10
) -> NDArray[np.uint8]:
    """The first ``num_views`` photos of every item, in rows of ``num_columns``, on white.

    Raises:
        ValueError: there is no photo to show.
    """
    photos = [render_view(item, view, height) for item in catalog for view in range(num_views)]
    if not photos:
        raise ValueError("a contact sheet needs at least one item and one view")
    width = photos[0].shape[1]
    num_rows = -(-len(photos) // num_columns)
    sheet = np.full((num_rows * (height + _GAP), num_columns * (width + _GAP), 3), 255, dtype=np.uint8)
    for index, photo in enumerate(photos):
        top, left = index // num_columns * (height + _GAP), index % num_columns * (width + _GAP)
        sheet[top : top + height, left : left + width] = photo
    return sheet
