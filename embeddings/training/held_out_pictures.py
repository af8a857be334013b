"""Which pictures a training held out, as a file in the version's folder: on these, later measurements are fair."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path

from embeddings.errors import UnusableModel

HELD_OUT_FILE = "held-out.json"


def write_held_out(pictures: Collection[str], folder: Path) -> None:
    """Write keys of pictures (``LabelledImages.pictures``) into a folder that exists; nothing where there are none."""
    if pictures:
        text = json.dumps({"pictures": sorted(set(pictures))}, indent=0)
        (folder / HELD_OUT_FILE).write_text(f"{text}\n", encoding="utf-8")


def read_held_out(folder: Path) -> frozenset[str]:
    """The keys that ``write_held_out`` wrote; none where there is no file.

    Raises:
        UnusableModel: the file cannot be read, or holds something else.
    """
    path = folder / HELD_OUT_FILE
    try:
        pictures = json.loads(path.read_bytes())["pictures"]
        if not isinstance(pictures, list) or not all(isinstance(key, str) for key in pictures):
            raise ValueError("pictures must be a list of texts")
    except FileNotFoundError:
        return frozenset()
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise UnusableModel(
            "what a training held out cannot be read",
            received=f"{path}: {error}",
            expected="the file as training wrote it",
            remedy="restore the file from a copy, or train the model version again",
        ) from error
    return frozenset(pictures)
