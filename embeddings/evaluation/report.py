"""What an evaluation found, as values, as JSON and as CSV."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from embeddings.evaluation.evaluated_rows import EvaluatedRow

SHOWN_KS = (1, 5, 10)
"""The ranks that Table I shows."""

FORMAT = 1


@dataclass(frozen=True, slots=True)
class EvaluationReport:
    """Everything that one evaluation found.

    Args:
        dataset: Name, numbers of images, levels, and the reader's notes; JSON-serialisable.
        models: For each network its name and facts (weights' hash, precision, …); JSON-serialisable.
        rows: In the order of the table.
        notes: What a reader of the table should know.
        command: The command line.
        created: When it ended, ISO 8601.
    """

    dataset: Mapping[str, object]
    models: Sequence[Mapping[str, object]]
    rows: Sequence[EvaluatedRow]
    notes: Sequence[str]
    command: str
    created: str

    @property
    def levels(self) -> tuple[str, ...]:
        """The levels of labels at which at least one query could be judged, from fine to coarse."""
        return tuple(
            level
            for level, measured in (self.rows[0].measures.levels.items() if self.rows else ())
            if measured.num_queries
        )

    @property
    def has_attributes(self) -> bool:
        """Whether there is attribute IoU."""
        return bool(self.rows and self.rows[0].measures.attributes.num_queries)

    def to_json(self) -> dict[str, object]:
        """All of it: curves hold the values at k = 1, 2, …"""
        return {
            "format": FORMAT,
            "created": self.created,
            "command": self.command,
            "dataset": dict(self.dataset),
            "models": [dict(model) for model in self.models],
            "notes": list(self.notes),
            "rows": [_row_to_json(row) for row in self.rows],
        }


def measure_at(curve: Sequence[float], k: int) -> float | None:
    """The curve's value at k, or None where it does not go that far."""
    return curve[k - 1] if k <= len(curve) else None


def curves(row: EvaluatedRow) -> Iterator[tuple[str, str, Sequence[float]]]:
    """Every curve of a row: level (``attributes`` for IoU), measure, values at k = 1, 2, …"""
    for level, measured in row.measures.levels.items():
        yield level, "precision", measured.precision
        yield level, "recall", measured.recall
        yield level, "top_k_accuracy", measured.top_k_accuracy
    yield "attributes", "iou", row.measures.attributes.iou


def write_json(report: EvaluationReport, path: Path) -> None:
    """Everything, indented, in UTF-8."""
    text = json.dumps(report.to_json(), indent=1, ensure_ascii=False, allow_nan=False)
    path.write_text(f"{text}\n", encoding="utf-8")


def write_csv(report: EvaluationReport, path: Path) -> None:
    """One line per row of the table, level, measure and k; with a header."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["model", "feature", "size", "metric", "level", "measure", "k", "value", "num_queries"])
        for row in report.rows:
            for level, measure, values in curves(row):
                judged = row.measures.levels[level] if measure != "iou" else row.measures.attributes
                for k, value in enumerate(values, start=1):
                    compared = (row.model, row.feature, row.size, row.metric)
                    writer.writerow([*compared, level, measure, k, f"{value:.6f}", judged.num_queries])


def _row_to_json(row: EvaluatedRow) -> dict[str, object]:
    attributes = row.measures.attributes
    return {
        "model": row.model,
        "feature": row.feature,
        "size": row.size,
        "metric": row.metric,
        "levels": {
            level: {
                "num_queries": measured.num_queries,
                "num_excluded": measured.num_excluded,
                "precision": _rounded(measured.precision),
                "recall": _rounded(measured.recall),
                "top_k_accuracy": _rounded(measured.top_k_accuracy),
            }
            for level, measured in row.measures.levels.items()
        },
        "attributes": {
            "num_queries": attributes.num_queries,
            "num_excluded": attributes.num_excluded,
            "iou": _rounded(attributes.iou),
        },
    }


def _rounded(values: Sequence[float]) -> list[float]:
    return [round(value, 6) for value in values]
