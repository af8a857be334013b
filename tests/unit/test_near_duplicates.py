"""Which of a product's photos is shown in the stead of which."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from catalog.services.indexing.near_duplicates import Photo, shown_instead
from embeddings.photo_hash import PhotoHash, are_near_duplicates

GREY = bytes([128] * 51)


def photo(id, bits, key=None, colors=GREY):
    """A photo whose first ``bits`` bits of 256 are set: two of them differ in the difference of their numbers."""
    hash = None if bits is None else PhotoHash((1 << bits) - 1, colors)
    return Photo(id, key or f"content-{id}", hash)


def test_each_duplicates_the_first_shown_one_that_it_resembles():
    """Bits 0, 40 and 80: 40 apart is near (≤ 52), 80 is not. 20 is near both 0 and 70 apart by 50: the first counts."""
    assert shown_instead([photo(7, 0), photo(5, 40)]) == {5: 7}
    assert shown_instead([photo(7, 0), photo(5, 70), photo(9, 20)]) == {9: 7}


def test_what_resembles_a_duplicate_only_is_shown():
    assert shown_instead([photo(7, 0), photo(5, 40), photo(3, 80)]) == {5: 7}
    assert shown_instead([photo(5, 40), photo(7, 0), photo(3, 80)]) == {7: 5, 3: 5}


def test_the_same_file_and_crop_is_a_duplicate_even_where_it_shows_nothing():
    flat = PhotoHash(None, GREY)
    assert shown_instead([Photo(1, "a", flat), Photo(2, "a", flat), Photo(3, "b", flat)]) == {2: 1}


def test_what_was_not_hashed_hides_nothing_and_is_not_hidden():
    assert shown_instead([photo(1, None, "a"), photo(2, 0, "a"), photo(3, None, "a"), photo(4, 10)]) == {4: 2}


@given(st.lists(st.none() | st.integers(0, 256), max_size=12))
def test_only_shown_photos_stand_for_others_and_no_two_of_them_are_alike(all_bits):
    photos = [photo(100 - place, bits) for place, bits in enumerate(all_bits)]
    instead = shown_instead(photos)
    shown = [one for one in photos if one.id not in instead]
    assert set(instead.values()) <= {one.id for one in shown}
    hashes = [one.hash for one in shown if one.hash is not None]
    assert not any(are_near_duplicates(one, other) for at, one in enumerate(hashes) for other in hashes[:at])
