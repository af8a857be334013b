"""A model version in int8, made from one that was trained."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final, TypeAlias

from embeddings.export.calibration import CalibrationImages
from embeddings.export.derived_version import add_derived, scores_of_origin
from embeddings.export.litert_conversion import LiteRtPrecision, convert
from embeddings.litert_embedder import LiteRtNetwork
from embeddings.manifest import Int8File, Precision
from embeddings.model_store import ModelStore, ModelVersion

INT8_FILE: Final = "int8.tflite"


ScoresOf: TypeAlias = Callable[[LiteRtNetwork], Mapping[str, float]]
"""Measures a network in int8, as the manifest is to tell it."""


def quantize(
    model: ModelVersion,
    version: str,
    store: ModelStore,
    calibration: CalibrationImages,
    scores_of: ScoresOf | None = None,
    *,
    command: str | None = None,
) -> ModelVersion:
    """Add a version that computes in int8: the same weights, a LiteRT file of them, and the same whitening, if any.

    The weights stay, so that it can be exported, quantized anew, and run in other precisions under other names. So does
    the history of its training.

    Args:
        scores_of: None keeps the scores of the trained version, which then say so.
        command: What makes it, for its provenance; None is the command that trained the version.

    Raises:
        ModelVersionExists: the name is taken.
        UnusableModel: the networks cannot be built or converted.
        UnusableWeights: a weights file is missing or altered.
        UnwritableFile: the new version's folder cannot be written.
    """
    store.require_free(version)
    content = convert(model, LiteRtPrecision.INT8, calibration.images, networks_only=True)
    manifest = model.manifest
    if scores_of is None:
        scores = scores_of_origin(manifest)
    else:
        measured = scores_of(LiteRtNetwork(content, manifest, sizes=manifest.network_sizes))
        scores = {name: round(score, 4) for name, score in measured.items()}
    quantized = replace(
        manifest,
        version=version,
        precision=Precision.INT8,
        int8=Int8File(INT8_FILE, hashlib.sha256(content).hexdigest(), calibration.described, len(calibration.images)),
        provenance=manifest.provenance if command is None else manifest.provenance.after(manifest.version, command),
        scores=scores,
        created=datetime.now(UTC).date(),
    )
    add_derived(model, quantized, store, {INT8_FILE: content})
    return store.open(version)
