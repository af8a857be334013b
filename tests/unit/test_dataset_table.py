"""Tables of labelled photos become data sets; what is wrong with one is told with its line."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from embeddings.crop_box import CropBox
from embeddings.datasets.dataset_options import DatasetOptions
from embeddings.datasets.open_dataset import open_dataset
from embeddings.datasets.photos import DatasetPhotos
from embeddings.datasets.records import UnusableDataset
from embeddings.datasets.table import read_table

REPOSITORY = Path(__file__).resolve().parents[2]
HEADER = "image,split,labels,attributes,item,category,box,text\n"
ROWS = (
    'a.png,train,"fine=Oak; coarse=Tree","color=Red; lace",i7,Dresses,"1,2,5,6",A red dress\n'
    "b.png,query,coarse=Tree|fine=Elm,,i8,Dresses,,\n"
    "c.png,gallery,fine=Oak;coarse=Tree,,i9,Shirts,,\n"
    "d.png,test,fine=Fern;coarse=Herb,color=blue,,Dresses,,\n"
)


@pytest.fixture
def folder(tmp_path):
    for name in "abcd":
        Image.new("RGB", (8, 10), (200, 30, 60)).save(tmp_path / f"{name}.png")
    return tmp_path


def write(folder: Path, text: str | bytes) -> Path:
    path = folder / "photos.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def names(images):
    return [image.path.name for image in images]


def fault_of(path: Path, options: DatasetOptions | None = None) -> str:
    with pytest.raises(UnusableDataset) as caught:
        read_table(path, options)
    return str(caught.value)


def test_every_column_is_read(folder):
    """The first photo has all of them; attributes in normal form, labels in their own case, the box whole pixels."""
    data = open_dataset(f"table:{write(folder, HEADER + ROWS)}")

    assert data.name == "photos"
    assert data.notes == ()
    (image,) = data.training
    assert image.path == folder / "a.png"
    assert image.labels == {"fine": "Oak", "coarse": "Tree"}
    assert image.attributes == ("color=red", "tag=lace")
    assert (image.item, image.category, image.text) == ("i7", "Dresses", "A red dress")
    assert image.crop == CropBox(1, 2, 5, 6)
    assert DatasetPhotos(data.training, 4)[0].shape == (4, 4, 3)


def test_splits_decide_the_parts(folder):
    """Photos of ``test`` are queries and gallery; levels come in the order of the first line."""
    data = read_table(write(folder, HEADER + ROWS))

    assert names(data.training) == ["a.png"]
    assert names(data.queries) == ["b.png", "d.png"]
    assert names(data.gallery) == ["c.png", "d.png"]
    assert data.levels == ("fine", "coarse")
    assert data.queries[1] == data.gallery[1]
    assert data.queries[0].item == "i8"
    assert data.queries[1].item is None


def test_a_category_narrows_training_and_queries(folder):
    """The gallery follows, or stays whole; the category is found in any case."""
    path = write(folder, HEADER + ROWS)
    same = read_table(path, DatasetOptions(category="dresses"))
    whole = read_table(path, DatasetOptions(category="Shirts", gallery="all"))

    assert same.name == "photos, Dresses, gallery of the same"
    assert (names(same.training), names(same.queries), names(same.gallery)) == (
        ["a.png"],
        ["b.png", "d.png"],
        ["d.png"],
    )
    assert whole.name == "photos, Shirts, gallery of all categories"
    assert (names(whole.training), names(whole.queries), names(whole.gallery)) == ([], [], ["c.png", "d.png"])


def test_an_unknown_category_is_told_with_those_there_are(folder):
    """A mistyped category must not give an empty data set."""
    text = fault_of(write(folder, HEADER + ROWS), DatasetOptions(category="Dress"))
    assert "no category 'Dress'" in text
    assert "Dresses, Shirts" in text


def test_a_byte_order_mark_blank_lines_and_other_line_ends_are_no_matter(folder):
    """As spreadsheets write them."""
    data = read_table(write(folder, b"\xef\xbb\xbfSplit,image\r\n\r\ntrain, a.png \r\n,\r\n"))
    assert names(data.training) == ["a.png"]
    assert data.levels == ()


def test_columns_that_are_not_known_are_noted(folder):
    """A mistyped column does not go unnoticed."""
    data = read_table(write(folder, "image,split,lables,photographer\na.png,train,x=y,Ann\n"))
    assert data.notes == ("columns of the table that mean nothing here: lables, photographer",)


def test_items_on_both_sides_are_noted(folder):
    """Their results would look better than they are."""
    data = read_table(write(folder, "image,split,item\na.png,train,i7\nb.png,test,i7\nc.png,test,i9\nd.png,test,\n"))
    assert data.notes == ("items that have photos in training and in test: 1, such as i7",)


def test_the_readmes_table_can_be_read(tmp_path):
    """As it stands there."""
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    (table,) = [block.split("```")[0] for block in readme.split("```csv\n")[1:] if block.startswith("image,")]
    (tmp_path / "photos").mkdir()
    for name in ("1.jpg", "2.jpg"):
        Image.new("RGB", (200, 320)).save(tmp_path / "photos" / name)
    data = read_table(write(tmp_path, table))
    assert data.training[0].attributes == ("color=blue", "pattern=striped")
    assert data.training[0].crop == CropBox(12, 0, 180, 300)
    assert data.gallery[0].labels == {"pattern": "lace"}


def test_a_box_is_cut_off_at_the_borders(folder):
    """The picture has 8 × 10 pixels; edges between pixels go outwards."""
    data = read_table(write(folder, 'image,split,box\na.png,train,"-3,4.5,9,99"\n'))
    assert data.training[0].crop == CropBox(0, 4, 8, 10)


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("image,labels\na.png,x=y\n", 1, "the column split"),
        ("image,split,Image\na.png,train,b.png\n", 1, "more than one column 'image'"),
        ("image,split\na.png\n", 2, "1 field: 'a.png'"),
        ("image,split\na.png,train\n\nb.png,train,x\n", 4, "2 fields, as the first line has"),
        ("image,split\na.png,valid\n", 2, "train, query, gallery, test in the column split"),
        ("image,split\n ,train\n", 2, "a path in the column image"),
        ("image,split\nz.png,train\n", 2, "z.png: no such file"),
        ("image,split\na.png,train\na.png,test\n", 3, "a.png again, which line 2 has"),
        ("image,split,labels\na.png,train,fine\n", 2, "level=value"),
        ("image,split,labels\na.png,train,x=1; x=2\n", 2, "each level once"),
        ("image,split,labels\na.png,train,x=1\nb.png,train,y=1\n", 3, "that line 2 has: x"),
        ("image,split,attributes\na.png,train,color=\n", 2, "name=value, or a single word"),
        ('image,split,box\na.png,train,"1,2,3"\n', 2, "left,top,right,bottom"),
        ('image,split,box\na.png,train,"1,2,x,4"\n', 2, "an edge of the box in pixels, a number"),
        ('image,split,box\na.png,train,"1,2,inf,4"\n', 2, "an edge of the box in pixels, a number"),
        ('image,split,box\na.png,train,"8,0,9,4"\n', 2, "a box that meets the picture's 8 × 10 pixels"),
        ('image,split,box\na.png,train,"5,0,5,4"\n', 2, "a box from (5, 0) to (5, 4)"),
        (b"image,split\na.png,train\nb\xe9.png,train\n", 3, "text encoded as UTF-8"),
        ('image,split,text\na.png,train,"never\nends\n', 2, "comma-separated values"),
    ],
)
def test_a_bad_line_is_named(folder, text, line, said):
    """File, line (of the record's start) and what was expected."""
    path = write(folder, text)
    message = fault_of(path)
    assert message.startswith(f"Line {line} of {path} cannot be used")
    assert said in message


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        ("a.png,train,", "./a.png,test,", "./a.png again, which line 2 has"),
        ("link.png,train,", "a.png,test,", "a.png again"),
        # The picture has 8 × 10 pixels: no box means all of them, and what reaches beyond is cut off.
        ("a.png,train,", 'a.png,test,"0,0,8,10"', "a.png again"),
        ('a.png,query,"-1,0,9,11"', "../PLACE/a.png,gallery,", "a.png again"),
        ('a.png,train,"1,2,5,6"', 'a.png,test,"1,2,4.5,6"', "a.png again"),
    ],
)
def test_a_photo_on_both_sides_is_found_however_it_is_written(folder, first, second, said):
    """By another path to the same file, or by another box of the same pixels."""
    (folder / "link.png").symlink_to("a.png")
    path = write(folder, f"image,split,box\n{first}\n{second}\n".replace("PLACE", folder.name))
    message = fault_of(path)
    assert message.startswith(f"Line 3 of {path}")
    assert said in message


def test_parts_of_one_picture_are_photos_of_their_own(folder):
    """Two garments in one picture, and the picture as a whole."""
    rows = 'a.png,test,"0,0,4,10"\na.png,test,"4,0,8,10"\na.png,test,\n'
    assert len(read_table(write(folder, f"image,split,box\n{rows}")).gallery) == 3


def test_what_a_category_leaves_out_repeats_nothing(folder):
    """Of a photo in two categories one line is read, or both, and then they are the same photo."""
    path = write(folder, "image,split,category\na.png,train,Dresses\n./a.png,test,Shirts\n")
    assert names(read_table(path, DatasetOptions(category="Dresses")).training) == ["a.png"]
    assert "again" in fault_of(path, DatasetOptions(category="Dresses", gallery="all"))


def test_lines_are_counted_across_quoted_line_ends(folder):
    """A quoted text over two lines: the next record begins in line 4."""
    path = write(folder, 'image,split,text\na.png,train,"two\nlines"\nb.png,bad,\n')
    assert fault_of(path).startswith(f"Line 4 of {path}")


def test_a_photo_that_is_no_image_is_named(folder):
    """Where its box makes it be looked at."""
    (folder / "a.png").write_bytes(b"not a picture")
    path = write(folder, 'image,split,box\na.png,train,"1,2,3,4"\n')
    assert fault_of(path).startswith(f"Line 2 of {path}")


@pytest.mark.parametrize(("text", "said"), [("", "is empty"), ("image,split\n", "lists no photos")])
def test_an_empty_table_is_refused(folder, text, said):
    """No header, or nothing after it."""
    assert said in fault_of(write(folder, text))


def test_a_missing_table_is_named(tmp_path):
    """With what it should have been."""
    text = fault_of(tmp_path / "none.csv")
    assert f"lacks the file {tmp_path / 'none.csv'}" in text
    assert "CSV" in text


@pytest.mark.parametrize("text", ["inshops:/data", "photos.csv", "table:", "", "Cub:/data"])
def test_an_unknown_kind_is_told_with_those_there_are(text):
    """The error lists the kinds."""
    with pytest.raises(UnusableDataset, match="inshop:FOLDER, cub:FOLDER, table:FILE, rendered:FOLDER"):
        open_dataset(text)


@pytest.mark.parametrize(
    ("choice", "said"),
    [
        ({"gallery": "none"}, "gallery"),
        ({"min_certainty": 0}, "min_certainty"),
        ({"min_certainty": 5}, "min_certainty"),
        ({"min_class_percent": 0}, "min_class_percent"),
        ({"min_class_percent": float("nan")}, "min_class_percent"),
        ({"rendered_items": 1}, "rendered_items"),
        ({"rendered_held_out": 1.0}, "rendered_held_out"),
    ],
)
def test_choices_outside_their_range_cannot_be_made(choice, said):
    """Each names itself."""
    with pytest.raises(ValueError, match=said):
        DatasetOptions(**choice)
