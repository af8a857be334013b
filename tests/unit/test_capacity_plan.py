"""How many bytes a catalog takes, worked out by hand."""

from __future__ import annotations

import doctest

from catalog.ports.vector_index import CollectionSpec, Distance, VectorSpec
from catalog.services import capacity_plan
from catalog.services.capacity_plan import PAYLOAD_BYTES, ROW_BYTES, plan

VGG16 = CollectionSpec(
    {
        "fc6": VectorSpec(4096, Distance.COSINE, quantized=True, half_precision=True),
        "hist": VectorSpec(337, Distance.MANHATTAN),
    },
    {},
)


def test_the_example_in_its_docstring_is_true():
    assert doctest.testmod(capacity_plan).failed == 0


def test_a_million_images_of_the_papers_network():
    """fc6: 4096·2 originals, 4096·1 int8, (2·16 + 2)·4 = 136 links; hist: 337·4 = 1348 and 136."""
    planned = plan(VGG16, 1_000_000, 50_000)
    fc6, hist = planned.vectors
    assert (fc6.disk, fc6.memory) == (8192 + 4096 + 136, 4096 + 136)
    assert (hist.disk, hist.memory) == (1348 + 136, 1348 + 136)
    assert planned.index_memory == 1_000_000 * (4232 + 1484 + PAYLOAD_BYTES)
    assert planned.index_disk == 1_000_000 * (12_424 + 1484 + PAYLOAD_BYTES)
    assert planned.database_disk == 1_000_000 * ROW_BYTES
    assert planned.image_store == 50_000_000_000
