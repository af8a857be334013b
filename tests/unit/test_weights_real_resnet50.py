"""Real ImageNet weights on real photos: the loaded ResNet-50 sees what is alike."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from PIL import Image, ImageOps

from embeddings.networks import build
from embeddings.weights import load_pretrained

LABELS = ("Dress", "Shoes", "Hat", "Pants", "Shirt")
PHOTOS_PER_LABEL = 12

pytestmark = pytest.mark.shared


@pytest.fixture(scope="module")
def photos(shared_folder):
    """The first 12 photos of each of five labels, squeezed to 224 × 224, and their labels as numbers."""
    folder = shared_folder / "data" / "clothing"
    with (folder / "images.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["kids"] == "False"]
    images, labels = [], []
    for number, label in enumerate(LABELS):
        for row in [row for row in rows if row["label"] == label][:PHOTOS_PER_LABEL]:
            with Image.open(folder / "images" / f"{row['image']}.jpg") as image:
                upright = ImageOps.exif_transpose(image).convert("RGB").resize((224, 224), Image.Resampling.BICUBIC)
            images.append(np.asarray(upright))
            labels.append(number)
    return np.stack(images), np.array(labels)


@pytest.fixture(scope="module")
def weights(shared_folder):
    return shared_folder / "weights" / "resnet50_imagenet.weights.h5"


@pytest.fixture(scope="module")
def similarities(photos, weights):
    """Cosine similarity of the pooled features of all pairs of photos."""
    model = build("resnet50", "multiattrib", 10, preprocessing="torch", folded=True)
    report = load_pretrained(model, weights)
    assert report.untouched == ("scores",)
    images, _ = photos
    pool = np.concatenate(
        [np.asarray(model(images[start : start + 20])["pool"]) for start in range(0, len(images), 20)]
    )
    assert pool.shape == (len(images), 2048)
    unit = pool / np.linalg.norm(pool, axis=1, keepdims=True)
    return unit @ unit.T


def test_nearest_photo_is_of_the_same_kind(photos, similarities):
    """Leave-one-out, nearest neighbour: above 0.7 right, where chance is 11 others of 59 = 0.19."""
    _, labels = photos
    others = similarities.copy()
    np.fill_diagonal(others, -np.inf)
    accuracy = (labels[others.argmax(axis=1)] == labels).mean()
    assert accuracy > 0.7


def test_shoes_are_nearer_to_shoes_than_to_dresses(photos, similarities):
    """Mean similarity within shoes exceeds that of shoes to dresses by a clear margin."""
    _, labels = photos
    shoes, dresses = labels == LABELS.index("Shoes"), labels == LABELS.index("Dress")
    within = similarities[np.ix_(shoes, shoes)]
    num_shoes = int(shoes.sum())
    mean_within = (within.sum() - num_shoes) / (num_shoes * (num_shoes - 1))
    assert mean_within > similarities[np.ix_(shoes, dresses)].mean() + 0.1
