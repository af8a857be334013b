"""Rendered photos: the same for the same request, different where items or views differ, true to the attributes."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from embeddings.datasets.rendered import RenderedItem, items, render_view
from embeddings.datasets.rendered import vocabulary as words
from embeddings.datasets.rendered.scene import frame_plane, take_shot
from embeddings.datasets.rendered.sheets import contact_sheet
from embeddings.datasets.rendered.tailoring import cut_and_sew, extent_of

CATALOG = list(items(240, seed=9))
HEIGHT = 96


def altered(item: RenderedItem, **changes) -> RenderedItem:
    return replace(item, look=replace(item.look, **changes))


def plain_dress(**changes) -> RenderedItem:
    """A plain cotton dress without details, so that one thing at a time can be changed."""
    standard = {
        "kind": "dress",
        "color": "red",
        "accent": "",
        "pattern": "plain",
        "stripes": "",
        "fabric": "cotton",
        "neckline": "round",
        "sleeve": "sleeveless",
        "length": "knee",
        "silhouette": "a-line",
        "fit": "",
        "details": (),
        "color_rgb": words.COLORS["red"],
        "accent_rgb": words.COLORS["white"],
        "cut": (0.0, 0.0, 0.0, 0.0, 0.0),
        "pattern_scale": 0.5,
        "texture_seed": 12345,
    }
    return altered(CATALOG[0], **{**standard, **changes})


def garment_mask(item: RenderedItem, height: int = HEIGHT) -> np.ndarray:
    """Where the garment is in its packshot, from its geometry."""
    plane = frame_plane(extent_of(item.look), take_shot(item.look.texture_seed, 0), height * 3 // 4, height)
    mask = np.zeros(plane.x.shape, dtype=bool)
    for piece in cut_and_sew(item.look, plane):
        mask[piece.window] |= piece.coverage > 0.99
    return mask


def difference(first: np.ndarray, second: np.ndarray) -> float:
    return float(np.abs(first.astype(int) - second.astype(int)).mean())


def test_a_photo_has_the_promised_form():
    """(height, 3/4 height, 3) uint8, writable."""
    photo = render_view(CATALOG[0], 0, HEIGHT)

    assert photo.shape == (96, 72, 3)
    assert photo.dtype == np.uint8
    assert photo.flags.writeable


def test_the_same_request_gives_the_same_pixels():
    """Rendering twice, in whatever order, changes nothing."""
    first = render_view(CATALOG[1], 2, HEIGHT)
    render_view(CATALOG[2], 1, HEIGHT)

    np.testing.assert_array_equal(render_view(CATALOG[1], 2, HEIGHT), first)


def test_another_process_gives_the_same_pixels():
    """Nothing depends on the process: hash seeds, caches, order of import."""
    script = (
        "import hashlib; from embeddings.datasets.rendered import items, render_view\n"
        "photos = [render_view(item, view, 64).tobytes() for item in items(6, 9) for view in (0, 1)]\n"
        "print(hashlib.sha256(b''.join(photos)).hexdigest())"
    )
    here = b"".join(render_view(item, view, 64).tobytes() for item in CATALOG[:6] for view in (0, 1))

    there = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)

    assert there.stdout.strip() == hashlib.sha256(here).hexdigest()


def test_views_of_one_item_differ():
    """Packshot and free-hand photos are different pictures of the same thing."""
    photos = [render_view(CATALOG[3], view, HEIGHT) for view in range(4)]

    for index, photo in enumerate(photos):
        for other in photos[index + 1 :]:
            assert difference(photo, other) > 3


def test_items_of_equal_attributes_differ():
    """Two red striped dresses, one with fine stripes and one with coarse, are different items to the eye."""
    fine = plain_dress(pattern="striped", stripes="horizontal", accent="white", pattern_scale=0.1)
    coarse = altered(fine, pattern_scale=0.9)

    assert fine.look.attributes == coarse.look.attributes
    assert difference(render_view(fine, 0, HEIGHT), render_view(coarse, 0, HEIGHT)) > 5


def test_everything_in_the_catalog_can_be_drawn():
    """Every combination that the catalog draws gives a garment that stands out from its ground."""
    for item in CATALOG:
        mask = garment_mask(item, 48)
        assert 0.05 < mask.mean() < 0.75, item.attributes
        # Nothing is cut off: the frame's border shows no garment.
        border = np.concatenate([mask[0], mask[-1], mask[:, 0], mask[:, -1]])
        assert not border.any(), item.attributes


@pytest.mark.parametrize("color", words.COLORS)
def test_cloth_has_its_named_color(color):
    """The median of a plain garment's pixels is nearer to its own named colour than to any other."""
    item = plain_dress(color=color, color_rgb=words.COLORS[color])
    photo = render_view(item, 0, HEIGHT)

    seen = np.median(photo[garment_mask(item)], axis=0)

    distances = {name: float(np.linalg.norm(seen - np.array(rgb))) for name, rgb in words.COLORS.items()}
    assert min(distances, key=distances.__getitem__) == color


def test_a_pattern_shows_both_of_its_colors():
    """Striped, dotted, checked … white on red: at least a tenth of the cloth is nearer to each of the two colours."""
    for pattern in words.PATTERNS:
        if pattern == "plain":
            continue
        stripes = "horizontal" if pattern == "striped" else ""
        item = plain_dress(pattern=pattern, stripes=stripes, accent="white", pattern_balance=0.6)
        cloth = render_view(item, 0, 192)[garment_mask(item, 192)].astype(float)
        nearer_red = np.linalg.norm(cloth - words.COLORS["red"], axis=1) < np.linalg.norm(
            cloth - np.array(words.COLORS["white"]), axis=1
        )
        assert 0.1 < nearer_red.mean() < 0.9, (pattern, nearer_red.mean())


def test_stripes_run_in_their_direction():
    """Colours change more across the stripes than along them."""

    def change(stripes: str) -> tuple[float, float]:
        item = plain_dress(pattern="striped", stripes=stripes, accent="white", silhouette="shift", length="maxi")
        center = render_view(item, 0, 256)[90:200, 80:112].astype(int)
        return float(np.abs(np.diff(center, axis=0)).mean()), float(np.abs(np.diff(center, axis=1)).mean())

    down, across = change("horizontal")
    assert down > 2 * across
    down, across = change("vertical")
    assert across > 2 * down


def test_longer_words_are_longer_garments():
    """Mini, knee, midi and maxi grow in this order, in body units and in the frame."""
    extents = [extent_of(plain_dress(length=length).look) for length in words.DRESS_LENGTHS]
    heights = [int(garment_mask(plain_dress(length=length)).any(axis=1).sum()) for length in words.DRESS_LENGTHS]

    assert [extent.bottom for extent in extents] == sorted(extent.bottom for extent in extents)
    assert extents[-1].bottom - extents[0].bottom > 0.35
    assert heights == sorted(heights)
    assert heights[-1] > heights[0] + 8


def test_sleeves_widen_the_garment():
    """Long sleeves add cloth beside the trunk where a sleeveless dress has none."""
    assert garment_mask(plain_dress(sleeve="long")).sum() > 1.15 * garment_mask(plain_dress()).sum()
    assert extent_of(plain_dress(sleeve="bell").look).half_width > extent_of(plain_dress().look).half_width


@pytest.mark.parametrize("neckline", [name for name in words.DRESS_NECKLINES if name != "round"])
def test_necklines_change_the_picture(neckline):
    """Each neckline is told from the round one by its pixels."""
    round_neck, other = render_view(plain_dress(), 0, 128), render_view(plain_dress(neckline=neckline), 0, 128)

    assert difference(round_neck, other) > 0.3


@pytest.mark.parametrize("fabric", [name for name in words.FABRICS if name != "cotton"])
def test_fabrics_change_the_picture(fabric):
    """Each fabric is told from cotton by its pixels, colour and cut being equal."""
    item = plain_dress(color="navy", color_rgb=words.COLORS["navy"])

    assert difference(render_view(item, 0, 128), render_view(altered(item, fabric=fabric), 0, 128)) > 0.8


@pytest.mark.parametrize("detail", words.DETAILS)
def test_details_change_the_picture(detail):
    """Each detail is seen."""
    dress = plain_dress(length="maxi")

    assert difference(render_view(dress, 0, 128), render_view(altered(dress, details=(detail,)), 0, 128)) > 0.1


def test_wrong_requests_are_refused():
    """No negative view and no picture too small to show anything."""
    with pytest.raises(ValueError, match="view"):
        render_view(CATALOG[0], -1, HEIGHT)
    with pytest.raises(ValueError, match="height"):
        render_view(CATALOG[0], 0, 31)


def test_a_contact_sheet_holds_every_photo():
    """Two items of three views in rows of four: two rows; the first cell is the first packshot."""
    sheet = contact_sheet(CATALOG[:2], num_views=3, height=48, num_columns=4)

    # Cells of 48 + 4 by 36 + 4 pixels.
    assert sheet.shape == (2 * 52, 4 * 40, 3)
    np.testing.assert_array_equal(sheet[:48, :36], render_view(CATALOG[0], 0, 48))
    np.testing.assert_array_equal(sheet[52:100, 40:76], render_view(CATALOG[1], 2, 48))
    with pytest.raises(ValueError, match="at least one"):
        contact_sheet([], num_views=1, height=48)
