"""Precision@1 of a label's values by how many training photos have them: whether rare values are what is missed.

    python -m tests.precision_by_label_count OUT/fashion-products.csv DRAPE_HOME/models/fashion-resnet50 article

Held-out photos of the table ask each other by the dot product of ``prob``.
"""

from __future__ import annotations

import csv
import itertools
import sys
from collections import Counter
from pathlib import Path

import numpy as np

from embeddings.model_store import ModelStore
from embeddings.open_embedder import open_embedder
from tests.benchmarks.networks import prepared_files

BOUNDS = (0, 20, 50, 100, 200, sys.maxsize)


def main(table: Path, version: Path, label: str) -> None:
    """Print a line for each range of counts, and what is taken for what most often."""
    with table.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    values = [dict(part.split("=", 1) for part in row["labels"].split("; "))[label] for row in rows]
    counts = Counter(value for value, row in zip(values, rows, strict=True) if row["split"] == "train")
    asking = [(row["image"], value) for row, value in zip(rows, values, strict=True) if row["split"] != "train"]
    embedder = open_embedder(ModelStore(version.parent).open(version.name))
    prob = embedder.embed(prepared_files([path for path, _ in asking], embedder.input_size))["prob"]
    scores = prob @ prob.T
    np.fill_diagonal(scores, -np.inf)
    names = [value for _, value in asking]
    found = [names[at] for at in scores.argmax(axis=1)]
    # A value that nobody else has cannot be found.
    alone = {value for value, number in Counter(names).items() if number == 1}
    pairs = [(one, other) for one, other in zip(names, found, strict=True) if one not in alone]
    for low, high in itertools.pairwise(BOUNDS):
        hits = [one == other for one, other in pairs if low <= counts[one] < high]
        told = f"{low} or more" if high == sys.maxsize else f"{low} to {high - 1}"
        print(f"{told} training photos: {len(hits):,} queries, precision@1 {np.mean(hits):.3f}")
    for (one, other), number in Counter(pair for pair in pairs if pair[0] != pair[1]).most_common(6):
        print(f"{one} taken for {other}: {number}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
