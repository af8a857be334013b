"""The command that makes the shipped version: the same images for the same arguments, a whole version at the end."""

import shlex

import numpy as np
import pytest

from embeddings.keras_embedder import KerasEmbedder
from embeddings.model_store import SHIPPED_FOLDER, ModelStore
from embeddings.training import compact
from embeddings.training.rendered_images import rendered_images


def test_rendered_images_come_with_their_items_attributes():
    """All views of an item in a row, each with the item's id and attributes; views and items differ."""
    data = rendered_images(3, 2, seed=7, input_size=32, num_processes=1)
    assert len(data) == 6
    assert data.input_size == 32
    assert data.item_ids[0] == data.item_ids[1] != data.item_ids[2]
    assert data.attributes[0] == data.attributes[1]
    assert len({data.images[position].tobytes() for position in range(6)}) == 6


def test_how_many_processes_draw_makes_no_difference():
    """Images depend on their seed alone, so that a version can be made again on another machine."""
    one, two = (rendered_images(3, 2, seed=7, input_size=32, num_processes=number) for number in (1, 2))
    np.testing.assert_array_equal(one.images, two.images)
    assert one.item_ids == two.item_ids


@pytest.mark.parametrize(("num_items", "num_views"), [(0, 1), (1, 0)])
def test_nothing_to_draw_is_refused(num_items, num_views):
    """A training set of nothing is named as such."""
    with pytest.raises(ValueError, match="at least one item and one view"):
        rendered_images(num_items, num_views, seed=0, input_size=32)


def test_the_command_makes_a_version_and_records_itself(tmp_path, capsys):
    """A tiny run writes a version that loads and embeds, and whose manifest holds the whole recipe as a command."""
    arguments = (
        "--items=6 --views=2 --held-out-items=3 --min-items=1 --epochs=1 --batch-size=4 --input-size=32 --seed=11"
    )
    compact.main([*arguments.split(), "--output", str(tmp_path), "--version", "tiny"])
    assert "epoch 1/1: loss " in capsys.readouterr().out
    version = ModelStore(tmp_path).open("tiny")
    recorded = shlex.split(version.manifest.provenance.command)
    assert recorded[:3] == ["python", "-m", "embeddings.training.compact"]
    assert set(arguments.split()) <= set(recorded)
    assert str(tmp_path) not in version.manifest.provenance.command
    features = KerasEmbedder(version).embed(rendered_images(1, 1, seed=12, input_size=32, num_processes=1).images)
    assert set(features) == {"pool", "prob"}


def test_the_shipped_version_finds_the_same_item_and_its_attributes():
    """compact-rendered, on items it has never seen, finds another view of the same garment nearly always."""
    version = ModelStore(SHIPPED_FOLDER).open("compact-rendered")
    data = rendered_images(20, 2, seed=987, input_size=version.manifest.input_size, num_processes=1)
    embedder = KerasEmbedder(version, batch_size=40)
    features = embedder.embed(data.images)
    similarity = features["pool"] @ features["pool"].T
    np.fill_diagonal(similarity, -1)
    sibling = np.arange(40) ^ 1
    # Of 40 queries at least 34 = 0.85 find their sibling first; by chance 1 in 39 would.
    assert (similarity.argmax(axis=1) == sibling).sum() >= 34
    # True attributes weigh several times what others do.
    truth = embedder.taxonomy.encode(data.attributes) > 0
    assert features["prob"][truth].mean() > 3 * features["prob"][~truth].mean()
