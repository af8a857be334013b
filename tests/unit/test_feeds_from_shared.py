"""Feeds made from folders of public photos are valid to the last row."""

from __future__ import annotations

from collections import Counter

import pytest

from catalog.feeds import open_feed, resolve_image_path
from catalog.types import ProductRecord
from tests.feeds_from_shared import write_shared_feed

FEED_HEADER = "id,title,description,category,attributes,price,availability,link,image,additional_images,item_group_id"


def products_of(path):
    with open_feed(path) as feed:
        items = list(feed)
        assert feed.num_failed_rows == 0
        assert feed.notes == ()
    return items


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "num_products", "num_attributes", "num_categories"),
    [
        # 18 of the 20 labels are categories, and "Not sure" and "Skip" none: 18 + () = 19. Attributes: 18 articles and
        # kids=true.
        ("clothing", 2600, 19, 19),
        ("fashion-products", 10_000, 188, 136),
        ("dress-patterns", 5000, 17, 1),
    ],
)
def test_every_photo_becomes_a_valid_product(
    shared_folder, tmp_path, name, num_products, num_attributes, num_categories
):
    """The reader takes every row, with distinct ids and photos that are there."""
    products = products_of(write_shared_feed(shared_folder, name, tmp_path))
    assert all(isinstance(product, ProductRecord) for product in products)
    assert len({product.external_id for product in products}) == num_products
    assert len({attribute for product in products for attribute in product.attributes}) == num_attributes
    assert len({product.category for product in products}) == num_categories
    for product in products[:: num_products // 20]:
        resolve_image_path(product.images[0].source, tmp_path, allow_absolute=True)


@pytest.mark.shared
def test_clothing_has_its_labels_as_categories(shared_folder, tmp_path):
    """Annotators' remarks are no category: 108 "Not sure" and 4 "Skip"; 240 photos are of kids' wear."""
    products = products_of(write_shared_feed(shared_folder, "clothing", tmp_path))
    categories = Counter(product.category for product in products)
    assert categories[("Dress",)] == 167
    assert categories[()] == 108 + 4
    assert sum("kids=true" in product.attributes for product in products) == 240


@pytest.mark.shared
def test_fashion_products_have_paths_and_attributes(shared_folder, tmp_path):
    """The first row of the table, and the 62 photos whose usage is NA, which is no attribute."""
    products = products_of(write_shared_feed(shared_folder, "fashion-products", tmp_path))
    first = products[0]
    assert (first.external_id, first.title) == ("1526", "Unisex Black Backpacks")
    assert first.category == ("Accessories", "Bags", "Backpacks")
    assert first.attributes == ("article=backpacks", "color=black", "gender=unisex", "season=fall", "usage=sports")
    without_usage = [
        product for product in products if not any(name.startswith("usage=") for name in product.attributes)
    ]
    assert len(without_usage) == 62


@pytest.mark.shared
def test_copied_photos_are_found_below_the_feed(shared_folder, tmp_path):
    """With copied photos the feed needs nothing outside its folder."""
    path = write_shared_feed(shared_folder, "dress-patterns", tmp_path, copy_images=True, limit=3)
    products = products_of(path)
    assert [product.images[0].source for product in products] == [
        "images/851505460.jpg",
        "images/851505463.jpg",
        "images/851505466.jpg",
    ]
    for product in products:
        assert resolve_image_path(product.images[0].source, tmp_path).read_bytes()[:2] == b"\xff\xd8"


def test_rows_without_a_photo_are_left_out(tmp_path):
    """A table may name photos that were not downloaded."""
    folder = tmp_path / "data" / "dress-patterns"
    (folder / "images").mkdir(parents=True)
    (folder / "images" / "2.jpg").write_bytes(b"photo")
    (folder / "labels.csv").write_text("id,pattern,split\n1,floral,train\n2,plain,train\n")
    (product,) = products_of(write_shared_feed(tmp_path, "dress-patterns", tmp_path / "out"))
    assert (product.external_id, product.title, product.attributes) == ("2", "Plain dress", ("pattern=plain",))
    text = (tmp_path / "out" / "dress-patterns.csv").read_text()
    assert text.startswith(FEED_HEADER)
