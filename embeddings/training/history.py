"""How a training went, epoch by epoch, as files: JSON for programs, CSV for tables, a plot for people."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from embeddings.training.progress import EpochRecord

HISTORY_JSON, HISTORY_CSV, HISTORY_PLOT = "history.json", "history.csv", "history.png"
HISTORY_FILES = (HISTORY_JSON, HISTORY_CSV, HISTORY_PLOT)


def record_to_json(record: EpochRecord) -> dict[str, object]:
    """JSON-serialisable values; ``record_from_json`` gives an equal record back."""
    return {**dataclasses.asdict(record), "scores": dict(record.scores)}


def record_from_json(value: Mapping[str, object]) -> EpochRecord:
    """The record that ``record_to_json`` made.

    Raises:
        TypeError: it made something else.
    """
    return EpochRecord(**value)  # type: ignore[arg-type]


def write_history(records: Sequence[EpochRecord], folder: Path) -> None:
    """Write ``history.json``, ``history.csv`` and ``history.png`` into a folder that exists; none without records.

    The CSV has one row per epoch and one column per score.
    """
    if not records:
        return
    rows = [record_to_json(record) for record in records]
    (folder / HISTORY_JSON).write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    (folder / HISTORY_CSV).write_text(_as_csv(records), encoding="utf-8")
    # Here and not at the top: it takes half a second to import.
    from embeddings.training.history_plot import plot_history

    plot_history(records, folder / HISTORY_PLOT)


def _as_csv(records: Sequence[EpochRecord]) -> str:
    names = list(dict.fromkeys(name for record in records for name in record.scores))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["epoch", "loss", "learning_rate", "images_per_second", *names])
    for record in records:
        scores = [record.scores.get(name, "") for name in names]
        writer.writerow([record.epoch, record.loss, record.learning_rate, record.images_per_second, *scores])
    return text.getvalue()
