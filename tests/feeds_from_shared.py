"""Feeds made from folders of public photos, for tests, benchmarks and trying things out.

    python -m tests.feeds_from_shared clothing OUT --shared FOLDER
    python -m tests.feeds_from_shared fashion-products OUT --copy-images --limit 500

writes OUT/clothing.csv. Image paths are absolute, so that nothing is copied (ingest such a feed with absolute paths
allowed), or, with --copy-images, relative to OUT, into which the photos are copied.
"""

from __future__ import annotations

import argparse
import csv
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from catalog.feeds import write_feed
from catalog.types import Availability, FeedImage, ProductRecord
from embeddings.taxonomy import normalize_attribute

_CLOTHING_REMARKS = ("Not sure", "Skip")
"""Labels by which the annotators said that they could not tell; no category of clothing."""

MISSING = ("", "NA")


@dataclass(frozen=True)
class PhotoFolder:
    """A folder of photos with a table that describes them.

    Args:
        table: Name of the CSV file that describes the photos, in the folder.
        product_of: From a row of the table, with its line and the path of its photo, to a product.
        image_column: The table's column that names the photo, without its ending.
    """

    table: str
    image_column: str
    product_of: Callable[[dict[str, str], int, str], ProductRecord]


def read_products(shared_folder: Path, name: str) -> Iterator[ProductRecord]:
    """Products of the folder ``data/name`` with absolute image paths, in the table's order; rows without a photo are
    left out.
    """
    photos = PHOTO_FOLDERS[name]
    folder = (shared_folder / "data" / name).resolve()
    with (folder / photos.table).open(encoding="utf-8", newline="") as file:
        table = csv.DictReader(file)
        for row in table:
            image = folder / "images" / f"{row[photos.image_column]}.jpg"
            if image.is_file():
                yield photos.product_of(row, table.line_num, str(image))


def write_shared_feed(
    shared_folder: Path, name: str, output_folder: Path, *, copy_images: bool = False, limit: int | None = None
) -> Path:
    """Write ``output_folder/name.csv`` and return its path.

    Args:
        shared_folder: The folder that has ``data/name``.
        copy_images: Copy the photos to ``output_folder/images`` and refer to them by relative paths.
        limit: Take only so many products from the start of the table.
    """
    output_folder.mkdir(parents=True, exist_ok=True)
    products: Iterable[ProductRecord] = islice(read_products(shared_folder, name), limit)
    if copy_images:
        (output_folder / "images").mkdir(exist_ok=True)
        products = (_with_copied_image(product, output_folder) for product in products)
    path = output_folder / f"{name}.csv"
    write_feed(path, products)
    return path


def _with_copied_image(product: ProductRecord, output_folder: Path) -> ProductRecord:
    (image,) = product.images
    relative = Path("images") / Path(image.source).name
    shutil.copyfile(image.source, output_folder / relative)
    return replace(product, images=(replace(image, source=relative.as_posix()),))


def _clothing_product(row: dict[str, str], line: int, image: str) -> ProductRecord:
    label = row["label"]
    is_known = label not in _CLOTHING_REMARKS
    is_for_kids = row["kids"] == "True"
    what = label if is_known else "Clothing"
    return _product(
        line,
        row["image"],
        title=f"Kids' {what}" if is_for_kids else what,
        category=(label,) if is_known else (),
        attributes={"article": label if is_known else "", "kids": "true" if is_for_kids else ""},
        image=image,
    )


def _fashion_product(row: dict[str, str], line: int, image: str) -> ProductRecord:
    words = (row["gender"], row["baseColour"], row["articleType"])
    return _product(
        line,
        row["id"],
        title=" ".join(word for word in words if word not in MISSING),
        category=(row["masterCategory"], row["subCategory"], row["articleType"]),
        attributes={
            "color": row["baseColour"],
            "article": row["articleType"],
            "gender": row["gender"],
            "season": row["season"],
            "usage": row["usage"],
        },
        image=image,
    )


def _dress_pattern_product(row: dict[str, str], line: int, image: str) -> ProductRecord:
    return _product(
        line,
        row["id"],
        title=f"{row['pattern'].capitalize()} dress",
        category=("Dress",),
        attributes={"pattern": row["pattern"]},
        image=image,
    )


def _product(
    line: int, external_id: str, *, title: str, category: tuple[str, ...], attributes: dict[str, str], image: str
) -> ProductRecord:
    names = (normalize_attribute(f"{group}={value}") for group, value in attributes.items() if value not in MISSING)
    return ProductRecord(
        line=line,
        external_id=external_id,
        title=title,
        description="",
        category=category,
        attributes=tuple(sorted(names)),
        price=None,
        availability=Availability.IN_STOCK,
        link=None,
        item_group=None,
        images=(FeedImage(image, 0),),
        raw={},
    )


PHOTO_FOLDERS = {
    "clothing": PhotoFolder("images.csv", "image", _clothing_product),
    "fashion-products": PhotoFolder("styles.csv", "id", _fashion_product),
    "dress-patterns": PhotoFolder("labels.csv", "id", _dress_pattern_product),
}


def main() -> None:
    """Write one feed and print its path."""
    parser = argparse.ArgumentParser(description="Make a product feed of a folder of public photos.")
    parser.add_argument("name", choices=sorted(PHOTO_FOLDERS))
    parser.add_argument("output_folder", type=Path)
    parser.add_argument("--shared", type=Path, default=Path(os.environ.get("DRAPE_SHARED", "../shared")))
    parser.add_argument("--copy-images", action="store_true", help="copy the photos, and refer to them relatively")
    parser.add_argument("--limit", type=int, help="take only so many products")
    arguments = parser.parse_args()
    path = write_shared_feed(
        arguments.shared,
        arguments.name,
        arguments.output_folder,
        copy_images=arguments.copy_images,
        limit=arguments.limit,
    )
    print(path)


if __name__ == "__main__":
    main()
