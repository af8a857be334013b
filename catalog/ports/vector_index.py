"""The vector index: named vectors with payloads, filtered and ranked search. Adapters: Qdrant's engine and server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

Vector: TypeAlias = NDArray[np.float32]
PayloadValue: TypeAlias = str | int | float | bool | Sequence[str] | None
Payload: TypeAlias = Mapping[str, PayloadValue]


class Distance(StrEnum):
    """How two vectors are compared. Cosine scores are similarities; Manhattan scores are distances."""

    COSINE = "cosine"
    MANHATTAN = "manhattan"


class FieldType(StrEnum):
    """How a payload field is indexed."""

    TENANT = "tenant"
    """A keyword by which the collection is partitioned."""
    KEYWORD = "keyword"
    INTEGER = "integer"
    FLOAT = "float"


@dataclass(frozen=True, slots=True)
class VectorSpec:
    """One named vector of a collection.

    Args:
        size: Number of components.
        quantized: Keep an int8 scalar-quantized copy for the search; originals rescore.
        half_precision: Store the originals as float16. Never for ``hist``, whose scores are differences.
    """

    size: int
    distance: Distance
    quantized: bool = False
    half_precision: bool = False


@dataclass(frozen=True, slots=True)
class CollectionSpec:
    """What a collection holds. The fields are indexed before the first upsert.

    A field's name is letters, digits, ``_`` and ``-``; a payload may hold further fields, which are not indexed.
    """

    vectors: Mapping[str, VectorSpec]
    fields: Mapping[str, FieldType]


@dataclass(frozen=True, slots=True)
class Point:
    """What is upserted.

    Args:
        id: 0 to 2^64 − 2.
        vectors: Every named vector of the collection, one-dimensional, finite.
        payload: Sequences come back as lists.
    """

    id: int
    vectors: Mapping[str, Vector]
    payload: Payload


@dataclass(frozen=True, slots=True)
class StoredPoint:
    """What is read back. Cosine vectors come back normalised, because Qdrant normalises them at upload."""

    id: int
    payload: Payload
    vectors: Mapping[str, Vector]


class ScoredPoint(NamedTuple):
    """One result of a search. ``score`` is the distance's own: a similarity for cosine, a distance for Manhattan.

    A named tuple, because a search makes hundreds of them, and a frozen dataclass takes three times as long.
    """

    id: int
    score: float
    payload: Payload
    vectors: Mapping[str, Vector]


@dataclass(frozen=True, slots=True)
class Match:
    """The field's value, or one of its values, is any of these."""

    field: str
    values: tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Range:
    """The field's number lies between the bounds, both inclusive; None is open."""

    field: str
    at_least: float | None = None
    at_most: float | None = None


@dataclass(frozen=True, slots=True)
class HasId:
    """The point's id is any of these."""

    ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class IsEmpty:
    """The field is missing, null or an empty list."""

    field: str


Condition: TypeAlias = Match | Range | HasId | IsEmpty


@dataclass(frozen=True, slots=True)
class Filter:
    """All of ``must``, at least one of ``should`` where it is not empty, and none of ``must_not``."""

    must: tuple[Condition, ...] = ()
    should: tuple[Condition, ...] = ()
    must_not: tuple[Condition, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.must or self.should or self.must_not)


@dataclass(frozen=True, slots=True)
class Candidates:
    """First stage of a two-stage search: the nearest ``limit`` points by another vector, under the same filter."""

    using: str
    query: Vector | int
    limit: int


@dataclass(frozen=True, slots=True)
class VectorQuery:
    """A ranked search.

    Args:
        using: Name of the vector that ranks.
        query: A vector, or the id of a stored point whose vector of that name is taken as it is stored; that point is
            never a result, of either stage. (A lifted gallery vector is not a lifted query: for histogram intersection
            by a stored point, retrieve its vector and ask with that.)
        limit: At most this many results.
        offset: How many of the best to leave out. The pages of a query are parts of one ranking while they end within
            the same 128 results, and always when ``exact`` or with ``candidates``.
        candidates: When given, only its points are ranked, by exact distance, in the same round trip.
        exact: Compare with every point instead of walking the index.
        score_threshold: Cosine: results scoring lower are left out. Manhattan: results further away are left out.
        with_vectors: Names of vectors to return.
        with_payload: Whether to return payloads; results have empty ones otherwise. Making them takes an engine as long
            as finding the points.
    """

    using: str
    query: Vector | int
    limit: int
    offset: int = 0
    filter: Filter = field(default_factory=Filter)
    candidates: Candidates | None = None
    exact: bool = False
    score_threshold: float | None = None
    with_vectors: tuple[str, ...] = ()
    with_payload: bool = True


class VectorIndex(Protocol):
    """Collections of points. Every write is durable and visible when the call returns.

    A collection's name is 1 to 200 letters, digits, ``-``, ``_`` or ``.``, not beginning with ``.``.

    Raises (from every method):
        GalleryNotFound: the collection does not exist (all but ``create_collection``, ``drop_collection``,
            ``list_collections``, ``close``).
        InvalidRequest: a name, point, vector or limit that cannot be; a query by a point that is not stored.
        IndexBusy: another process owns the embedded index.
        IndexUnavailable: the engine or server failed, with its own message; or the index was closed.
    """

    def create_collection(self, name: str, spec: CollectionSpec) -> None:
        """Make the collection and its payload indexes; an existing one gets the indexes that it lacks.

        Raises:
            InvalidRequest: a collection of that name exists with other vectors, or a field of another kind.
        """

    def drop_collection(self, name: str) -> None:
        """Remove the collection and everything in it; no error where there is none."""

    def list_collections(self) -> list[str]:
        """Names in alphabetical order."""

    def upsert(self, collection: str, points: Sequence[Point]) -> None:
        """Insert, or replace whole points of the same id; the last of several in one call wins.

        Raises:
            InvalidRequest: a point does not fit the spec; then none of the call's points is stored.
        """

    def replace_payloads(self, collection: str, payloads: Mapping[int, Payload]) -> None:
        """Replace the whole payload of stored points, leaving their vectors; ids that are not stored are ignored."""

    def delete(self, collection: str, ids: Sequence[int]) -> None:
        """Remove points; ids that are not stored are ignored."""

    def retrieve(
        self, collection: str, ids: Sequence[int], with_vectors: Sequence[str] = (), *, with_payload: bool = True
    ) -> list[StoredPoint]:
        """Stored points in the order of ``ids``, leaving out those that are not stored.

        Args:
            with_payload: Whether payloads are wanted; where not, they are empty.
        """

    def count(self, collection: str, filter: Filter | None = None) -> int:
        """Exact number of matching points."""

    def facet(
        self, collection: str, field: str, filter: Filter | None = None, limit: int = 100
    ) -> list[tuple[str, int]]:
        """Values of a keyword field with exact counts of matching points, most frequent first, then by value.

        Raises:
            InvalidRequest: the field is not a keyword or tenant field of the spec.
        """

    def search(self, collection: str, query: VectorQuery) -> list[ScoredPoint]:
        """Results, nearest first."""

    def scroll(
        self, collection: str, filter: Filter | None = None, limit: int = 1000, after: int | None = None
    ) -> list[StoredPoint]:
        """Payloads (no vectors) of up to ``limit`` matching points with ids above ``after``, ascending."""

    def optimize(self, collection: str) -> None:
        """Build what makes searches fast for everything upserted so far; returns when it is built."""

    def close(self) -> None:
        """Release everything held. Safe to call twice."""
