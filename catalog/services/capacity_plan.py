"""What a catalog of some size needs, from the layout of its collection: arithmetic, nothing is asked or measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from catalog.ports.vector_index import CollectionSpec, VectorSpec

FLOAT32_BYTES: Final = 4
FLOAT16_BYTES: Final = 2
INT8_BYTES: Final = 1

GRAPH_LINKS: Final = 16
"""Qdrant's default m. The lowest layer of its graph has twice as many links for each point; the layers above it add
about one part in m."""

LINK_BYTES: Final = 4

PAYLOAD_BYTES: Final = 400
"""Of one point, with its indexes: six short keywords, some attributes, a price. An allowance, not a measurement."""

ROW_BYTES: Final = 3_000
"""Of one image in PostgreSQL: its row, its product's with the raw feed row, what is noted as indexed, and the indexes.
An allowance for descriptions of some hundred words."""


@dataclass(frozen=True, slots=True)
class VectorCost:
    """What one named vector takes, in bytes for each image.

    Args:
        stored: The originals, float32 or float16; on disk, and read from memory where they are not quantized.
        quantized: The int8 copy that searches walk, or 0.
        graph: The links of the search graph.
    """

    name: str
    size: int
    stored: int
    quantized: int
    graph: int

    @property
    def memory(self) -> int:
        """What searches read at every step, and so should stay in memory."""
        return (self.quantized or self.stored) + self.graph

    @property
    def disk(self) -> int:
        """Everything."""
        return self.stored + self.quantized + self.graph


@dataclass(frozen=True, slots=True)
class CapacityPlan:
    """What ``num_images`` need in one gallery of one model version.

    Args:
        image_bytes: Of one photo as the image store keeps it.
    """

    num_images: int
    vectors: tuple[VectorCost, ...]
    image_bytes: int

    @property
    def index_memory(self) -> int:
        """Bytes that Qdrant should have in memory."""
        return self.num_images * (sum(vector.memory for vector in self.vectors) + PAYLOAD_BYTES)

    @property
    def index_disk(self) -> int:
        """Bytes on Qdrant's disk, without room for snapshots and for the segments that are being rewritten."""
        return self.num_images * (sum(vector.disk for vector in self.vectors) + PAYLOAD_BYTES)

    @property
    def database_disk(self) -> int:
        """Bytes on PostgreSQL's disk."""
        return self.num_images * ROW_BYTES

    @property
    def image_store(self) -> int:
        """Bytes in the image store."""
        return self.num_images * self.image_bytes


def plan(spec: CollectionSpec, num_images: int, image_bytes: int) -> CapacityPlan:
    """What that many images need in a collection of this layout.

    >>> from catalog.ports.vector_index import Distance
    >>> pool = VectorSpec(2048, Distance.COSINE, quantized=True, half_precision=True)
    >>> one = plan(CollectionSpec({"pool": pool}, {}), 1, 50_000).vectors[0]
    >>> one.stored, one.quantized, one.graph  # 2048 · 2, 2048 · 1, (2 · 16 + 2) · 4
    (4096, 2048, 136)
    """
    vectors = tuple(_cost(name, vector) for name, vector in spec.vectors.items())
    return CapacityPlan(num_images, vectors, image_bytes)


def _cost(name: str, vector: VectorSpec) -> VectorCost:
    return VectorCost(
        name,
        vector.size,
        stored=vector.size * (FLOAT16_BYTES if vector.half_precision else FLOAT32_BYTES),
        quantized=vector.size * INT8_BYTES if vector.quantized else 0,
        graph=(2 * GRAPH_LINKS + 2) * LINK_BYTES,
    )
