"""The rendered catalog serves as a data set, drawn once."""

from __future__ import annotations

import pytest

from embeddings.datasets.dataset_options import DatasetOptions
from embeddings.datasets.held_out import is_held_out
from embeddings.datasets.open_dataset import open_dataset
from embeddings.datasets.photos import DatasetPhotos
from embeddings.datasets.records import UnusableDataset
from embeddings.datasets.rendered import items, write_catalog
from embeddings.datasets.rendered_dataset import read_rendered

SMALL = DatasetOptions(rendered_items=6, rendered_views=2, rendered_seed=5, rendered_height=32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("rendered") / "shop"
    read_rendered(place, SMALL)
    return place


def test_items_are_split_and_their_attributes_true(folder):
    """All photos of an item on one side; held-out photos search each other; attributes as drawn."""
    data = open_dataset(f"rendered:{folder}", SMALL)
    drawn = {item.item_id: item for item in items(6, 5)}
    held_out = [item_id for item_id in drawn if is_held_out(item_id, 0.3)]

    assert data.levels == ("item",)
    assert data.queries == data.gallery
    assert [image.labels["item"] for image in data.gallery] == [item_id for item_id in held_out for _ in range(2)]
    assert len(data.training) == 2 * (6 - len(held_out))
    assert 0 < len(held_out) < 6
    for image in (*data.training, *data.gallery):
        assert image.attributes == drawn[image.item].attributes
        assert image.category == drawn[image.item].category[-1]
        assert image.text.startswith(drawn[image.item].title)
    assert len({image.path for image in (*data.training, *data.gallery)}) == 12
    assert DatasetPhotos(data.gallery, 16)[0].shape == (16, 16, 3)


def test_the_share_that_is_held_out_can_be_chosen(folder):
    """Nearly all of it."""
    data = read_rendered(folder, DatasetOptions(rendered_held_out=0.999))
    assert (len(data.training), len(data.gallery)) == (0, 12)


def test_what_is_there_is_taken_as_it_is(folder):
    """Without numbers of one's own nothing is drawn anew, whatever the defaults are."""
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    data = read_rendered(folder)
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before
    assert data == read_rendered(folder, SMALL)
    assert data.notes == ("drawn with num items 6, views per item 2, seed 5, height 32; 30% of the items are held out",)


def test_another_catalog_is_drawn_anew(tmp_path):
    """What is asked for decides; the rest stays as it was."""
    write_catalog(tmp_path / "shop", 3, 1, 8, height=32)
    data = read_rendered(tmp_path / "shop", DatasetOptions(rendered_items=2))
    assert {image.item for image in (*data.training, *data.gallery)} == {item.item_id for item in items(2, 8)}


def test_a_category_may_be_chosen(folder):
    """Of those that the items have."""
    category = next(items(1, 5)).category[-1]
    data = read_rendered(folder, DatasetOptions(category=category.upper(), gallery="all"))
    assert {image.category for image in (*data.training, *data.queries)} == {category}
    assert data.gallery == read_rendered(folder).gallery


def test_a_folder_of_something_else_is_refused(tmp_path):
    """Nothing is overwritten."""
    (tmp_path / "letter.txt").write_text("keep me")
    with pytest.raises(UnusableDataset, match="something else"):
        read_rendered(tmp_path, SMALL)
    assert (tmp_path / "letter.txt").read_text() == "keep me"


@pytest.mark.parametrize(
    "text",
    [
        b"{",
        b"[]",
        b'{"num_items": 3}',
        b'{"num_items": 2, "views_per_item": 1, "seed": "x", "height": 32}',
        b"\xff",
    ],
)
def test_a_damaged_description_is_told(tmp_path, text):
    """The catalog's own file does not say what was drawn."""
    path = tmp_path / "rendered.json"
    path.write_bytes(text)
    with pytest.raises(UnusableDataset, match=r"rendered\.json"):
        read_rendered(tmp_path)


def test_a_missing_photo_is_named(tmp_path):
    """With how to get it back."""
    data = read_rendered(tmp_path / "shop", DatasetOptions(rendered_items=2, rendered_views=1, rendered_height=32))
    path = (*data.training, *data.gallery)[0].path
    path.unlink()
    with pytest.raises(UnusableDataset, match=path.name):
        read_rendered(tmp_path / "shop")
