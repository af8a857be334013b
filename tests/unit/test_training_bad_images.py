"""A photo that cannot be used ends the training with its own error, whichever thread and library was reading it."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from embeddings.crop_box import CropBox
from embeddings.datasets.records import DatasetImage, UnusableDataset
from embeddings.model_store import ModelStore
from embeddings.taxonomy import Taxonomy
from embeddings.training.augmentation import NO_AUGMENTATION
from embeddings.training.batches import TrainingBatches
from embeddings.training.config import TrainingConfig
from embeddings.training.dataset_images import dataset_images
from embeddings.training.network_training import train_network
from embeddings.training.publication import Publication

TAXONOMY = Taxonomy(("tag=dark", "tag=light"))


def photos(folder, count=6):
    """Photos of 20 × 30 pixels, dark and light ones in turn."""
    images = []
    for number in range(count):
        path = folder / f"photo-{number}.png"
        Image.new("RGB", (20, 30), (40 + 150 * (number % 2),) * 3).save(path)
        images.append(DatasetImage(path, {}, (TAXONOMY.names[number % 2],)))
    return images


def test_a_box_outside_its_photo_is_named(tmp_path):
    """The file and the box are in the error, not the text of a TensorFlow error."""
    images = photos(tmp_path)
    images[4] = replace(images[4], crop=CropBox(25, 0, 40, 10))
    with pytest.raises(UnusableDataset) as refused:
        train_network(
            TrainingConfig(epochs=1, batch_size=2, augmentation=NO_AUGMENTATION),
            dataset_images(images, 32),
            TAXONOMY,
            Publication(store=ModelStore(tmp_path / "models"), version="v", data="d", command="c"),
        )
    assert "photo-4.png" in refused.value.received
    assert "crop box lies outside" in refused.value.received
    assert ModelStore(tmp_path / "models").list() == ["compact-rendered"]


def test_items_keep_their_photos_together_and_others_stand_alone(tmp_path):
    """Photos of one item have one id; photos of unknown items have one each; no items at all is known as such."""
    images = photos(tmp_path, 4)
    assert dataset_images(images, 8).item_ids is None
    assert dataset_images(images, 8).labels == {}
    images[0], images[1] = replace(images[0], item="0"), replace(images[1], item="0")
    ids = dataset_images(images, 8).item_ids
    assert ids[0] == ids[1] == "0"
    assert len(set(ids)) == 3


def test_equal_files_are_equal_pictures_whatever_their_names(tmp_path):
    """Copies of a photo are one picture, its boxes are pictures of their own; a file that is gone is named."""
    images = photos(tmp_path, 4)
    shutil.copyfile(images[0].path, tmp_path / "copy.png")
    images[1] = replace(images[0], path=tmp_path / "copy.png")
    images[3] = replace(images[1], crop=CropBox(0, 0, 5, 5))
    pictures = dataset_images(images, 8).pictures
    # Photos 0 and 2 are of the same grey.
    assert pictures[0] == pictures[1] == pictures[2] != pictures[3]
    images[2].path.unlink()
    with pytest.raises(UnusableDataset, match=r"photo-2\.png: No such file"):
        dataset_images(images, 8)


def test_threads_change_nothing(tmp_path, monkeypatch):
    """One thread or many give the same pixels; an epoch's batches do not depend on the epochs before."""
    data = dataset_images(photos(tmp_path), 16, max_cached_bytes=2**20)
    targets = TAXONOMY.encode(data.attributes)
    drawn = []
    for threads in (1, 8):
        monkeypatch.setattr("os.cpu_count", lambda count=threads: count)
        batches = TrainingBatches(data, targets, batch_size=6, augmentation=TrainingConfig().augmentation, seed=3)
        if threads == 8:
            batches.on_epoch_end()
            batches.on_epoch_end()
        batches.start_epoch(1)
        drawn.append(batches[0])
        batches.close()
    np.testing.assert_array_equal(drawn[0][0], drawn[1][0])
    np.testing.assert_array_equal(drawn[0][1], drawn[1][1])
