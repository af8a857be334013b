"""A folder of images as a feed: what is a product, what it is called, and what a table beside the images adds."""

from __future__ import annotations

import csv
import io
import json
import os
import random
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from catalog.errors import FeedUnreadable, InvalidRequest
from catalog.feeds import open_feed, reading_options, resolve_image_path, write_errors
from catalog.services.ingesting.feed_check import check_feed
from catalog.services.ingesting.source_images import ImageFiles
from catalog.types import DialectName, Outcome, Price, ProductRecord, RowError
from cli.error_file import open_error_file
from tests.unit.test_feed_laws import assert_storable


def make(folder, *names):
    """Files of so many bytes as their names are long."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * len(name))


def read(folder, dialect=None):
    with open_feed(folder, reading_options(dialect)) as feed:
        items = list(feed)
        assert feed.dialect.name is DialectName.FOLDER
    return (
        [item for item in items if isinstance(item, ProductRecord)],
        [i for i in items if isinstance(i, RowError)],
        feed,
    )


def sources(product):
    return [image.source for image in product.images]


def test_folders_and_files_are_products(tmp_path):
    """Images at the top by their names, folders with the folders above them as category, images in natural order."""
    make(tmp_path, "red-lace_dress.JPG", "Women/Dresses/AB12/10.jpg", "Women/Dresses/AB12/2.png", "bag 9/1.webp")
    products, errors, feed = read(tmp_path)
    assert errors == []
    assert [(p.line, p.external_id, p.title, p.category, sources(p)) for p in products] == [
        (1, "red-lace_dress", "red lace dress", (), ["red-lace_dress.JPG"]),
        (2, "bag 9", "bag 9", (), ["bag 9/1.webp"]),
        (3, "AB12", "AB12", ("Women", "Dresses"), ["Women/Dresses/AB12/2.png", "Women/Dresses/AB12/10.jpg"]),
    ]
    assert feed.read_as == "a folder of images"
    assert feed.used_columns == ("id", "title", "category", "image", "additional_images")
    assert (feed.num_bytes, feed.notes) == (None, ())
    # As many bytes as the names of the four files are long: 18 + 25 + 24 + 12.
    assert feed.position == sum(path.stat().st_size for path in tmp_path.rglob("*.*") if path.is_file()) == 79


def test_what_is_no_image_is_left_out(tmp_path):
    """Hidden files and what systems leave behind silently, other files with a note."""
    make(
        tmp_path, "a.jpg", ".hidden.jpg", "Thumbs.db", "desktop.ini", "__MACOSX/._a.jpg", ".git/x.jpg", "A/1.jpg",
        "A/notes.txt", "A/raw.heic", "A/._1.jpg", "readme.md", "B/c.pdf",
    )  # fmt: skip
    products, errors, feed = read(tmp_path)
    assert [product.external_id for product in products] == ["a", "A"]
    assert errors == []
    assert feed.notes == ("Files that are no images: 4, the first of them readme.md, A/notes.txt, A/raw.heic.",)


def test_links_that_lead_out_are_left_out(tmp_path):
    """As are links to folders, which may go round in circles; what is taken stands the paths' guard."""
    folder = tmp_path / "photos"
    make(tmp_path, "secret.jpg", "elsewhere/1.jpg")
    make(folder, "A/1.jpg", "b.jpg")
    (folder / "A" / "2.jpg").symlink_to("../b.jpg")
    (folder / "A" / "3.jpg").symlink_to("../../secret.jpg")
    (folder / "A" / "4.jpg").symlink_to("gone.jpg")
    (folder / "A" / "loop.jpg").symlink_to("loop.jpg")
    (folder / "A" / "round").symlink_to("..")
    (folder / "C").symlink_to(tmp_path / "elsewhere")
    products, _, feed = read(folder)
    assert [sources(product) for product in products] == [["b.jpg"], ["A/1.jpg", "A/2.jpg"]]
    assert feed.notes == ("Links left out, to folders or out of the folder: 5.",)
    for product in products:
        for source in sources(product):
            assert resolve_image_path(source, feed.image_folder).is_file()


def test_same_name_twice_is_told_by_place(tmp_path):
    """The first in order is the product; of the others each is an error that names both."""
    make(tmp_path, "a.jpg", "a.png", "X/S/1.jpg", "Y/S/1.jpg")
    products, errors, _ = read(tmp_path)
    assert [(product.external_id, product.category) for product in products] == [("a", ()), ("S", ("X",))]
    assert [(error.line, error.first_line, error.external_id, error.found) for error in errors] == [
        (2, 1, "a", "'a.png', and before it 'a.jpg'"),
        (4, 3, "S", "'Y/S', and before it 'X/S'"),
    ]


@pytest.mark.parametrize(
    ("name", "column", "found"),
    [
        ("tab\there/1.jpg", "id", "'tab\\there': 'tab\\there'"),
        (os.fsdecode(b"caf\xe9/1.jpg"), None, "'caf\\udce9'"),
        ("/".join("abcdefghijkl") + "/1.jpg", "category", "11 levels"),
    ],
)
def test_names_that_cannot_be_taken_are_errors(tmp_path, name, column, found):
    """Control characters, bytes that are no UTF-8, too many levels; the others are products all the same."""
    make(tmp_path, name, "z/1.jpg")
    products, (error,), feed = read(tmp_path)
    assert (error.column, error.found, error.outcome) == (column, found, Outcome.ROW_SKIPPED)
    assert [product.external_id for product in products] == ["z"]
    assert feed.num_failed_rows == 1


def test_image_with_a_name_that_is_no_text_is_left_out(tmp_path):
    """The product has its other images; colons make no address of a path."""
    make(tmp_path, os.fsdecode(b"A/\xe9.jpg"), "A/1.jpg", "Set: two/1.jpg")
    products, (error,), _ = read(tmp_path)
    assert (error.outcome, error.external_id, error.line) == (Outcome.IMAGE_LEFT_OUT, "A", 1)
    assert [sources(product) for product in products] == [["A/1.jpg"], ["./Set: two/1.jpg"]]


def test_folder_of_many_products_images_is_no_product(tmp_path):
    """More than a hundred images in one folder are a folder of something else."""
    make(tmp_path, *(f"all/{number}.jpg" for number in range(101)), *(f"ok/{number}.jpg" for number in range(100)))
    (product,), (error,), _ = read(tmp_path)
    assert (error.external_id, error.found) == ("all", "'all' with 101 images")
    assert (product.external_id, len(product.images)) == ("ok", 100)


@pytest.mark.parametrize("names", [(), ("readme.txt", "A/b.pdf")])
def test_folder_without_images_is_unreadable(tmp_path, names):
    """The message says what is there and what was expected."""
    make(tmp_path, *names)
    with pytest.raises(FeedUnreadable) as caught:
        open_feed(tmp_path)
    assert caught.value.received == ("other files, such as readme.txt, A/b.pdf" if names else "nothing")
    assert "a folder for each product" in caught.value.expected


def test_folder_and_file_are_told_apart(tmp_path):
    """Neither is read as the other."""
    make(tmp_path, "a.jpg")
    with pytest.raises(FeedUnreadable, match="cannot be read in the dialect vision"):
        open_feed(tmp_path, reading_options(DialectName.VISION))
    with pytest.raises(FeedUnreadable, match="cannot be read as a folder of images"):
        open_feed(tmp_path / "a.jpg", reading_options(DialectName.FOLDER))
    assert read(tmp_path, DialectName.FOLDER)[0][0].external_id == "a"


TABLE = "\n".join(
    [
        "ID;Title;Price;Category;Image;brand",
        "AB12;Red dress;49.90 EUR;Women > Dresses;;Acme",
        "a;;5.00 EUR;;;",
        "C3;Third;;;extra/c3-front.jpg;",
        "D4;Nowhere;;;;",
        "AB12;Again;;;;",
        ";No id;;;;",
    ]
)


def test_table_says_more_of_what_is_found(tmp_path):
    """Its values win, what it leaves empty comes from names; images that a row names are that product's."""
    make(tmp_path, "a.jpg", "x/AB12/1.jpg", "x/AB12/2.jpg", "extra/c3-front.jpg", "C3/1.jpg", "z.jpg")
    (tmp_path / "Products.csv").write_text(TABLE)
    products, errors, feed = read(tmp_path)
    by_id = {product.external_id: product for product in products}
    assert list(by_id) == ["a", "z", "C3", "AB12"]
    assert (by_id["a"].title, by_id["a"].price) == ("a", Price(Decimal("5.00"), "EUR"))
    dress = by_id["AB12"]
    assert (dress.title, dress.category, dress.raw["brand"]) == ("Red dress", ("Women", "Dresses"), "Acme")
    assert sources(dress) == ["x/AB12/1.jpg", "x/AB12/2.jpg"]
    assert sources(by_id["C3"]) == ["extra/c3-front.jpg", "C3/1.jpg"]
    assert [(error.column, error.external_id, error.found) for error in errors] == [
        ("image", "D4", "no folder and no image called 'D4'"),
        ("id", "AB12", "line 6 of Products.csv: AB12"),
        ("id", None, "line 7 of Products.csv: nothing"),
    ]
    # The repeated row's error belongs to the product that was found, which is no repeat.
    assert errors[1].product_line == dress.line
    assert feed.notes == (
        "What the products are is said by Products.csv (CSV separated by ';' in UTF-8).",
        "Products that the table does not have: 1, the first of them z.",
        "Columns kept with the products, to filter by: brand.",
    )


def test_table_in_json_lines_and_images_by_address(tmp_path):
    """The only table at the top may have any name; a product of it may have its images elsewhere."""
    make(tmp_path, "A/1.jpg")
    (tmp_path / "facts.jsonl").write_text(
        '{"id": "A", "attributes": {"color": "red"}}\n'
        '{"id": "b-2", "image": "https://shop.example/b.jpg"}\n{"id": "A"\n'
    )
    products, (error,), _ = read(tmp_path)
    assert [(product.external_id, product.attributes) for product in products] == [("A", ("color=red",)), ("b-2", ())]
    assert (products[1].title, sources(products[1])) == ("b 2", ["https://shop.example/b.jpg"])
    assert error.found.startswith("line 3 of facts.jsonl: ")


def test_which_table_is_read(tmp_path):
    """Of several that called products; without one none, which is noted. Files of errors are no tables."""
    make(tmp_path, "A/1.jpg")
    (tmp_path / "one.csv").write_text("id,title\nA,One\n")
    write_errors(tmp_path / "errors.csv", "feed", [RowError(1, None, "a", "b")])
    (tmp_path / "empty.csv").touch()
    (product,), _, feed = read(tmp_path)
    assert product.title == "One"
    assert feed.notes == (
        "What the products are is said by one.csv (CSV in UTF-8).",
        "Files that are no images: 1, the first of them empty.csv.",
    )
    (tmp_path / "two.tsv").write_text("id\ttitle\nA\tTwo\n")
    (product,), _, feed = read(tmp_path)
    assert product.title == "A"
    assert "None of the tables one.csv, two.tsv was read: one must be called products." in feed.notes
    (tmp_path / "products.tsv").write_text("id\ttitle\nA\tThree\n")
    assert read(tmp_path)[0][0].title == "Three"


def test_table_without_ids_is_unreadable(tmp_path):
    """It says which products its rows are of, or nothing."""
    make(tmp_path, "A/1.jpg")
    (tmp_path / "products.csv").write_text("title,price\nRed,5 EUR\n")
    with pytest.raises(FeedUnreadable, match=r"products\.csv has no column id"):
        open_feed(tmp_path)


def test_errors_may_go_into_the_folder_but_over_none_of_its_files(tmp_path):
    """A new file, or that of an earlier run."""
    make(tmp_path, "A/1.jpg", "a.png")
    (tmp_path / "products.csv").write_text("id,title\nA,One\n")
    for _ in range(2):
        with open_error_file(tmp_path / "errors.csv", tmp_path) as errors:
            products, _, feed = read(tmp_path)
            assert [product.external_id for product in products] == ["a", "A"]
            assert not any("errors.csv" in note for note in feed.notes)
            errors.write(RowError(1, None, "a", "b"))
    for taken in ("products.csv", "A/1.jpg", "."):
        with pytest.raises(InvalidRequest):
            open_error_file(tmp_path / taken, tmp_path)
    assert (tmp_path / "products.csv").read_text() == "id,title\nA,One\n"


def test_check_reads_the_images(tmp_path):
    """What is no image by its content is told with the product it belongs to."""
    make(tmp_path, "A/2.jpg")
    Image.new("RGB", (20, 30), "red").save(tmp_path / "A" / "1.png")
    files = ImageFiles(tmp_path, allow_absolute=False, max_pixels=10_000, max_bytes=10_000)
    errors = []
    with open_feed(tmp_path) as reader:
        report = check_feed(reader, files, read_threads=2, on_error=errors.append)
    assert (report.num_products, report.num_images, report.num_unreadable_images) == (1, 2, 1)
    assert (errors[0].external_id, errors[0].found.partition(":")[0]) == ("A", "A/2.jpg")


NAME = st.text("aB1.-_ é>;:\t", min_size=1, max_size=6).filter(lambda name: name not in {".", ".."} and name.strip())
PATHS = st.lists(st.lists(NAME, min_size=1, max_size=3), max_size=12)
ROWS = st.lists(
    st.lists(st.sampled_from(["a", "B", "1", "", '"', "a.jpg", "é", "\x00", "x;y"]), max_size=4), max_size=4
)


@settings(max_examples=60, deadline=None)
@given(PATHS, st.none() | ROWS)
def test_any_folder_is_accounted_for(paths, table):
    """Whatever names and rows: nothing but FeedUnreadable, and each image in one product or under an error."""
    with TemporaryDirectory() as parent:
        folder = Path(parent) / "photos"
        folder.mkdir()
        for parts in paths:
            path = folder.joinpath(*parts[:-1], parts[-1] + random.Random(parts[-1]).choice([".jpg", ".PNG"]))
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch()
            except (FileExistsError, NotADirectoryError, IsADirectoryError):
                continue
        if table is not None:
            rows = "\n".join(",".join(row) for row in [["id", "title", "image"], *table])
            (folder / "products.csv").write_text(rows)
        try:
            products, errors, feed = read(folder)
        except FeedUnreadable:
            return
        given_files = {
            path.relative_to(folder).as_posix()
            for path in folder.rglob("*")
            if path.is_file() and path.name != "products.csv"
            and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        }  # fmt: skip
    taken = [os.path.normpath(source) for product in products for source in sources(product)]
    assert len(products) == feed.num_products
    assert len({product.external_id for product in products}) == len(products)
    if not any(error.outcome is Outcome.ROW_SKIPPED for error in errors):
        assert given_files <= set(taken)


SMALL_TABLE = (
    "id,title,image,additional_images,price,image_box\n"
    "A,Red dress,,,49.90 EUR,\n"
    'b,"Hat, with a\nbrim",b.jpg,A/2.jpg,,\n'
    'C,Größe M,c-1.jpg,c-2.jpg;c-3.jpg,12,"1,2,30,40"\n'
    "D,Nowhere,,,,\n"
    "b,Again,,,,\n"
).encode()
PIECES = st.sampled_from(
    [b"", b'"', b",", b"\n", b"\r", b";", b"\t", b"\x00", b"\xe9", b"\xff\xfe", b"A,", b"b,T,A/1.jpg\n", b"../", b"http://x",
     b"{", b"id", b"a" * 300, b"A/1.jpg"]
)  # fmt: skip
CHANGES = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 12), PIECES), min_size=1, max_size=6)


@settings(max_examples=100, deadline=None)
@given(CHANGES, st.sampled_from(["products.csv", "more.tsv", "products.jsonl"]), st.sampled_from([120, 2**20]))
def test_any_damage_to_the_table_is_rows_or_an_unreadable_feed(tmp_path_factory, changes, name, max_row_bytes):
    """Nothing but FeedUnreadable is raised, and each row of the folder is one product, or told."""
    data = SMALL_TABLE
    if name.endswith("jsonl"):
        rows = csv.DictReader(io.StringIO(SMALL_TABLE.decode()))
        data = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
    for place, num_dropped, piece in changes:
        at = int(place * len(data))
        data = data[:at] + piece + data[at + num_dropped :]
    folder = tmp_path_factory.mktemp("photos")
    make(folder, "A/1.jpg", "A/2.jpg", "b.jpg", "c-1.jpg", "c-2.jpg")
    (folder / name).write_bytes(data)
    try:
        with open_feed(folder, max_row_bytes=max_row_bytes) as feed:
            items = list(feed)
    except FeedUnreadable:
        return
    products = [item for item in items if isinstance(item, ProductRecord)]
    skipped = {item.line for item in items if isinstance(item, RowError) and item.outcome is Outcome.ROW_SKIPPED}
    assert (len(products), len(skipped)) == (feed.num_products, feed.num_failed_rows)
    assert {product.line for product in products} | skipped == set(range(1, feed.num_rows + 1))
    assert len(products) + len(skipped) == feed.num_rows
    for item in items:
        assert_storable(item)
    # No image is lost: those that no row claims are products of their own, or further images of their folder's.
    taken = {os.path.normpath(source) for product in products for source in sources(product)}
    if not skipped:
        assert taken >= {"A/1.jpg", "A/2.jpg", "b.jpg", "c-1.jpg", "c-2.jpg"}
