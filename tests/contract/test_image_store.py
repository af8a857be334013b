"""What every image store promises, held against a local folder and against memory."""

from __future__ import annotations

import hashlib
import threading
import uuid
from functools import partial
from pathlib import Path

import fsspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from catalog.adapters.files.fsspec_image_store import FsspecImageStore
from catalog.errors import ImageStoreUnavailable, InvalidRequest
from catalog.ports.image_store import ImageStore, StoredImageAltered, StoredImageMissing
from tests.leaving_store import LeavingFileSystem

DRESS = b"the bytes of a dress"
DRESS_SHA256 = hashlib.sha256(DRESS).hexdigest()
ABSENT = hashlib.sha256(b"never stored").hexdigest()


@pytest.fixture(params=["file", "memory"])
def url(request, tmp_path) -> str:
    """Address of an empty store, of each kind in turn."""
    return (tmp_path / "images").as_uri() if request.param == "file" else f"memory://{uuid.uuid4()}"


@pytest.fixture
def store(url) -> ImageStore:
    return FsspecImageStore(url)


def files_of(url: str) -> dict[str, bytes]:
    """Everything that lies in the store, by path relative to it."""
    files, root = fsspec.core.url_to_fs(url)
    if not files.exists(root):
        return {}
    return {path.removeprefix(root).lstrip("/"): files.cat_file(path) for path in files.find(root)}


def overwrite(url: str, sha256: str, data: bytes) -> None:
    files, root = fsspec.core.url_to_fs(url)
    files.pipe_file(f"{root}/{sha256[:2]}/{sha256[2:4]}/{sha256}", data)


def test_what_is_put_comes_back_under_its_hash(store):
    """``put`` answers with the SHA-256, under which ``get`` finds the same bytes."""
    assert store.put(DRESS) == DRESS_SHA256
    assert store.get(DRESS_SHA256) == DRESS


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30, deadline=None)
@given(data=st.binary(max_size=4096))
def test_any_bytes_survive(store, data):
    """No content is special, the empty one included."""
    assert store.get(store.put(data)) == data


def test_equal_contents_are_stored_once(store, url):
    """Putting twice leaves one file, in folders of the hash's first two pairs of digits, and nothing else."""
    store.put(DRESS)
    store.put(bytes(DRESS))
    assert files_of(url) == {f"{DRESS_SHA256[:2]}/{DRESS_SHA256[2:4]}/{DRESS_SHA256}": DRESS}


def test_a_stored_content_is_not_written_again(store, url):
    """A second ``put`` leaves the file alone: a change made behind the store's back, of equal length, stays."""
    store.put(DRESS)
    altered = bytes(reversed(DRESS))
    overwrite(url, DRESS_SHA256, altered)
    store.put(DRESS)
    assert list(files_of(url).values()) == [altered]


def test_a_short_file_is_replaced(store, url):
    """What power loss cut short is written again by the next ``put``."""
    store.put(DRESS)
    overwrite(url, DRESS_SHA256, DRESS[:3])
    store.put(DRESS)
    assert store.get(DRESS_SHA256) == DRESS


def test_exists_tells_what_is_there(store):
    """False before, true after, false after removal."""
    assert not store.exists(DRESS_SHA256)
    store.put(DRESS)
    assert store.exists(DRESS_SHA256)
    assert not store.exists(ABSENT)
    store.delete(DRESS_SHA256)
    assert not store.exists(DRESS_SHA256)


def test_deleting_removes_one_content_alone(store):
    """Others stay; removing what is not there is no error."""
    store.put(DRESS)
    other = store.put(b"a skirt")
    store.delete(DRESS_SHA256)
    store.delete(DRESS_SHA256)
    store.delete(ABSENT)
    assert store.get(other) == b"a skirt"
    with pytest.raises(StoredImageMissing):
        store.get(DRESS_SHA256)


def test_a_missing_content_is_named(store):
    """The error carries the hash asked for and what to do."""
    with pytest.raises(StoredImageMissing, match=ABSENT) as caught:
        store.get(ABSENT)
    assert "Ingest" in caught.value.remedy


@pytest.mark.parametrize("altered", [b"", b"the bytes of a DRESS", DRESS + b"!"])
def test_altered_bytes_are_never_handed_out(store, url, altered):
    """Other bytes under the name, of whatever length, are an error that names both hashes."""
    store.put(DRESS)
    overwrite(url, DRESS_SHA256, altered)
    with pytest.raises(StoredImageAltered, match=DRESS_SHA256) as caught:
        store.get(DRESS_SHA256)
    assert hashlib.sha256(altered).hexdigest() in caught.value.received


@pytest.mark.parametrize("name", ["", "abc", DRESS_SHA256.upper(), "../" + DRESS_SHA256[3:], DRESS_SHA256 + "\n"])
def test_names_that_are_no_hashes_are_refused(store, name):
    """Nothing outside the store can be reached through a name."""
    for operation in (store.get, store.exists, store.delete):
        with pytest.raises(InvalidRequest):
            operation(name)


def test_threads_that_put_the_same_content_do_not_collide(store, url):
    """Sixteen puts at once of one content leave that content, whole, and no temporary file."""
    data = bytes(range(256)) * 4096
    barrier = threading.Barrier(16)

    def put_together() -> None:
        barrier.wait()
        store.put(data)

    threads = [threading.Thread(target=put_together) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert list(files_of(url).values()) == [data]


def test_folders_with_any_name_are_used_as_they_are(tmp_path):
    """A ``file:`` URL escapes spaces and signs; the folder on the disk is the one that was meant."""
    folder = tmp_path / "our images #1 100%"
    FsspecImageStore(folder.as_uri()).put(DRESS)
    assert (folder / DRESS_SHA256[:2] / DRESS_SHA256[2:4] / DRESS_SHA256).read_bytes() == DRESS
    assert FsspecImageStore(str(folder)).get(DRESS_SHA256) == DRESS


def test_a_failed_write_leaves_nothing(tmp_path, monkeypatch):
    """When the rename fails, the error says so and the temporary file is gone."""
    store = FsspecImageStore(str(tmp_path))

    def refuse(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(ImageStoreUnavailable, match="No space left"):
        store.put(DRESS)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_store_that_cannot_be_written_is_named(tmp_path):
    """A file where the store's folder should be."""
    (tmp_path / "file").write_text("")
    with pytest.raises(ImageStoreUnavailable, match="DRAPE_IMAGE_STORE"):
        FsspecImageStore(str(tmp_path / "file")).put(DRESS)


def test_a_store_whose_library_has_errors_of_its_own_is_away_like_any_other():
    """Those of S3's, for one, are no ``OSError``. It answers again as soon as it is back."""
    LeavingFileSystem.empty()
    store = FsspecImageStore("leaving://images")
    store.put(DRESS)
    LeavingFileSystem.leave()
    asked = (lambda: store.put(DRESS), *(partial(ask, DRESS_SHA256) for ask in (store.get, store.exists, store.delete)))
    for ask in asked:
        with pytest.raises(ImageStoreUnavailable, match="EndpointUnreachable: Could not connect"):
            ask()
    LeavingFileSystem.stay()
    assert store.get(DRESS_SHA256) == DRESS
    LeavingFileSystem.empty()


def test_a_mistake_is_not_taken_for_a_store_that_is_away(store, monkeypatch):
    monkeypatch.setattr(store._location.files, "cat_file", lambda path: path.no_such_method())
    with pytest.raises(AttributeError, match="no_such_method"):
        store.get(DRESS_SHA256)


def test_an_unknown_protocol_is_named():
    """The address is checked when the store is made, not with the first image."""
    with pytest.raises(ImageStoreUnavailable, match=r"nosuch://images"):
        FsspecImageStore("nosuch://images")
