"""Vision Product Search bulk files: what their rows become."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.errors import FeedUnreadable
from catalog.feeds import open_feed, reading_options
from catalog.types import DialectName, FeedImage, Outcome, ProductRecord, RowError
from embeddings.crop_box import CropBox, RelativeBox


def read(tmp_path, *lines, name="bulk.csv", dialect=None):
    """The items of a file of these lines, its notes, and how many of its rows failed."""
    path = tmp_path / name
    path.write_bytes("\n".join(lines).encode())
    with open_feed(path, reading_options(dialect)) as feed:
        items = list(feed)
        assert feed.dialect.name is DialectName.VISION
        return items, feed


def test_whole_row(tmp_path):
    """Each column where it belongs; a set is an attribute, as labels are."""
    (product,), feed = read(
        tmp_path,
        'img/1.jpg,i-1,summer,p-1,apparel-v2,Red dress,"Style=Maxi,color=Dark red,color=pink","10,20,110,20,110,220"',
    )
    assert isinstance(product, ProductRecord)
    assert (product.line, product.external_id, product.title) == (1, "p-1", "Red dress")
    assert product.category == ("Apparel",)
    assert product.attributes == ("color=dark red", "color=pink", "product-set=summer", "style=maxi")
    # From the least to the greatest x and y of the three corners.
    assert product.images == (FeedImage("img/1.jpg", 0, CropBox(10, 20, 110, 220)),)
    # What such a file has no column for, other feeds may have said.
    assert product.given == {"title", "category", "attributes", "image", "additional_images", "image_box"}
    assert product.raw["labels"] == "Style=Maxi,color=Dark red,color=pink"
    assert feed.read_as == "a Vision Product Search bulk file (CSV in UTF-8)"
    assert feed.used_columns[0] == "image-uri"
    assert len(feed.used_columns) == 8
    assert feed.notes == ()


def test_rows_of_a_product_are_one_wherever_they_stand(tmp_path):
    """Images in the order of the rows, labels and sets united, the first name and category."""
    (first, second), feed = read(
        tmp_path,
        "a.jpg,,s1,p1,toys-v2,,color=red",
        "b.jpg,,s1,p2,general-v1,Other",
        'c.jpg,,s2,p1,apparel-v2,Bear,"color=red,size=xl"',
        "d.jpg,,s2,p1,apparel-v2,Second name",
    )
    assert (first.external_id, first.line, first.title, first.category) == ("p1", 1, "Bear", ("Toys",))
    assert [(image.source, image.position) for image in first.images] == [("a.jpg", 0), ("c.jpg", 1), ("d.jpg", 2)]
    assert first.attributes == ("color=red", "product-set=s1", "product-set=s2", "size=xl")
    assert [variant["image-uri"] for variant in first.raw["variants"]] == ["a.jpg", "c.jpg", "d.jpg"]
    assert (second.external_id, second.line, second.category) == ("p2", 2, ())
    assert (feed.num_rows, feed.num_products, feed.num_failed_rows) == (4, 2, 0)


def test_same_image_with_another_polygon_is_left_out(tmp_path):
    """An image stands once in a product: the first row's box stays, and the other row's labels count."""
    (error, product), _ = read(
        tmp_path,
        'a.jpg,,s,p1,apparel,Pair,,"0,0,10,10"',
        'a.jpg,,s,p1,apparel,Pair,color=red,"20,0,30,10"',
    )
    assert error == RowError(
        2, "image-uri", "'a.jpg', as on line 1", "each image of a product once; this one stays as it came first",
        "p1", Outcome.IMAGE_LEFT_OUT, first_line=1,
    )  # fmt: skip
    assert product.images == (FeedImage("a.jpg", 0, CropBox(0, 0, 10, 10)),)
    assert product.attributes == ("color=red", "product-set=s")


@pytest.mark.parametrize(
    ("polygon", "crop", "relative"),
    [
        ('"0.1,0.2,0.9,0.2,0.9,0.8,0.1,0.8"', None, RelativeBox(0.1, 0.2, 0.9, 0.8)),
        ("0.1,0.2,0.9,0.8", None, RelativeBox(0.1, 0.2, 0.9, 0.8)),
        ('"0,0,1,1"', None, RelativeBox(0, 0, 1, 1)),
        ('"5, 6, 50, 60"', CropBox(5, 6, 50, 60), None),
        # Fractions of pixels are rounded outwards: floor(5.5) = 5, ceil(49.1) = 50.
        ('"5.5,6.9,49.1,59.5"', CropBox(5, 6, 50, 60), None),
        ("", None, None),
        (",,", None, None),
    ],
)
def test_polygon_becomes_the_box_around_it(tmp_path, polygon, crop, relative):
    """In pixels, or in shares where no number is above 1; also without quotation marks."""
    (product,), _ = read(tmp_path, f"a.jpg,,s,p1,apparel-v2,T,,{polygon}")
    assert product.images == (FeedImage("a.jpg", 0, crop, relative),)


@pytest.mark.parametrize(
    "polygon",
    [
        "5,6",
        "5,6,5,60",
        "5,6,5,6",
        "1,2,3",
        "nan,0,1,1",
        "-5,0,10,10",
        "0,0,1.02,1",
        "0,0,inf,5",
        "a,b,c,d",
        "1e12,0,3,4",
    ],
)
def test_polygon_without_an_area_leaves_the_whole_image(tmp_path, polygon):
    """One point, a line, an odd number, no number, or outside: told as mended."""
    (error, product), _ = read(tmp_path, f'a.jpg,,s,p1,apparel-v2,T,,"{polygon}"')
    assert (error.column, error.outcome, error.external_id) == ("bounding-poly", Outcome.MENDED, "p1")
    assert error.found == repr(polygon)
    assert product.images == (FeedImage("a.jpg", 0),)


def test_objects_of_cloud_storage_are_taken_by_their_public_address(tmp_path):
    """Names are percent-encoded, and the feed's notes say what the bucket needs."""
    (product,), feed = read(tmp_path, "gs://shop-photos/a b/Größe#1.jpg,,s,p1,apparel-v2,T")
    assert product.images[0].source == "https://storage.googleapis.com/shop-photos/a%20b/Gr%C3%B6%C3%9Fe%231.jpg"
    assert "Images in Google Cloud Storage: 1." in feed.notes[0]
    (error,), _ = read(tmp_path, "gs://shop-photos,,s,p1,apparel-v2,T")
    assert (error.column, error.expected) == ("image-uri", "gs://, a bucket, / and an object's name")


def test_rows_without_a_product_id_are_products_of_their_own(tmp_path):
    """Named after the image-id; else after what shows the item, the same in every reading."""
    lines = ("a.jpg,i-7,s,,apparel-v2", 'b.jpg,,s,,apparel-v2,,,"0,0,5,5"', 'b.jpg,,s,,apparel-v2,,,"5,5,9,9"')
    products, feed = read(tmp_path, *lines)
    again, _ = read(tmp_path, *reversed(lines))
    ids = [product.external_id for product in products]
    assert ids[0] == "i-7"
    assert len(set(ids)) == 3
    assert sorted(ids) == sorted(product.external_id for product in again)
    assert [product.title for product in products] == ids
    assert feed.notes[0].startswith("Rows without a product-id: 3.")
    assert feed.notes[1] == "Products without a display name: 3. Their title is their id."


def test_row_without_an_image_is_skipped_and_names_its_product(tmp_path):
    """So that a full sync knows that the product is still in the feed; its other rows are taken."""
    (error, product), feed = read(tmp_path, ",,s,p1,apparel-v2,T,color=red", "b.jpg,,s,p1,apparel-v2,U")
    assert (error.line, error.product_line, error.external_id, error.outcome) == (1, 1, "p1", Outcome.ROW_SKIPPED)
    assert (product.line, product.title, product.attributes) == (1, "U", ("product-set=s",))
    assert (feed.num_products, feed.num_failed_rows) == (1, 1)


def test_product_without_any_image_is_none(tmp_path):
    """What only makes a product in Google's system has nothing to be searched by."""
    (product, error), feed = read(tmp_path, "b.jpg,,s,p2,apparel-v2", ",,s,p3,apparel-v2")
    assert (product.external_id, error.external_id, error.column) == ("p2", "p3", "image-uri")
    assert feed.num_products == 1


def test_faulty_optional_values_cost_only_themselves(tmp_path):
    """A category that there is none of, and labels without a name or a value."""
    items, _ = read(tmp_path, "a.jpg,,s,p1,apparel-v2", 'b.jpg,,s,p2,shoes,T,"=red,plain,color=blue"')
    assert [(item.column, item.found) for item in items if isinstance(item, RowError)] == [
        ("product-category", "'shoes'"),
        ("labels", "'=red'"),
        ("labels", "'plain'"),
    ]
    assert items[-1].attributes == ("color=blue", "product-set=s")
    assert items[-1].category == ()


def test_more_images_than_a_product_may_have(tmp_path):
    """The first hundred are taken, each other one is told."""
    items, feed = read(tmp_path, *(f"{n}.jpg,,s,p1,apparel-v2,T" for n in range(103)))
    assert [item.line for item in items[:-1]] == [101, 102, 103]
    assert {item.outcome for item in items[:-1]} == {Outcome.IMAGE_LEFT_OUT}
    assert len(items[-1].images) == 100
    assert feed.num_failed_rows == 0


def test_header_row_is_left_out_with_a_note(tmp_path):
    """Such files have none; some people write one all the same."""
    (product,), feed = read(
        tmp_path,
        "image_uri,image-id,product-set-id,product-id,product-category,product-display-name,labels,bounding-poly",
        "a.jpg,,s,p1,apparel-v2,T",
    )
    assert product.line == 2
    assert feed.notes == ("The first row names the columns, which such files do not have; it was left out.",)


def test_rows_of_other_lengths(tmp_path):
    """Columns after the category may be missing, none before it; what is too long is no polygon."""
    (short, long, product), _ = read(tmp_path, "a.jpg,,s,p1,toys", "a.jpg,,s,p2", "a.jpg,,s,p3,toys,T,a=b,5,x,9,9")
    assert (short.line, short.found) == (2, "4 fields")
    assert short.expected.startswith("5 to 8 fields: image-uri, image-id,")
    assert (long.line, long.found) == (3, "11 fields")
    assert product.external_id == "p1"


def test_text_that_no_database_holds_names_the_product(tmp_path):
    """A NUL in a label costs the row, and the error says whose."""
    (error,), _ = read(tmp_path, "a.jpg,,s,p1,toys,T,color=r\x00d")
    assert (error.column, error.external_id, error.outcome) == ("labels", "p1", Outcome.ROW_SKIPPED)


@pytest.mark.parametrize(
    "header", ["id,title,image", "Handle,Title,Body (HTML),Vendor,Type", "a.jpg,b,c,d,e", "id\ttitle\timage_link"]
)
def test_other_feeds_are_not_taken_for_it(tmp_path, header):
    """Even where they are said to be: the message says what was expected."""
    path = tmp_path / "feed.csv"
    path.write_text(f"{header}\n1,2,3\n")
    with pytest.raises(FeedUnreadable) as caught:
        open_feed(path, reading_options(DialectName.VISION))
    assert "Vision Product Search" in caught.value.message
    assert "image-uri" in caught.value.expected


CELL = st.sampled_from(
    ["a.jpg", "gs://b/c.jpg", "http://x/y.jpg", "", "p1", "p2", "apparel-v2", "toys", "s", "Red", "color=red,x",
     "0,0,1,1", "5,5,9,9", "nan", '"', "\n", "é", "\udce9", "\x00", "=", "1,2,3"]
)  # fmt: skip


@settings(max_examples=100, deadline=None)
@given(st.lists(st.lists(CELL, min_size=1, max_size=9), max_size=12), st.binary(max_size=4), st.integers(0, 400))
def test_any_rows_are_accounted_for(rows, noise, at):
    """Whatever the rows, and bytes put in anywhere: nothing but FeedUnreadable, and each row is accounted for."""
    text = io.StringIO()
    csv.writer(text).writerows([["a.jpg", "", "s", "p1", "apparel-v2"], *rows])
    data = text.getvalue().encode(errors="surrogateescape")
    data = data[:at] + noise + data[at:]
    with TemporaryDirectory() as folder:
        path = Path(folder) / "bulk.csv"
        path.write_bytes(data)
        try:
            with open_feed(path, reading_options(DialectName.VISION)) as feed:
                items = list(feed)
        except FeedUnreadable:
            return
    products = [item for item in items if isinstance(item, ProductRecord)]
    assert len(products) == feed.num_products
    num_images = sum(len(product.images) for product in products)
    num_left_out = sum(isinstance(item, RowError) and item.outcome is Outcome.IMAGE_LEFT_OUT for item in items)
    headers = sum("names the columns" in note for note in feed.notes)
    # Every row gives its product an image, or has it left out, or fails.
    assert num_images + num_left_out + feed.num_failed_rows + headers == feed.num_rows
    for error in items:
        # An image-id may be another row's product-id: two products then, of which an ingest refuses the second.
        lines = {product.line for product in products if product.external_id == error.external_id}
        if isinstance(error, RowError) and len(lines) == 1 and error.line in lines:
            assert error.product_line in lines


NAME = st.text("abcé 12.-", min_size=1, max_size=8).map(str.strip).filter(bool)
PIXELS = st.builds(
    lambda left, top, width, height: CropBox(left, top, left + width, top + height),
    st.integers(0, 500),
    st.integers(0, 500),
    st.integers(2, 500),
    st.integers(2, 500),
)
SHARES = st.builds(
    lambda left, top, width, height: RelativeBox(left / 200, top / 200, (left + width) / 200, (top + height) / 200),
    st.integers(0, 100),
    st.integers(0, 100),
    st.integers(1, 100),
    st.integers(1, 100),
)
IMAGE = st.tuples(NAME.map("{}.jpg".format), st.none() | PIXELS | SHARES)
LABELS = ["color=red", "color=blue", "fit=slim", "länge=xl"]


@settings(max_examples=100, deadline=None)
@given(
    st.dictionaries(
        st.from_regex(r"p[0-9]{1,3}", fullmatch=True),
        st.tuples(NAME, st.sets(st.sampled_from(LABELS)), st.sets(st.sampled_from(["s1", "s2"])),
                  st.lists(IMAGE, min_size=1, max_size=4, unique_by=lambda image: image[0])),
        min_size=1, max_size=5,
    ),
    st.randoms(use_true_random=False),
)  # fmt: skip
def test_written_products_read_back(products, random):
    """Whatever the order of rows and corners: each product with its labels, sets, images and the boxes in them."""
    rows = []
    for product_id, (title, labels, sets, images) in products.items():
        for place, (source, box) in enumerate(images):
            # Each row has one of the labels and one of the sets; the last row has all labels that are left.
            own = [label for at, label in enumerate(sorted(labels)) if min(at, len(images) - 1) == place]
            own_set = "".join(sorted(sets)[place : place + 1])
            rows.append([source, "", own_set, product_id, "apparel-v2", title, ",".join(own), polygon_of(box, random)])
    random.shuffle(rows)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "bulk.csv"
        with path.open("w", newline="") as file:
            csv.writer(file).writerows(rows)
        with open_feed(path) as feed:
            read_back = {item.external_id: item for item in feed}
    assert read_back.keys() == products.keys()
    for product_id, (title, labels, sets, images) in products.items():
        product = read_back[product_id]
        assert product.title == " ".join(title.split())
        told = sorted(sets)[: len(images)]
        assert product.attributes == tuple(sorted({*labels, *(f"product-set={name}" for name in told)}))
        assert {image.source: image.crop or image.relative_crop for image in product.images} == dict(images)


def polygon_of(box, random):
    """The corners of a box, starting anywhere, in either direction."""
    if box is None:
        return ""
    corners = [(box.left, box.top), (box.right, box.top), (box.right, box.bottom), (box.left, box.bottom)]
    start = random.randrange(4)
    corners = (corners[start:] + corners[:start])[:: random.choice([1, -1])]
    return ",".join(f"{x},{y}" for x, y in corners)


def test_box_in_shares_covers_whole_pixels():
    """Outwards to whole pixels, never beyond the image, and never empty."""
    # 0.25 of 10 is 2.5, so from 2; 0.5 of 10 is 5; rows 0.9 of 3 is 2.7, so from 2 to 3.
    assert RelativeBox(0.25, 0.9, 0.5, 1).in_pixels(10, 3) == CropBox(2, 2, 5, 3)
    assert RelativeBox(0.9999999999999999, 0, 1, 1e-9).in_pixels(3, 3) == CropBox(2, 0, 3, 1)
    for box in [(0.5, 0, 0.5, 1), (0, 0, 1.1, 1), (float("nan"), 0, 1, 1), (-0.1, 0, 1, 1)]:
        with pytest.raises(ValueError, match="relative box"):
            RelativeBox(*box)
