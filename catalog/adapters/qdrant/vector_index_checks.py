"""What both vector indexes refuse before the engine sees it, so that they refuse the same things in the same words."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence

import numpy as np

from catalog.errors import InvalidRequest
from catalog.ports.vector_index import CollectionSpec, FieldType, Point, Vector, VectorQuery

# No leading dot: the embedded index keeps unfinished and dropped collections under such names.
_COLLECTION_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,199}")

# Qdrant reads a field's name as a path into the payload, in which dots, brackets and quotes have meanings.
_FIELD_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")

_LARGEST_ID = 2**64 - 2

# The approximate search always explores and rescores in steps of this many points. Two pages of the same step then come
# from the same beam and the same rescored points, so that they are parts of one ranking and no hit is shown twice.
_DEPTH_STEP = 128

# A graph search under several rare conditions finds few points that pass near those that pass; ACORN, which looks two
# steps ahead, finds them, at three to five times the cost. Measured on 20,000 clustered vectors with the engine's full
# scan of small results switched off, recall@10 by the filter's selectivity, without and with it: 15 % 1.000 and 1.000,
# 2.3 % 0.994 and 0.999, 0.4 % 0.866 and 0.996. So it is used below this selectivity only.
ACORN_MAX_SELECTIVITY = 0.02


def check_collection_name(name: str) -> None:
    """Pass names that are safe as a folder's name and in a URL."""
    if not _COLLECTION_NAME.fullmatch(name):
        raise InvalidRequest(
            "A collection's name cannot be used.",
            received=repr(name),
            expected="1 to 200 letters, digits, '-', '_' or '.', not beginning with '.'",
        )


def check_spec(spec: CollectionSpec) -> None:
    """Pass specs of at least one vector with at least one component, and with fields of plain names."""
    if not spec.vectors or any(vector.size < 1 for vector in spec.vectors.values()):
        raise InvalidRequest(
            "A collection needs at least one named vector, each of at least one component.",
            received=str({name: vector.size for name, vector in spec.vectors.items()}),
        )
    for field in spec.fields:
        if not _FIELD_NAME.fullmatch(field):
            raise InvalidRequest(
                "A field's name cannot be used.", received=repr(field), expected="letters, digits, '_' and '-'"
            )


def checked_points(spec: CollectionSpec, points: Iterable[Point]) -> list[Point]:
    """The points without earlier ones of the same id, once all of them fit the spec.

    Raises:
        InvalidRequest: an id is out of range, a vector is missing, unknown, of another size or not finite.
    """
    latest = {point.id: point for point in points}
    for point in latest.values():
        _check_id(point.id)
        if point.vectors.keys() != spec.vectors.keys():
            raise InvalidRequest(
                f"Point {point.id} does not carry the collection's vectors.",
                received=", ".join(sorted(point.vectors)) or "none",
                expected=", ".join(sorted(spec.vectors)),
            )
        for name, vector in point.vectors.items():
            _check_vector(spec, name, vector, f"vector {name!r} of point {point.id}")
    return list(latest.values())


def check_query(spec: CollectionSpec, query: VectorQuery) -> None:
    """Pass searches that have a meaning in the collection."""
    stages = [("search", query.using, query.query, query.limit)]
    if query.candidates is not None:
        stages.append(("candidates", query.candidates.using, query.candidates.query, query.candidates.limit))
    for stage, using, vector, limit in stages:
        check_vector_names(spec, (using,))
        check_limit(limit, f"limit of the {stage}")
        if isinstance(vector, int):
            _check_id(vector)
        else:
            _check_vector(spec, using, vector, f"query of the {stage}")
    if query.offset < 0:
        raise InvalidRequest("A search cannot begin before its first result.", received=f"offset {query.offset}")
    check_vector_names(spec, query.with_vectors)


def check_vector_names(spec: CollectionSpec, names: Collection[str]) -> None:
    """Pass names of the collection's vectors."""
    unknown = sorted(set(names) - spec.vectors.keys())
    if unknown:
        raise InvalidRequest(
            "The collection has no vector of that name.",
            received=", ".join(unknown),
            expected=f"one of {', '.join(sorted(spec.vectors))}",
        )


def check_facet_field(spec: CollectionSpec, field: str) -> None:
    """Pass fields whose values are indexed as keywords."""
    keywords = sorted(name for name, kind in spec.fields.items() if kind in (FieldType.KEYWORD, FieldType.TENANT))
    if field not in keywords:
        raise InvalidRequest(
            "Values are counted for keyword fields only.",
            received=field,
            expected=f"one of {', '.join(keywords)}" if keywords else "a collection with keyword fields",
        )


def check_limit(limit: int, what: str) -> None:
    """Pass limits of at least 1."""
    if limit < 1:
        raise InvalidRequest(f"The {what} must be at least 1.", received=str(limit))


def point_not_stored(point_id: int) -> InvalidRequest:
    """The error for a search by a stored point that is not there."""
    return InvalidRequest(
        "The search asks for what is near a stored point, but no such point is stored.", received=f"point {point_id}"
    )


def storable_ids(ids: Iterable[int]) -> set[int]:
    """The ids that a point can have; asking for another is no mistake, there is just nothing stored under it."""
    return {point_id for point_id in ids if 0 <= point_id <= _LARGEST_ID}


def excluded_ids(query: VectorQuery) -> tuple[int, ...]:
    """Ids of the stored points that are asked with; they are results of no stage."""
    asked = [query.query, *([] if query.candidates is None else [query.candidates.query])]
    return tuple(sorted({vector for vector in asked if isinstance(vector, int)}))


def search_depth(num_results: int) -> int:
    """How many points an approximate search explores and rescores so that its first ``num_results`` can be trusted."""
    return -(-num_results // _DEPTH_STEP) * _DEPTH_STEP


def candidate_depth(num_candidates: int) -> int:
    """How many points the first of two stages explores; its limit is the same on every page, so nothing is rounded."""
    return max(_DEPTH_STEP, num_candidates)


def batches(points: Sequence[Point], max_components: int) -> Iterator[Sequence[Point]]:
    """The points in runs of at most that many vector components, each of at least one point."""
    start = components = 0
    for position, point in enumerate(points):
        size = sum(len(vector) for vector in point.vectors.values())
        if position > start and components + size > max_components:
            yield points[start:position]
            start, components = position, 0
        components += size
    if start < len(points):
        yield points[start:]


def _check_id(point_id: int) -> None:
    if not 0 <= point_id <= _LARGEST_ID:
        raise InvalidRequest("A point's id is out of range.", received=str(point_id), expected=f"0 to {_LARGEST_ID}")


def _check_vector(spec: CollectionSpec, name: str, vector: Vector, what: str) -> None:
    expected = spec.vectors[name].size
    if vector.shape != (expected,):
        raise InvalidRequest(
            f"The {what} has the wrong shape.", received=str(vector.shape), expected=f"({expected},) for {name!r}"
        )
    if not np.isfinite(vector).all():
        raise InvalidRequest(f"The {what} holds NaN or infinity.", expected="finite components")
