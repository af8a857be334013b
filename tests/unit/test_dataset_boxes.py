"""Published boxes become crop boxes inside the picture; a picture's size is read from the head of its file."""

from __future__ import annotations

import os

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from embeddings.datasets.list_files import ListLine
from embeddings.datasets.open_dataset import open_dataset
from embeddings.datasets.published_boxes import fit_box, picture_size
from embeddings.datasets.records import UnusableDataset


@pytest.fixture
def line(tmp_path):
    return ListLine(tmp_path / "boxes.txt", 7, "as published")


def save(path, **how):
    pixels = np.random.default_rng(0).integers(0, 255, (20, 34, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path, **how)
    return path


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.tif", "a.webp", "a.gif"])
def test_the_size_of_any_format_is_read(tmp_path, line, name):
    """Width, then height."""
    assert picture_size(save(tmp_path / name), line) == (34, 20)


def test_sizes_are_those_of_the_upright_picture(tmp_path, line):
    """Orientation 6 lies on its side."""
    exif = Image.Exif()
    exif[0x0112] = 6
    assert picture_size(save(tmp_path / "a.jpg", exif=exif), line) == (20, 34)


def test_a_head_full_of_metadata_is_no_matter(tmp_path, line):
    """The size stands behind 100,000 bytes of colour profile, beyond what is read first."""
    path = save(tmp_path / "a.jpg", icc_profile=os.urandom(100_000))
    assert picture_size(path, line) == (34, 20)


def test_what_is_no_picture_is_told_with_the_line_that_names_it(tmp_path, line):
    """A damaged file, an empty one, a folder and none at all."""
    (tmp_path / "damaged.jpg").write_bytes(b"\xff\xd8\xff\xe0 and no more")
    (tmp_path / "empty.jpg").write_bytes(b"")
    (tmp_path / "folder.jpg").mkdir()
    for name in ("damaged.jpg", "empty.jpg", "folder.jpg", "none.jpg"):
        with pytest.raises(UnusableDataset, match=rf"Line 7 of .*boxes.txt.*{name}"):
            picture_size(tmp_path / name, line)


@given(
    st.tuples(*[st.floats(-50, 150)] * 4),
    st.tuples(st.integers(1, 90), st.integers(1, 90)),
    st.one_of(st.none(), st.tuples(st.integers(1, 200), st.integers(1, 200))),
)
def test_a_box_covers_what_it_covered_within_the_picture(edges, size, published_size):
    """Nothing of the published box inside the picture is lost, nothing outside it is kept, and a box is never empty."""
    line = ListLine(None, 1, "")
    left, top, right, bottom = edges
    width, height = published_size or size
    is_inside = left < right and top < bottom and left < width and top < height and right > 0 and bottom > 0
    if not is_inside:
        with pytest.raises(UnusableDataset, match=f"{width} × {height}"):
            fit_box(line, edges, size, published_size)
        return
    box = fit_box(line, edges, size, published_size)
    assert 0 <= box.left < box.right <= size[0]
    assert 0 <= box.top < box.bottom <= size[1]
    across, down = size[0] / width, size[1] / height
    # A hair's breadth for the rounding of the products.
    assert box.left <= max(left, 0) * across + 1e-9
    assert box.right >= min(right, width) * across - 1e-9
    assert box.top <= max(top, 0) * down + 1e-9
    assert box.bottom >= min(bottom, height) * down - 1e-9


def test_a_tilde_is_the_home_folder(tmp_path, monkeypatch):
    """A shell does not see it behind the kind."""
    monkeypatch.setenv("HOME", str(tmp_path))
    save(tmp_path / "a.png")
    (tmp_path / "photos.csv").write_text("image,split\na.png,train\n")
    assert open_dataset("table:~/photos.csv").training[0].path == tmp_path / "a.png"
