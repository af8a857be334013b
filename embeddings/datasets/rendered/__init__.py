"""A catalog of drawn garments, the same for the same seed: items, what is true of them, and photos of them.

It needs no download and no rights, knows every item's attributes and identity exactly, and gives several photos of each
item, so that a network can be trained on it and retrieval measured on it anywhere.
"""

from embeddings.datasets.rendered.catalog import write_catalog
from embeddings.datasets.rendered.items import RenderedItem, items
from embeddings.datasets.rendered.views import render_view

__all__ = ["RenderedItem", "items", "render_view", "write_catalog"]
