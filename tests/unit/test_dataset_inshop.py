"""DeepFashion In-shop is read in its published layout; what is wrong with its files is told with file and line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from embeddings.crop_box import CropBox
from embeddings.datasets.dataset_options import DatasetOptions
from embeddings.datasets.inshop import read_inshop
from embeddings.datasets.open_dataset import open_dataset
from embeddings.datasets.photos import DatasetPhotos
from embeddings.datasets.records import UnusableDataset

DRESS = "img/WOMEN/Dresses/id_00000002/"
GOWN = "img/WOMEN/Dresses/id_00000008/"
SHIRT = "img/MEN/Tees_Tanks/id_00000031/"
# Image name: evaluation status, clothes type, pose type, box. The pictures have 32 × 24 pixels.
IMAGES = {
    f"{DRESS}02_1_front.jpg": ("train", "3 1 4 2 20 24"),
    f"{DRESS}02_2_side.jpg": ("train", "3 2 0 0 32 24"),
    f"{GOWN}01_4_full.jpg": ("query", "3 4 5 1 19 23"),
    f"{GOWN}01_1_front.jpg": ("gallery", "3 1 6 2 33 30"),
    f"{SHIRT}05_1_front.jpg": ("train", "1 1 1 1 9 9"),
    f"{SHIRT}05_3_back.jpg": ("query", "1 3 2 2 9 9"),
    f"{SHIRT}05_6_flat.jpg": ("gallery", "1 6 3 3 9 9"),
}
PARTITION = "Eval/list_eval_partition.txt"
BOXES = "Anno/list_bbox_inshop.txt"
NAMES = "Anno/list_attr_cloth.txt"
ITEMS = "Anno/list_attr_items.txt"
TEXTS = "Anno/list_description_inshop.json"
DRESSES = DatasetOptions(category="Dresses")


def write_layout(root: Path) -> None:
    """Lists and pictures as the archives have them."""
    partition = "".join(f"{name}      {name.split('/')[3]} {status}\n" for name, (status, _) in IMAGES.items())
    boxes = "".join(f"{name} {box}\n" for name, (_, box) in IMAGES.items())
    texts = [
        {"item": "id_00000002", "color": "Black", "description": ["A lace  maxi dress.", "- 95% rayon"]},
        {"item": "id_00000008", "color": "Cream/navy", "description": "Striped."},
    ]
    for name, text in {
        PARTITION: f"{len(IMAGES)}\nimage_name item_id evaluation_status\n{partition}",
        BOXES: f"{len(IMAGES)}\nimage_name clothes_type pose_type x_1 y_1 x_2 y_2\n{boxes}",
        NAMES: "3\nattribute_name\na-line\nV neck\nlace\n",
        ITEMS: "3\nitem_name attribute_labels\nid_00000002 1 -1 1\nid_00000008 -1 1 0\nid_00000031 -1 -1 -1\n",
        TEXTS: json.dumps(texts),
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    for name in IMAGES:
        path = root / "Img" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (32, 24), (90, 120, 30)).save(path)


@pytest.fixture
def folder(tmp_path):
    write_layout(tmp_path)
    return tmp_path


def fault_of(folder: Path, options: DatasetOptions | None = None) -> str:
    with pytest.raises(UnusableDataset) as caught:
        read_inshop(folder, options)
    return str(caught.value)


def names(images):
    return ["/".join(image.path.parts[-2:]) for image in images]


def test_the_published_partition_is_read(folder):
    """All categories: parts as the partition says, category and item from the path, relevance by item."""
    data = open_dataset(f"inshop:{folder}")

    assert (data.name, data.levels, data.notes) == ("In-shop", ("item",), ())
    assert [image.category for image in data.training] == ["Dresses", "Dresses", "Tees_Tanks"]
    assert names(data.queries) == ["id_00000008/01_4_full.jpg", "id_00000031/05_3_back.jpg"]
    assert names(data.gallery) == ["id_00000008/01_1_front.jpg", "id_00000031/05_6_flat.jpg"]
    first = data.training[0]
    assert first.path == folder / "Img" / "img" / "WOMEN" / "Dresses" / "id_00000002" / "02_1_front.jpg"
    assert first.labels == {"item": "id_00000002"}
    assert first.item == "id_00000002"
    assert DatasetPhotos(data.gallery, 8)[0].shape == (8, 8, 3)


def test_images_are_cropped_to_their_boxes(folder):
    """What reaches beyond the picture's 32 × 24 pixels is cut off."""
    data = read_inshop(folder, DRESSES)
    assert [image.crop for image in data.training] == [CropBox(4, 2, 20, 24), CropBox(0, 0, 32, 24)]
    assert data.gallery[0].crop == CropBox(6, 2, 32, 24)


def test_attributes_and_texts_are_those_of_the_item(folder):
    """1 is present; -1 and 0 are not. Colour and description are kept in words, a line each."""
    data = read_inshop(folder)
    assert data.training[1].attributes == ("tag=a-line", "tag=lace")
    assert data.queries[0].attributes == ("tag=v neck",)
    assert data.queries[1].attributes == ()
    assert data.training[1].text == "Black\nA lace maxi dress.\n- 95% rayon"
    assert data.queries[0].text == "Cream/navy\nStriped."
    assert data.queries[1].text == ""


@pytest.mark.parametrize(("scope", "num_gallery", "said"), [("same", 1, "the same"), ("all", 2, "all categories")])
def test_dresses_train_and_ask(folder, scope, num_gallery, said):
    """The gallery holds dresses, or all categories."""
    data = read_inshop(folder, DatasetOptions(category="dresses", gallery=scope))
    assert data.name == f"In-shop, Dresses, gallery of {said}"
    assert (len(data.training), len(data.queries), len(data.gallery)) == (2, 1, num_gallery)


def test_an_unknown_category_is_told_with_those_there_are(folder):
    """In the folders' own spelling."""
    assert "Dresses, Tees_Tanks" in fault_of(folder, DatasetOptions(category="Tees"))


def test_archives_that_differ_in_their_folders_are_read(folder):
    """Attributes in Anno/attributes, pictures in img, the partition in the folder itself."""
    expected = read_inshop(folder)
    (folder / "Anno" / "attributes").mkdir()
    for name in (NAMES, ITEMS):
        (folder / name).rename(folder / "Anno" / "attributes" / Path(name).name)
    (folder / "Img" / "img").rename(folder / "img")
    (folder / PARTITION).rename(folder / "list_eval_partition.txt")
    data = read_inshop(folder)
    assert [image.attributes for image in data.training] == [image.attributes for image in expected.training]
    assert data.training[0].path == folder / f"{DRESS}02_1_front.jpg"


def test_items_may_be_listed_more_than_once(folder):
    """Attributes of all lines; the count may be that of the items (2) or of the lines (3)."""
    rows = "id_00000002 1 -1 -1\nid_00000008 -1 1 -1\nid_00000002 -1 -1 1\n"
    for count in (2, 3):
        (folder / ITEMS).write_text(f"{count}\nitem_name attribute_labels\n{rows}")
        assert read_inshop(folder, DRESSES).training[0].attributes == ("tag=a-line", "tag=lace")
    (folder / ITEMS).write_text(f"4\nitem_name attribute_labels\n{rows}")
    assert fault_of(folder).startswith(f"Line 1 of {folder / ITEMS}")


def test_items_without_attributes_are_noted(folder):
    """They stay, with none."""
    (folder / ITEMS).write_text("1\nitem_name attribute_labels\nid_00000002 1 -1 1\n")
    data = read_inshop(folder)
    assert data.notes == (
        "2 items (5 images) are not in list_attr_items.txt and have no attributes, such as id_00000008",
    )
    assert data.queries[0].attributes == ()


def test_names_with_a_type_lose_it(folder):
    """As sister data sets have it: the second line names two entries."""
    (folder / NAMES).write_text("3\nattribute_name attribute_type\na-line 3\nv neck 3\nlace 2\n")
    assert read_inshop(folder).training[0].attributes == ("tag=a-line", "tag=lace")


def test_missing_descriptions_are_noted(folder):
    """Older archives have none."""
    (folder / TEXTS).unlink()
    data = read_inshop(folder)
    assert "no descriptions" in data.notes[0]
    assert data.training[0].text == ""


@pytest.mark.parametrize("name", [PARTITION, BOXES, NAMES, ITEMS])
def test_a_missing_list_is_named(folder, name):
    """With the place that it should be in."""
    (folder / name).unlink()
    assert f"lacks the file {folder / name}" in fault_of(folder)


def test_missing_pictures_are_told(folder):
    """An archive within the archive is easily forgotten."""
    (folder / "Img" / "img").rename(folder / "Img" / "img_highres")
    assert "unpack img.zip" in fault_of(folder)


HEAD = "image_name item_id evaluation_status\n"
BOX_HEAD = "image_name clothes_type pose_type x_1 y_1 x_2 y_2\n"


@pytest.mark.parametrize(
    ("name", "text", "line", "said"),
    [
        (PARTITION, f"2\n{HEAD}{DRESS}1.jpg id_00000002 train\n", 1, "1, which is how many lines the list has"),
        (PARTITION, f"many\n{HEAD}", 1, "a whole number"),
        (PARTITION, f"1\n{HEAD}{DRESS}1.jpg id_00000002\n", 3, "2 fields"),
        (PARTITION, f"1\n{HEAD}{DRESS}1.jpg id_00000002 val\n", 3, "train, query, gallery"),
        (PARTITION, f"1\n{HEAD}{DRESS}1.jpg id_00000003 train\n", 3, "an image in the folder of its item"),
        (PARTITION, f"1\n{HEAD}img/id_00000003/1.jpg id_00000003 train\n", 3, "such as img/WOMEN/Dresses"),
        (PARTITION, f"1\n{HEAD}img/../../id_00000003/1.jpg id_00000003 train\n", 3, "such as img/WOMEN/Dresses"),
        (PARTITION, f"2\n{HEAD}{DRESS}1.jpg id_00000002 train\n{DRESS}1.jpg id_00000002 query\n", 4, "line 3"),
        (PARTITION, f"1\n{HEAD}{DRESS}9.jpg id_00000002 train\n", 3, "an image that list_bbox_inshop.txt has a box of"),
        (PARTITION, f"1\n{HEAD}".encode() + b"img/\xe9\n", 3, "byte 0xE9"),
        (BOXES, f"1\n{BOX_HEAD}{DRESS}02_1_front.jpg 3 1 4 2 20\n", 3, "6 fields"),
        (BOXES, f"1\n{BOX_HEAD}{DRESS}02_1_front.jpg 3 1 4 2 20 x\n", 3, "an edge of the box in pixels"),
        (BOXES, f"1\n{BOX_HEAD}{DRESS}02_1_front.jpg 3 1 32 2 40 9\n", 3, "meets the picture's 32 × 24 pixels"),
        (BOXES, f"1\n{BOX_HEAD}{DRESS}02_1_front.jpg 3 1 9 2 9 9\n", 3, "a box from (9, 2) to (9, 9)"),
        (BOXES, f"2\n{BOX_HEAD}{DRESS}1.jpg 3 1 4 2 9 9\n{DRESS}1.jpg 3 1 4 2 9 9\n", 4, "line 3 has"),
        (NAMES, "2\nattribute_name\na-line\n", 1, "1, which is how many lines the list has"),
        (NAMES, "1\nattribute_name\n=\n", 3, "attribute name"),
        (ITEMS, "1\nitem_name attribute_labels\nid_00000002 1 -1\n", 3, "3 labels of 1, 0 or -1"),
        (ITEMS, "1\nitem_name attribute_labels\nid_00000002 1 -1 2\n", 3, "the label '2'"),
        (TEXTS, '[\n{"item": "id_00000002",\n', 3, "a JSON list of objects"),
        (TEXTS, b'[{"item":\n"\xff"}]', 2, "byte 0xFF"),
        ("Anno/list_item_inshop.txt", "2\nid_00000002\n", 1, "1, which is how many lines the list has"),
    ],
)
def test_a_bad_line_is_named(folder, name, text, line, said):
    """File, line and what was expected."""
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    message = fault_of(folder)
    assert message.startswith(f"Line {line} of {path} cannot be used")
    assert said in message


@pytest.mark.parametrize(
    ("name", "text", "where", "said"),
    [
        (PARTITION, "", "is empty", "0 lines; expected: a line with a count, a line that names the entries, and"),
        (BOXES, "\n2\n", "ends after line 2", "1 line; expected: a line with a count, a line that names the entries"),
        (ITEMS, "2", "ends after line 1", "and then per line item name and 3 labels of 1, 0 or -1"),
        ("Anno/list_item_inshop.txt", "\n", "is empty", "expected: a line with a count, and then per line item id"),
    ],
)
def test_a_list_without_its_first_lines_is_named(folder, name, text, where, said):
    """File, where it ends, and what should stand there."""
    (folder / name).write_text(text)
    message = fault_of(folder)
    assert message.startswith(f"{folder / name} {where}; received: ")
    assert said in message


def test_a_partition_of_no_images_is_named(folder):
    """In either form: the file, or the folder of the three lists."""
    (folder / PARTITION).write_text(f"0\n{HEAD}")
    assert fault_of(folder).startswith(f"{folder / PARTITION} lists no images; expected: an image name such as img/")
    (folder / PARTITION).unlink()
    for split in ("train", "query", "gallery"):
        (folder / f"{split}.txt").write_text("\n")
    assert fault_of(folder).startswith(f"{folder} lists no images; expected: an image name such as img/")


@pytest.mark.parametrize(
    ("text", "where", "received"),
    [
        ("{}", "", "dict"),
        ("[3]", "Entry 1 of ", "'3'"),
        ('[{"item": "id_1"}, {"color": "red"}]', "Entry 2 of ", "{'color': 'red'}"),
        ('[{"item": "id_1", "description": [4]}]', "Entry 1 of ", "'description': [4]"),
        ("[" * 20_000, "", "lists within lists"),
    ],
)
def test_malformed_descriptions_are_told(folder, text, where, received):
    """JSON, but not what is expected: the entry by its number, as JSON knows no lines."""
    (folder / TEXTS).write_text(text)
    message = fault_of(folder)
    assert message.startswith(f"{where}{folder / TEXTS} cannot be used; received: ")
    assert received in message
    assert "expected: a JSON list of objects with item, color and description" in message


def test_an_item_that_the_list_of_items_lacks_is_named(folder):
    """The line of the partition that has it."""
    (folder / "Anno" / "list_item_inshop.txt").write_text("2\nid_00000002\nid_00000008\n")
    message = fault_of(folder)
    assert message.startswith(f"Line 7 of {folder / PARTITION}")
    assert "id_00000031" in message


def test_a_missing_picture_is_named(folder):
    """With the line of the partition that lists it."""
    (folder / "Img" / f"{GOWN}01_4_full.jpg").unlink()
    message = fault_of(folder)
    assert message.startswith(f"Line 5 of {folder / PARTITION}")
    assert "01_4_full.jpg: No such file" in message


def write_lists(root: Path) -> None:
    """The other published form of the partition: an item's training images in one line."""
    train = [name for name, (status, _) in IMAGES.items() if status == "train"]
    (root / "train.txt").write_text("\t".join(train[:2]) + f"\n{train[2]}\n")
    for split in ("query", "gallery"):
        listed = [name for name, (status, _) in IMAGES.items() if status == split]
        (root / f"{split}.txt").write_text("".join(f"{name}\n" for name in listed))


def test_lists_alone_can_be_counted(tmp_path):
    """Without boxes, attributes and pictures, which two notes tell."""
    write_lists(tmp_path)
    data = read_inshop(tmp_path)
    assert (len(data.training), len(data.queries), len(data.gallery)) == (3, 2, 2)
    assert len(data.notes) == 2
    assert data.training[0].crop is None
    (tmp_path / "gallery.txt").unlink()
    assert f"lacks the file {tmp_path / 'gallery.txt'}" in fault_of(tmp_path)


def test_an_image_twice_on_one_line_is_named(tmp_path):
    """The lists have many images on a line."""
    write_lists(tmp_path)
    name = f"{DRESS}02_1_front.jpg"
    (tmp_path / "train.txt").write_text(f"{SHIRT}05_1_front.jpg\n{name}\t{name}\n")
    message = fault_of(tmp_path)
    assert message.startswith(f"Line 2 of {tmp_path / 'train.txt'}")
    assert f"{name} again, which line 2 of train.txt has" in message


def test_lists_without_training_serve_to_evaluate(tmp_path):
    """Queries and gallery are there; a note says why there is nothing to train on."""
    write_lists(tmp_path)
    (tmp_path / "train.txt").unlink()
    data = read_inshop(tmp_path, DRESSES)
    assert (len(data.training), len(data.queries), len(data.gallery)) == (0, 1, 1)
    assert f"there is nothing to train on: {tmp_path / 'train.txt'} is missing" in data.notes


def test_lists_with_pictures_name_the_one_that_is_missing(folder):
    """Pictures in their place are checked."""
    write_lists(folder)
    for name in (PARTITION, BOXES, NAMES, ITEMS, TEXTS):
        (folder / name).unlink()
    (folder / "Anno").rmdir()
    assert len(read_inshop(folder).notes) == 1
    (folder / "Img" / f"{SHIRT}05_3_back.jpg").unlink()
    assert fault_of(folder).startswith(f"Line 2 of {folder / 'query.txt'}")


def test_lists_may_stand_in_for_the_partition(folder):
    """Annotations are read all the same."""
    expected = read_inshop(folder)
    write_lists(folder)
    (folder / PARTITION).unlink()
    assert read_inshop(folder) == expected


@pytest.mark.shared
@pytest.mark.parametrize(
    ("options", "counts"),
    [
        # 14,218 + 12,612 + 25,882 = 52,712, the published number of images.
        (DatasetOptions(), (25_882, 14_218, 12_612)),
        (DRESSES, (3_451, 1_901, 1_647)),
        (DatasetOptions(category="Dresses", gallery="all"), (3_451, 1_901, 12_612)),
    ],
)
def test_the_published_lists_count_as_published(shared_folder, options, counts):
    """Dresses: 1,901 queries and 1,647 gallery images; no item is in training and test."""
    data = read_inshop(shared_folder / "data" / "inshop-lists", options)
    assert (len(data.training), len(data.queries), len(data.gallery)) == counts
    assert {image.item for image in data.queries} <= {image.item for image in data.gallery}
    assert not {image.item for image in data.training} & {image.item for image in data.gallery}
