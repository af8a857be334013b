"""Image references lead to files of the feed's folder, and nowhere else unless that is allowed."""

from __future__ import annotations

import os

import pytest

from catalog.feeds import ImageFileMissing, ImagePathRefused, resolve_image_path


@pytest.fixture
def feed_folder(tmp_path):
    """A feed's folder with photos/red.jpg, beside a file that is none of its business."""
    folder = tmp_path / "feed"
    (folder / "photos").mkdir(parents=True)
    (folder / "photos" / "red.jpg").write_bytes(b"red")
    (tmp_path / "secret.jpg").write_bytes(b"secret")
    (tmp_path / "feed-of-another").mkdir()
    (tmp_path / "feed-of-another" / "blue.jpg").write_bytes(b"blue")
    return folder


@pytest.mark.parametrize("source", ["photos/red.jpg", "./photos//red.jpg", "photos/../photos/red.jpg"])
def test_relative_paths_lead_into_the_folder(feed_folder, source):
    """Dots are fine as long as the way ends in the folder."""
    assert resolve_image_path(source, feed_folder) == feed_folder / "photos" / "red.jpg"


@pytest.mark.parametrize("source", ["../secret.jpg", "photos/../../secret.jpg", "../feed-of-another/blue.jpg"])
@pytest.mark.parametrize("allow_absolute", [False, True])
def test_relative_paths_out_of_the_folder_are_refused(feed_folder, source, allow_absolute):
    """Also into a folder whose name starts alike, and also where absolute paths are allowed."""
    with pytest.raises(ImagePathRefused) as caught:
        resolve_image_path(source, feed_folder, allow_absolute=allow_absolute)
    assert caught.value.received.startswith(source)
    assert caught.value.expected == f"a file below {feed_folder}"


def test_symbolic_links_out_of_the_folder_are_refused(feed_folder):
    """A link to a file, and a link to a folder in the middle of the path."""
    (feed_folder / "link.jpg").symlink_to(feed_folder.parent / "secret.jpg")
    (feed_folder / "linked").symlink_to(feed_folder.parent)
    for source in ("link.jpg", "linked/secret.jpg"):
        with pytest.raises(ImagePathRefused):
            resolve_image_path(source, feed_folder)


def test_symbolic_links_within_the_folder_are_followed(feed_folder):
    """The real path comes back, so that what is opened is what was checked."""
    (feed_folder / "link.jpg").symlink_to("photos/red.jpg")
    assert resolve_image_path("link.jpg", feed_folder) == feed_folder / "photos" / "red.jpg"


def test_folder_may_itself_be_reached_through_a_link(feed_folder, tmp_path):
    """The folder is followed too, before the two are compared."""
    (tmp_path / "current").symlink_to(feed_folder)
    assert resolve_image_path("photos/red.jpg", tmp_path / "current") == feed_folder / "photos" / "red.jpg"


def test_absolute_paths_need_to_be_allowed(feed_folder):
    """Even one into the folder: the feed would not work on another machine."""
    source = str(feed_folder / "photos" / "red.jpg")
    with pytest.raises(ImagePathRefused) as caught:
        resolve_image_path(source, feed_folder)
    assert "allow absolute paths" in caught.value.remedy
    assert resolve_image_path(source, feed_folder, allow_absolute=True) == feed_folder / "photos" / "red.jpg"


def test_allowed_absolute_paths_lead_anywhere(feed_folder):
    """That is what allowing them means."""
    source = str(feed_folder.parent / "secret.jpg")
    assert resolve_image_path(source, feed_folder, allow_absolute=True) == feed_folder.parent / "secret.jpg"


@pytest.mark.parametrize(
    "source", ["missing.jpg", "photos", ".", "photos/red.jpg/x", "a\x00.jpg", "\ud800.jpg", "x" * 300, "x/" * 3000]
)
def test_what_is_no_file_is_missing(feed_folder, source):
    """Nothing there, a folder, a file used as a folder, names that no file has."""
    with pytest.raises(ImageFileMissing):
        resolve_image_path(source, feed_folder)


def test_pipes_and_endless_links_are_missing(feed_folder):
    """Opening a pipe would wait for ever; a link to itself leads nowhere."""
    os.mkfifo(feed_folder / "pipe.jpg")
    (feed_folder / "loop.jpg").symlink_to("loop.jpg")
    with pytest.raises(ImageFileMissing, match="not a regular file"):
        resolve_image_path("pipe.jpg", feed_folder)
    with pytest.raises(ImageFileMissing):
        resolve_image_path("loop.jpg", feed_folder)
