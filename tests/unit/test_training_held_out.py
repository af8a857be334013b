"""No held-out image shows what is trained on: items that share a photo or an item group stay on one side."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embeddings.errors import UnusableModel
from embeddings.training.held_out_items import choose_held_out
from embeddings.training.held_out_pictures import HELD_OUT_FILE, read_held_out, write_held_out
from embeddings.training.label_preparation import prepare_labels
from embeddings.training.labelled_images import LabelledImages

RED, BLUE = "color=red", "color=blue"


def labelled(items, groups=None, pictures=None):
    """Image i is filled with the value i; colours alternate."""
    images = np.repeat(np.arange(len(items), dtype=np.uint8), 12).reshape(-1, 2, 2, 3)
    colors = [[(RED, BLUE)[position % 2]] for position in range(len(items))]
    return LabelledImages(images, colors, items, item_groups=groups, pictures=pictures)


def prepared(data, share, seed=0):
    return prepare_labels(data, min_count=1, held_out_share=share, seed=seed)


@given(st.integers(0, 50))
def test_a_photo_is_never_on_both_sides(seed):
    """60 photos, each of the products of three sizes: a tenth of 180 products is 18, in six sets of three."""
    items = [f"product-{number}" for number in range(180)]
    found = prepared(labelled(items, pictures=[f"photo-{number // 3}" for number in range(180)]), 0.1, seed)
    assert (len(found.training), len(found.held_out)) == (162, 18)
    assert not set(found.training.pictures) & set(found.held_out.pictures)
    assert found.notes == ()


@given(st.integers(0, 50))
def test_variants_of_an_item_stay_together(seed):
    """Ten groups of two colours, and eight products without a group, which that does not make one of: of 28, 7."""
    groups = [f"group-{number // 2}" for number in range(20)] + [None] * 8
    found = prepared(labelled([f"p{number}" for number in range(28)], groups), 0.25, seed)
    assert len(found.held_out) == 7
    assert not (set(found.training.item_groups) & set(found.held_out.item_groups)) - {None}


def test_what_is_linked_through_others_is_linked():
    """a and b share a photo, b and c a group, c and d a photo: one set of four, more than a share of two of six."""
    items = ["a", "b", "b", "c", "d", "e", "f"]
    pictures = ["1", "1", "2", "3", "3", "4", "5"]
    groups = [None, "g", "g", "g", None, None, None]
    for seed in range(9):
        assert choose_held_out(items, [groups, pictures], 0.34, seed).tolist() == [False] * 5 + [True] * 2


def test_a_placeholder_photo_of_half_of_the_catalog_is_trained_on():
    """50 of 100 products show it; the ten that are held out are among the others, and nothing need be said."""
    pictures = ["none yet"] * 50 + [f"photo-{number}" for number in range(50)]
    found = prepared(labelled([f"p{number}" for number in range(100)], pictures=pictures), 0.1)
    assert len(found.held_out) == 10
    assert "none yet" not in found.held_out.pictures
    assert found.notes == ()


@pytest.mark.parametrize(("num_linked", "num_held_out", "told"), [(97, 3, True), (93, 7, True), (92, 8, False)])
def test_clearly_fewer_than_asked_for_are_told_of(num_linked, num_held_out, told):
    """Ten of 100 are asked for, and all but the linked ones are fewer; from 7.5 on nothing is said."""
    pictures = ["none yet"] * num_linked + [f"photo-{number}" for number in range(100 - num_linked)]
    found = prepared(labelled([f"p{number}" for number in range(100)], pictures=pictures), 0.1)
    assert len(found.held_out) == num_held_out
    assert any(f"{num_held_out} of 100 items are held out, where 10" in note for note in found.notes) == told


def test_products_that_all_belong_together_are_all_trained_on():
    """There is nothing to measure on, which is said; training goes on."""
    found = prepared(labelled(list("abcdef"), groups=["g"] * 6), 0.4)
    assert found.held_out is None
    assert len(found.training) == 6
    assert "0 of 6 items are held out, where 2 were asked for" in found.notes[0]


@given(st.integers(0, 99), st.floats(0.05, 0.9))
def test_links_to_nothing_else_change_nothing(seed, share):
    """Photos and groups of their own leave the split of a training as it was without them."""
    items = [str(number // 2) for number in range(30)]
    alone = choose_held_out(items, [], share, seed)
    linked = choose_held_out(items, [[None] * 30, [str(number) for number in range(30)], items], share, seed)
    np.testing.assert_array_equal(alone, linked)


def test_the_order_of_the_images_does_not_matter():
    """The same items are held out, whichever image comes first."""
    items, pictures = list("abcdefgh"), list("11233456")
    there = choose_held_out(items, [pictures], 0.4, seed=3)
    back = choose_held_out(items[::-1], [pictures[::-1]], 0.4, seed=3)
    np.testing.assert_array_equal(there, back[::-1])


def test_what_belongs_to_images_goes_with_them():
    """A subset has the groups and pictures of its images; other numbers of them are refused."""
    data = labelled(list("abc"), groups=["g", None, "h"], pictures=["1", "2", "3"]).subset([2, 0])
    assert (data.item_groups, data.pictures) == (["h", "g"], ["3", "1"])
    for wrong in ({"groups": ["g"]}, {"pictures": ["1", "2", "3", "4"]}):
        with pytest.raises(ValueError, match="as many of each"):
            labelled(list("abc"), **wrong)


def test_what_was_held_out_is_known_later(tmp_path):
    """Each picture once; where nothing was held out there is no file, and none are read."""
    write_held_out([], tmp_path)
    assert not (tmp_path / HELD_OUT_FILE).exists()
    assert read_held_out(tmp_path) == frozenset()
    write_held_out(["b7", "a4", "b7"], tmp_path)
    assert read_held_out(tmp_path) == {"a4", "b7"}


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"pictures": "a4"}', '{"pictures": [4]}'])
def test_a_damaged_list_of_what_was_held_out_is_named(tmp_path, content):
    """Nothing is measured on by mistake."""
    (tmp_path / HELD_OUT_FILE).write_text(content)
    with pytest.raises(UnusableModel, match=HELD_OUT_FILE):
        read_held_out(tmp_path)
