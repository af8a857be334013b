"""``python -m embeddings.datasets.rendered``: writes a rendered catalog, or a contact sheet of one."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from embeddings.datasets.rendered.catalog import DEFAULT_HEIGHT, write_catalog
from embeddings.datasets.rendered.items import items
from embeddings.datasets.rendered.sheets import contact_sheet


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit code."""
    parser = argparse.ArgumentParser(prog="python -m embeddings.datasets.rendered", description=__doc__)
    parser.add_argument("--output", type=Path, help="folder to write feed.csv and images/ into")
    parser.add_argument("--sheet", type=Path, help="PNG file to write a contact sheet into")
    parser.add_argument("--items", type=int, default=60, help="how many items (default: %(default)s)")
    parser.add_argument("--views", type=int, default=3, help="how many photos of each (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="which catalog (default: %(default)s)")
    parser.add_argument(
        "--height", type=int, default=DEFAULT_HEIGHT, help="of a photo in pixels (default: %(default)s)"
    )
    options = parser.parse_args(arguments)
    if options.output is None and options.sheet is None:
        parser.error("name a folder with --output, a file with --sheet, or both")
    try:
        if options.output is not None:
            print(write_catalog(options.output, options.items, options.views, options.seed, height=options.height))
        if options.sheet is not None:
            sheet = contact_sheet(list(items(options.items, options.seed)), options.views, options.height)
            Image.fromarray(sheet).save(options.sheet)
            print(options.sheet)
    except ValueError as error:
        parser.error(str(error))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
