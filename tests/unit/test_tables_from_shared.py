"""Tables made from folders of public photos are data sets with the promised splits."""

from __future__ import annotations

from collections import Counter

import pytest

from embeddings.datasets.dataset_options import DatasetOptions
from embeddings.datasets.held_out import is_held_out
from embeddings.datasets.table import read_table
from tests.tables_from_shared import Narrowing, write_shared_table


@pytest.mark.shared
def test_dress_patterns(shared_folder, tmp_path):
    """505 photos are searched; 505 - 284 plain ones = 221 of them are queries; 4,495 train."""
    data = read_table(write_shared_table(shared_folder, "dress-patterns", tmp_path))
    assert (len(data.training), len(data.queries), len(data.gallery)) == (4495, 221, 505)
    assert data.levels == ("pattern",)
    assert all(query in data.gallery for query in data.queries)
    assert "plain" not in {query.labels["pattern"] for query in data.queries}
    assert Counter(image.labels["pattern"] for image in data.gallery)["plain"] == 284
    assert data.training[0].attributes == ("pattern=polka-dot",)
    assert len({attribute for image in data.training for attribute in image.attributes}) == 17


@pytest.mark.shared
def test_fashion_products(shared_folder, tmp_path):
    """3 of 10 ids are held out, none is on both sides, and what is held out is both query and gallery."""
    path = write_shared_table(shared_folder, "fashion-products", tmp_path)
    data = read_table(path)
    # 10,000 photos, 2 of them without a colour.
    assert len(data.training) + len(data.gallery) == 9998
    assert 0.29 < len(data.gallery) / 9998 < 0.31
    assert data.queries == data.gallery
    assert data.levels == ("color", "article")
    assert not {image.item for image in data.training} & {image.item for image in data.gallery}
    assert all(is_held_out(image.item, 0.3) for image in data.gallery)
    groups = Counter(name.partition("=")[0] for image in data.training for name in image.attributes)
    assert set(groups) == {"color", "article", "gender", "season", "usage"}

    dresses = read_table(path, DatasetOptions(category="Dresses"))
    assert len(dresses.training) + len(dresses.gallery) == 350
    assert len(read_table(path, DatasetOptions(category="Dresses", gallery="all")).gallery) == len(data.gallery)


@pytest.mark.shared
def test_training_may_be_narrowed(shared_folder, tmp_path):
    """``train_article`` leaves what is held out alone; ``category`` does not."""
    whole = read_table(write_shared_table(shared_folder, "fashion-products", tmp_path))
    trained = read_table(
        write_shared_table(shared_folder, "fashion-products", tmp_path, Narrowing(train_article="Dresses"))
    )
    narrow = read_table(write_shared_table(shared_folder, "fashion-products", tmp_path, Narrowing(category="Dresses")))
    assert trained.gallery == whole.gallery
    assert trained.training == narrow.training
    assert len(narrow.training) + len(narrow.gallery) == 350
    with pytest.raises(ValueError, match="no photos"):
        write_shared_table(shared_folder, "fashion-products", tmp_path, Narrowing(category="dress"))


def test_rows_without_a_photo_or_a_colour_are_left_out(tmp_path):
    """The published table may name more than there is."""
    folder = tmp_path / "data" / "fashion-products"
    (folder / "images").mkdir(parents=True)
    header = "id,gender,masterCategory,subCategory,articleType,baseColour,season,year,usage\n"
    rows = "".join(
        f"{key},Men,Apparel,Topwear,Shirts,{color},Fall,2010,Casual\n"
        for key, color in ((11, "Blue"), (12, "NA"), (13, "Red"), (14, "White"))
    )
    (folder / "styles.csv").write_text(header + rows)
    for key in (11, 12, 14):
        (folder / "images" / f"{key}.jpg").write_bytes(b"photo")
    data = read_table(write_shared_table(tmp_path, "fashion-products", tmp_path / "out"))
    assert sorted(image.item for image in (*data.training, *data.gallery)) == ["11", "14"]
    assert {image.text for image in (*data.training, *data.gallery)} == {"Men Blue Shirts", "Men White Shirts"}


def test_what_is_held_out_depends_on_the_id_alone():
    """About the share of them; a larger share holds out the same and more."""
    ids = [f"item-{number}" for number in range(4000)]
    small = {item_id for item_id in ids if is_held_out(item_id, 0.1)}
    large = {item_id for item_id in ids if is_held_out(item_id, 0.3)}
    # Of 4,000 throws at 0.3 the standard deviation is √(4000 · 0.3 · 0.7) = 29.
    assert abs(len(large) - 1200) < 5 * 29
    assert small < large
    assert not any(is_held_out(item_id, 0) for item_id in ids)
    assert all(is_held_out(item_id, 1) for item_id in ids)
