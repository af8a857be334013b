"""A model version in int8, made from one that was trained."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final, TypeAlias

from embeddings.export.calibration import CalibrationImages
from embeddings.export.litert_conversion import LiteRtPrecision, convert
from embeddings.export.whole_file import UnwritableFile
from embeddings.litert_embedder import LiteRtNetwork
from embeddings.manifest import MANIFEST_FILE, Int8File, Precision, write_manifest
from embeddings.model_store import ModelStore, ModelVersion
from embeddings.training.history import HISTORY_FILES

INT8_FILE: Final = "int8.tflite"


ScoresOf: TypeAlias = Callable[[LiteRtNetwork], Mapping[str, float]]
"""Measures a network in int8, as the manifest is to tell it."""


def quantize(
    model: ModelVersion,
    version: str,
    store: ModelStore,
    calibration: CalibrationImages,
    scores_of: ScoresOf | None = None,
) -> ModelVersion:
    """Add a version that computes in int8: the same weights, and a LiteRT file of them.

    The weights stay, so that it can be exported, quantized anew, and run in other precisions under other names. So does
    the history of its training.

    Args:
        scores_of: None keeps the scores of the trained version, which then say so.

    Raises:
        ModelVersionExists: the name is taken.
        UnusableModel: the networks cannot be built or converted.
        UnusableWeights: a weights file is missing or altered.
        UnwritableFile: the new version's folder cannot be written.
    """
    store.require_free(version)
    content = convert(model, LiteRtPrecision.INT8, calibration.images)
    manifest = model.manifest
    if scores_of is None:
        scores = {_score_name(name, manifest.version): score for name, score in manifest.scores.items()}
    else:
        measured = scores_of(LiteRtNetwork(content, manifest))
        scores = {name: round(score, 4) for name, score in measured.items()}
    quantized = replace(
        manifest,
        version=version,
        precision=Precision.INT8,
        int8=Int8File(INT8_FILE, hashlib.sha256(content).hexdigest(), calibration.described, len(calibration.images)),
        scores=scores,
        created=datetime.now(UTC).date(),
    )
    try:
        with store.adding(version) as folder:
            for network in manifest.networks:
                shutil.copyfile(model.weights_path(network), folder / network.weights)
            for name in HISTORY_FILES:
                if (model.folder / name).is_file():
                    shutil.copyfile(model.folder / name, folder / name)
            (folder / INT8_FILE).write_bytes(content)
            write_manifest(quantized, folder / MANIFEST_FILE)
    except OSError as error:
        raise UnwritableFile(
            f"model version {version} cannot be written",
            received=f"{error.strerror or error}: {error.filename}",
            expected="space for the weights and the int8 file",
            remedy="free space, or set DRAPE_HOME to another disk",
        ) from error
    return store.open(version)


def _score_name(name: str, version: str) -> str:
    return name if name.endswith(")") and " (of " in name else f"{name} (of {version})"
