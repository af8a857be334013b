"""A collection's spec as JSON, kept beside the collection so that a later create can tell whether it is the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
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


def extended_spec(name: str, existing: CollectionSpec, wanted: CollectionSpec) -> CollectionSpec:
    """The existing spec with the wanted fields that it lacks. What it has beyond the wanted stays.

    Raises:
        InvalidRequest: the vectors differ, or the kinds of a field; the error names what differs.
    """
    found, expected = spec_to_json(existing), spec_to_json(wanted)
    differing = [
        f"vectors.{key}"
        for key in sorted({*found["vectors"], *expected["vectors"]})
        if found["vectors"].get(key) != expected["vectors"].get(key)
    ] + [
        f"fields.{key}"
        for key in sorted(existing.fields.keys() & wanted.fields.keys())
        if existing.fields[key] != wanted.fields[key]
    ]
    if differing:
        raise InvalidRequest(
            f"A collection {name!r} of another spec exists; they differ in {', '.join(differing)}.",
            received=str(expected),
            expected=str(found),
            remedy="choose another name, or drop the collection first",
        )
    return replace(existing, fields={**wanted.fields, **existing.fields})
