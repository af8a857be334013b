"""The printed table of an evaluation, and what is said below it."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np

from cli.evaluation_table import print_report
from embeddings.datasets.records import Dataset, DatasetImage
from embeddings.evaluation.evaluated_rows import EvaluatedRow
from embeddings.evaluation.ground_truth import GroundTruth
from embeddings.evaluation.report import EvaluationReport


def printed(*labels, notes=()):
    """What is printed of a ranking in which every image, of such a species and family, asks for all others."""
    images = tuple(
        DatasetImage(Path(f"{number}.jpg"), {"species": species, "family": family})
        for number, (species, family) in enumerate(labels)
    )
    others = np.array([[at for at in range(len(images)) if at != number] for number in range(len(images))])
    measures = GroundTruth(Dataset("birds", (), images, images)).measure(others)
    report = EvaluationReport(
        dataset={"name": "birds", "num_queries": len(images), "num_gallery": len(images)},
        models=[],
        rows=[EvaluatedRow("net", "pool", 384, "cosine", measures, others)],
        notes=notes,
        command="drape evaluate",
        created="2026",
    )
    stream = io.StringIO()
    print_report(report, file=stream)
    return stream.getvalue().splitlines()


def test_queries_that_were_left_out_are_told_by_level(monkeypatch):
    """Of 5 birds, 3 are the only ones of their species and 2 of those of their family; the notes come after."""
    monkeypatch.delenv("COLUMNS", raising=False)
    lines = printed(
        ("Downy Woodpecker", "Woodpecker"),
        ("Downy Woodpecker", "Woodpecker"),
        ("Hairy Woodpecker", "Woodpecker"),
        ("House Wren", "Wren"),
        ("Green Heron", "Heron"),
        notes=["pool is whitened."],
    )
    assert lines[0] == "birds: 5 queries, gallery of 5"
    assert lines[-3:] == [
        "species: 3 queries have no relevant image in the gallery and are left out; the means are over 2.",
        "family: 2 queries have no relevant image in the gallery and are left out; the means are over 3.",
        "pool is whitened.",
    ]
    # Another of its kind is at rank 1 of both of a species, and of all three of a family.
    (row,) = (line.split() for line in lines if line.split()[:1] == ["net"])
    assert row == ["net", "pool", "384", "cosine", "1.000", "1.000"]


def test_one_query_is_told_as_one(monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    lines = printed(("Downy", "Woodpecker"), ("Downy", "Woodpecker"), ("House", "Woodpecker"))
    assert "species: 1 query has no relevant image in the gallery and is left out; the means are over 2." in lines


def test_levels_at_which_every_query_counts_are_not_told(monkeypatch):
    """Two of each family, but of four species: one line, of the species, at which there are then no columns."""
    monkeypatch.delenv("COLUMNS", raising=False)
    lines = printed(("Downy", "Woodpecker"), ("Hairy", "Woodpecker"), ("House", "Wren"), ("Marsh", "Wren"))
    assert [line for line in lines if "left out" in line] == [
        "species: 4 queries have no relevant image in the gallery and are left out; the means are over 0."
    ]
    assert not any("species p@" in line for line in lines)
