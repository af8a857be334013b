"""A collection's spec as JSON, kept beside the collection so that a later create can tell whether it is the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from catalog.errors import InvalidRequest
from catalog.ports.vector_index import CollectionSpec, Distance, FieldType, VectorSpec


def spec_to_json(spec: CollectionSpec) -> dict[str, Any]:
    """The spec as JSON values; equal specs give equal values, whatever order their names came in."""
    return {
        "vectors": {
            name: {
                "size": vector.size,
                "distance": str(vector.distance),
                "quantized": vector.quantized,
                "half_precision": vector.half_precision,
            }
            for name, vector in sorted(spec.vectors.items())
        },
        "fields": {name: str(kind) for name, kind in sorted(spec.fields.items())},
    }


def spec_from_json(value: Mapping[str, Any]) -> CollectionSpec:
    """The spec that ``spec_to_json`` wrote.

    Raises:
        KeyError, TypeError, ValueError: the value was not written by ``spec_to_json``.
    """
    return CollectionSpec(
        vectors={
            name: VectorSpec(
                size=int(vector["size"]),
                distance=Distance(vector["distance"]),
                quantized=bool(vector["quantized"]),
                half_precision=bool(vector["half_precision"]),
            )
            for name, vector in value["vectors"].items()
        },
        fields={name: FieldType(kind) for name, kind in value["fields"].items()},
    )


def require_same_spec(name: str, existing: CollectionSpec, wanted: CollectionSpec) -> None:
    """Pass when both specs say the same.

    Raises:
        InvalidRequest: they differ; the error names what differs.
    """
    found, expected = spec_to_json(existing), spec_to_json(wanted)
    if found == expected:
        return
    differing = [
        f"{part}.{key}"
        for part in ("vectors", "fields")
        for key in sorted({*found[part], *expected[part]})
        if found[part].get(key) != expected[part].get(key)
    ]
    raise InvalidRequest(
        f"A collection {name!r} of another spec exists; they differ in {', '.join(differing)}.",
        received=str(expected),
        expected=str(found),
        remedy="choose another name, or drop the collection first",
    )
