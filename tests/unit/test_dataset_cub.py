"""CUB-200-2011 is read in its published layout; what is wrong with its files is told with file and line."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from embeddings.crop_box import CropBox
from embeddings.datasets.cub import read_cub
from embeddings.datasets.cub_attributes import readable_attribute
from embeddings.datasets.dataset_options import DatasetOptions
from embeddings.datasets.open_dataset import open_dataset
from embeddings.datasets.photos import DatasetPhotos
from embeddings.datasets.records import UnusableDataset

SPECIES = {11: "011.Rusty_Blackbird", 192: "192.Downy_Woodpecker"}
# Image id: class id, name, box (x, y, width, height), training split. The pictures have 40 × 30 pixels.
IMAGES = {
    3: (192, "Downy_Woodpecker_0004_184.jpg", "4.0 2.0 20.0 15.0", 1),
    5: (11, "Rusty_Blackbird_0010_62.jpg", "0.0 0.0 41.0 30.5", 0),
    8: (192, "Downy_Woodpecker_0009_18.jpg", "1.5 2.5 3.0 4.0", 0),
}
NAMES = {image_id: f"{SPECIES[class_id]}/{name}" for image_id, (class_id, name, _, _) in IMAGES.items()}
SIZES = f"{NAMES[3]} 80 60\n{NAMES[5]} 40 30\nother.jpg 9 9\n{NAMES[8]} 40 30\n"
ATTRIBUTES = "1 has_bill_shape::curved_(up_or_down)\n2 has_eye_color::black\n4 has_size::small_(5_-_9_in)\n"
IMAGE_LABELS = (
    "3 1 1 4 7.5\n3 2 0 1 0.0\n3 4 1 2 1.5\n"
    "5 1 1 3 2.0\n5 2 1 1 1.0\n5 4 0 4 3.0\n"
    # Surplus fields after the certainty, as some published lines have them.
    "8 1 0 4 0 6.1\n8 2 1 4 0 3 2.2\n8 4 0 3 0.0\n"
)
BILL, EYE, SIZE = "bill shape=curved (up or down)", "eye color=black", "size=small (5 - 9 in)"
CLASS_LABELS = "0.0 50.0 60.5\n49.9 100.0 0.0\n"


@pytest.fixture
def folder(tmp_path):
    """What unpacking the archive makes: a folder, and the names of the attributes beside it."""
    root = tmp_path / "CUB_200_2011"
    (root / "attributes").mkdir(parents=True)
    lists = {"images": "", "image_class_labels": "", "bounding_boxes": "", "train_test_split": ""}
    for image_id, (class_id, name, box, split) in IMAGES.items():
        path = root / "images" / SPECIES[class_id] / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (40, 30), (image_id * 20, 90, 60)).save(path)
        lists["images"] += f"{image_id} {SPECIES[class_id]}/{name}\n"
        lists["image_class_labels"] += f"{image_id} {class_id}\n"
        lists["bounding_boxes"] += f"{image_id} {box}\n"
        lists["train_test_split"] += f"{image_id} {split}\n"
    for name, text in lists.items():
        (root / f"{name}.txt").write_text(text)
    (root / "classes.txt").write_text("".join(f"{key} {name}\n" for key, name in SPECIES.items()))
    (root / "attributes" / "image_attribute_labels.txt").write_text(IMAGE_LABELS)
    (tmp_path / "attributes.txt").write_text(ATTRIBUTES)
    return root


def fault_of(folder: Path, options: DatasetOptions | None = None) -> str:
    with pytest.raises(UnusableDataset) as caught:
        read_cub(folder, options)
    return str(caught.value)


def test_the_published_split_and_labels_are_read(folder):
    """Test images are queries and gallery; the family is the last word of the species' name."""
    data = open_dataset(f"cub:{folder}")

    assert (data.name, data.levels, data.notes) == ("CUB-200-2011", ("species", "family"), ())
    (trained,) = data.training
    assert trained.path == folder / "images" / "192.Downy_Woodpecker" / "Downy_Woodpecker_0004_184.jpg"
    assert trained.labels == {"species": "Downy Woodpecker", "family": "Woodpecker"}
    assert data.queries == data.gallery
    assert [image.labels["species"] for image in data.queries] == ["Rusty Blackbird", "Downy Woodpecker"]
    assert all(image.item is None for image in data.queries)
    assert DatasetPhotos(data.gallery, 8)[1].shape == (8, 8, 3)


def test_boxes_cover_the_published_ones_within_the_picture(folder):
    """(4, 2) + (20, 15) ends at (24, 17); 41 × 30.5 is cut to 40 × 30; (1.5, 2.5) + (3, 4) ends at (4.5, 6.5)."""
    data = read_cub(folder)
    assert data.training[0].crop == CropBox(4, 2, 24, 17)
    assert [image.crop for image in data.queries] == [CropBox(0, 0, 40, 30), CropBox(1, 2, 5, 7)]


def test_boxes_of_scaled_pictures_are_scaled(folder):
    """The first box was published for 80 × 60 pixels, twice the picture's: (4, 2, 24, 17) / 2 = (2, 1, 12, 8.5)."""
    (folder / "image_sizes.txt").write_text(SIZES)
    data = read_cub(folder)
    assert data.training[0].crop == CropBox(2, 1, 12, 9)
    assert data.queries[1].crop == CropBox(1, 2, 5, 7)
    assert data.notes == ("image_sizes.txt describes 1 image that images.txt does not list",)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", f"no line for image {NAMES[3]}, which is in line 1 of images.txt"),
        (SIZES.partition(f"{NAMES[8]} ")[0], f"no line for image {NAMES[8]}, which is in line 3 of images.txt"),
        (f"{SIZES}{NAMES[5]} 40 30\n", f"each image once; {NAMES[5]} has an earlier line"),
    ],
)
def test_sizes_must_be_those_of_all_images(folder, text, said):
    """A list that was cut short would leave boxes that mean other pixels."""
    path = folder / "image_sizes.txt"
    path.write_text(text)
    message = fault_of(folder)
    assert str(path) in message
    assert said in message


def test_the_folder_that_holds_the_archives_folder_serves_too(folder):
    """A person may name the place that they unpacked the archive in."""
    assert read_cub(folder.parent) == read_cub(folder)


@pytest.mark.parametrize("place", ["attributes/attributes.txt", "attributes.txt"])
def test_names_of_attributes_are_found_inside_the_folder_too(folder, place):
    """Copies of the data set differ in where they have the list."""
    (folder.parent / "attributes.txt").rename(folder / place)
    assert read_cub(folder).training[0].attributes == (BILL, SIZE)


@pytest.mark.parametrize(
    ("min_certainty", "expected"),
    [(1, [(BILL, SIZE), (BILL, EYE), (EYE,)]), (3, [(BILL,), (BILL,), (EYE,)]), (4, [(BILL,), (), (EYE,)])],
)
def test_attributes_of_images_count_by_certainty(folder, min_certainty, expected):
    """Image 3 has size by a guess (2); image 5 has its bill probably (3) and its eye though not visible (1)."""
    data = read_cub(folder, DatasetOptions(min_certainty=min_certainty))
    assert [image.attributes for image in (*data.training, *data.queries)] == expected


@pytest.mark.parametrize(("percent", "blackbird", "woodpecker"), [(50, (EYE, SIZE), (EYE,)), (60.5, (SIZE,), (EYE,))])
def test_attributes_of_classes_stand_in(folder, percent, blackbird, woodpecker):
    """Lines are in the order of classes.txt: 11, then 192. The threshold itself counts, and a note says so."""
    (folder / "attributes" / "image_attribute_labels.txt").unlink()
    (folder / "attributes" / "class_attribute_labels_continuous.txt").write_text(CLASS_LABELS)
    data = read_cub(folder, DatasetOptions(min_class_percent=percent))
    assert data.training[0].attributes == woodpecker
    assert data.queries[0].attributes == blackbird
    assert data.queries[1].attributes == woodpecker
    (note,) = data.notes
    assert "those of the class" in note
    assert f"{percent} %" in note


def test_lists_may_describe_more_images_than_there_are(folder):
    """A part of the data set with the whole lists: a note tells how many."""
    with (folder / "train_test_split.txt").open("a") as file:
        file.write("77 1\n78 0\n")
    assert read_cub(folder).notes == ("train_test_split.txt describes 2 images that images.txt does not list",)


def test_birds_have_no_categories(folder):
    """A category asked for is refused rather than ignored."""
    assert "the data set has none" in fault_of(folder, DatasetOptions(category="Dresses"))


@pytest.mark.parametrize(
    "name",
    ["images.txt", "classes.txt", "image_class_labels.txt", "bounding_boxes.txt", "train_test_split.txt"],
)
def test_a_missing_list_is_named(folder, name):
    """With the folder that should have it."""
    (folder / name).unlink()
    assert f"lacks the file {folder / name}" in fault_of(folder)


def test_missing_attributes_are_named(folder):
    """Their names, and their labels, of which either kind would do."""
    (folder / "attributes" / "image_attribute_labels.txt").unlink()
    text = fault_of(folder)
    assert "class_attribute_labels_continuous.txt" in text
    assert "image_attribute_labels.txt" in text
    (folder.parent / "attributes.txt").unlink()
    assert f"lacks the file {folder / 'attributes' / 'attributes.txt'}" in fault_of(folder)


@pytest.mark.parametrize(
    ("name", "text", "line", "said"),
    [
        ("images.txt", "3 a.jpg x\n", 1, "3 fields"),
        ("images.txt", "three a.jpg\n", 1, "an image id, a whole number"),
        ("images.txt", "3 a.jpg\n\n3 b.jpg\n", 3, "3 is in line 1"),
        ("images.txt", "3 a.jpg\n5 a.jpg\n", 2, "a.jpg is in line 1"),
        ("images.txt", b"3 a.jpg\n5 \xff.jpg\n", 2, "byte 0xFF"),
        ("images.txt", f"3 {SPECIES[192]}/none.jpg\n", 1, "none.jpg: No such file"),
        ("classes.txt", "11\n", 1, "class id and class name"),
        ("classes.txt", "11 011.Rusty_Blackbird\n11 012.Other_Bird\n", 2, "each class id once"),
        ("image_class_labels.txt", "3 192\n5 12\n8 192\n", 2, "a class id that classes.txt has"),
        ("image_class_labels.txt", "3 192\n3 192\n", 2, "3 has an earlier line"),
        ("bounding_boxes.txt", "3 4.0 2.0 20.0\n", 1, "image id, x, y, width and height"),
        ("bounding_boxes.txt", "3 4.0 2.0 20.0 nan\n", 1, "a number"),
        ("bounding_boxes.txt", "3 40.0 2.0 20.0 9.0\n5 0 0 9 9\n8 0 0 9 9\n", 1, "meets the picture's 40 × 30 pixels"),
        ("bounding_boxes.txt", "3 4 2 20 9\n5 0 0 0 9\n8 0 0 9 9\n", 2, "a box from (0, 0) to (0, 9)"),
        ("train_test_split.txt", "3 2\n", 1, "1 for the training split or 0"),
        ("image_sizes.txt", f"{NAMES[3]} 0 9\n", 1, "both at least 1"),
        ("image_sizes.txt", f"{NAMES[3]} 80\n", 1, "image name, width and height"),
        ("../attributes.txt", "1 has_bill_shape\n", 1, "such as 2 has_bill_shape::dagger"),
        ("../attributes.txt", "1 has_a::b\n2 has_a::b\n", 2, "each once"),
        ("attributes/image_attribute_labels.txt", "3 1 1 4\n", 1, "certainty id (1 to 4)"),
        ("attributes/image_attribute_labels.txt", "3 1 1 4 0.5\n3 1 1 5 0.5\n", 2, "certainty id (1 to 4)"),
        ("attributes/image_attribute_labels.txt", "3 1 2 4 0.5\n", 1, "0 or 1"),
        ("attributes/image_attribute_labels.txt", "3 3 1 4 0.5\n", 1, "an attribute id that attributes.txt has"),
        ("attributes/image_attribute_labels.txt", "x 1 1 4 0.5\n", 1, "image id"),
    ],
)  # fmt: skip
def test_a_bad_line_is_named(folder, name, text, line, said):
    """File, line and what was expected."""
    path = folder / name
    path.resolve().write_bytes(text if isinstance(text, bytes) else text.encode())
    message = fault_of(folder)
    assert message.startswith(f"Line {line} of {path.resolve()} cannot be used")
    assert said in message


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("image_class_labels.txt", "3 192\n5 11\n"),
        ("bounding_boxes.txt", "3 0 0 9 9\n5 0 0 9 9\n"),
        ("train_test_split.txt", "3 1\n5 0\n"),
        ("attributes/image_attribute_labels.txt", "3 1 1 4 0.5\n5 1 1 4 0.5\n"),
    ],
)
def test_an_image_that_a_list_lacks_is_named(folder, name, text):
    """The list is cut short: image 8, of the third line of images.txt, is missing."""
    (folder / name).write_text(text)
    message = fault_of(folder)
    assert message.startswith(f"{folder / name} says nothing of an image")
    assert "no line for image 8, which is in line 3 of images.txt; expected: image id" in message


@pytest.mark.parametrize(
    ("text", "where", "said"),
    [
        ("", "{} is empty", "0 lines; expected: a line for each of the 2 classes of classes.txt"),
        ("\n1 2 3\n", "{} ends after line 2", "1 line; expected: a line for each of the 2 classes of classes.txt"),
        ("1 2 3\n4 5 6\n\n7 8 9\n", "Line 4 of {}", "'7 8 9'; expected: a line for each of the 2 classes"),
        ("1 2 3\n1 2\n", "Line 2 of {}", "2 fields"),
        ("1 2 3\n1 2 101\n", "Line 2 of {}", "between 0 and 100"),
        ("1 2 3\n1 2 x\n", "Line 2 of {}", "a percentage, a number"),
    ],
)
def test_bad_percentages_of_classes_are_told(folder, text, where, said):
    """As many lines as classes, as many numbers as attributes, each a percentage."""
    (folder / "attributes" / "image_attribute_labels.txt").unlink()
    path = folder / "attributes" / "class_attribute_labels_continuous.txt"
    path.write_text(text)
    message = fault_of(folder)
    assert message.startswith(where.format(path))
    assert said in message


def test_a_list_of_no_images_is_named(folder):
    """With what its lines should hold."""
    (folder / "images.txt").write_text("\n")
    message = fault_of(folder)
    assert message.startswith(f"{folder / 'images.txt'} lists no images")
    assert "image id and image name, one per line" in message


def test_names_become_readable():
    """Group and value as words, in normal form."""
    assert readable_attribute("has_wing_pattern::multi-colored") == "wing pattern=multi-colored"
    with pytest.raises(ValueError, match="group::value"):
        readable_attribute("has_wing_pattern")


@pytest.mark.shared
def test_ten_real_species(shared_folder):
    """543 published images, of which the published split trains on 300: 243 are left; boxes lie in scaled pictures."""
    data = read_cub(shared_folder / "data" / "cub-ten-species")
    assert (len(data.training), len(data.queries), len(data.gallery)) == (300, 243, 243)
    assert len({image.labels["species"] for image in data.gallery}) == 10
    assert {image.labels["family"] for image in data.gallery} == {"Albatross", "Ani", "Auklet", "Blackbird"}
    # The first training image, number 2, was published at 500 px: its box from (139, 30) of 153 × 264 pixels
    # is that of a picture of 320 px times 0.64: 88.96, 19.2, 186.88 (the right edge).
    assert (data.training[0].crop.left, data.training[0].crop.top, data.training[0].crop.right) == (88, 19, 187)
    assert "those of the class" in data.notes[-1]
