"""Data set tables made from folders of public photos, for tests, training and measuring.

    python -m tests.tables_from_shared dress-patterns OUT --shared FOLDER
    python -m tests.tables_from_shared fashion-products OUT --train-article Dresses

writes OUT/dress-patterns.csv, to be used as ``--dataset table:OUT/dress-patterns.csv``. Image paths are absolute, so
that nothing is copied.

dress-patterns
    Trains on the published ``train`` photos. The published ``valid`` photos are the gallery; those whose pattern is not
    plain are queries too. Label: ``pattern``.
fashion-products
    30 % of the ids are held out by their hash, as queries and gallery. Labels: ``color`` and ``article``; photos
    without a colour (2 of 10,000) are left out.
"""

from __future__ import annotations

import argparse
import csv
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from embeddings.datasets.held_out import is_held_out
from embeddings.datasets.table import OPTIONAL_COLUMNS, REQUIRED_COLUMNS
from tests.feeds_from_shared import MISSING, PHOTO_FOLDERS, read_products

HELD_OUT_SHARE = 0.3

Row = dict[str, str]


@dataclass(frozen=True)
class Narrowing:
    """What to leave out of a table.

    Args:
        category: Keep photos of this category alone; None is all.
        train_article: Keep training photos of this category alone; None is all.
    """

    category: str | None = None
    train_article: str | None = None

    def keeps(self, row: Row) -> bool:
        """Whether a row stays."""
        if self.category is not None and row["category"] != self.category:
            return False
        return row["split"] != "train" or self.train_article is None or row["category"] == self.train_article


def write_shared_table(shared_folder: Path, name: str, output_folder: Path, narrowing: Narrowing | None = None) -> Path:
    """Write ``output_folder/name.csv`` and return its path.

    Args:
        shared_folder: The folder that has ``data/name``.
        narrowing: What to leave out; None is nothing.

    Raises:
        ValueError: no photo, or no photo to train on, is left.
    """
    rows = [row for row in _read_rows(shared_folder, name) if (narrowing or Narrowing()).keeps(row)]
    if not any(row["split"] == "train" for row in rows):
        raise ValueError(
            f"no photos of {name} to train on are left by {narrowing}; categories are spelled as in the table"
        )
    output_folder.mkdir(parents=True, exist_ok=True)
    path = output_folder / f"{name}.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, (*REQUIRED_COLUMNS, *OPTIONAL_COLUMNS), restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return path


def _read_rows(shared_folder: Path, name: str) -> Iterator[Row]:
    """Rows of the data set's table, in the order of the published one; rows without a photo are left out."""
    photos = PHOTO_FOLDERS[name]
    with (shared_folder / "data" / name / photos.table).open(encoding="utf-8", newline="") as file:
        published = {row[photos.image_column]: row for row in csv.DictReader(file)}
    for product in read_products(shared_folder, name):
        described = TABLES[name](published[product.external_id])
        if described is not None:
            (image,) = product.images
            yield described | {
                "image": image.source,
                "attributes": "; ".join(product.attributes),
                "item": product.external_id,
                "text": product.title,
            }


def _dress_pattern(row: Row) -> Row:
    split = row["split"]
    if split == "valid":
        split = "gallery" if row["pattern"] == "plain" else "test"
    return {"split": split, "labels": f"pattern={row['pattern']}", "category": "Dresses"}


def _fashion_product(row: Row) -> Row | None:
    if row["baseColour"] in MISSING or row["articleType"] in MISSING:
        return None
    return {
        "split": "test" if is_held_out(row["id"], HELD_OUT_SHARE) else "train",
        "labels": f"color={row['baseColour']}; article={row['articleType']}",
        "category": row["articleType"],
    }


TABLES: dict[str, Callable[[Row], Row | None]] = {
    "dress-patterns": _dress_pattern,
    "fashion-products": _fashion_product,
}


def main() -> None:
    """Write one table and print its path."""
    parser = argparse.ArgumentParser(description="Make a data set table of a folder of public photos.")
    parser.add_argument("name", choices=sorted(TABLES))
    parser.add_argument("output_folder", type=Path)
    parser.add_argument("--shared", type=Path, default=Path(os.environ.get("DRAPE_SHARED", "../shared")))
    parser.add_argument("--category", help="take photos of this category alone, such as Dresses")
    parser.add_argument("--train-article", help="train on photos of this category alone, such as Dresses")
    arguments = parser.parse_args()
    narrowing = Narrowing(arguments.category, arguments.train_article)
    try:
        print(write_shared_table(arguments.shared, arguments.name, arguments.output_folder, narrowing))
    except ValueError as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
