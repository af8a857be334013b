"""A model version goes into one file and comes out of it whole, and nothing else comes out of such a file."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shutil
import socket
import tarfile
from pathlib import Path

import pytest

from embeddings.errors import UnusableWeights
from embeddings.export.archive import UnusableArchive, read_archive, write_archive
from embeddings.manifest import MANIFEST_FILE
from embeddings.model_store import ModelStore, ModelVersion, ModelVersionExists
from embeddings.whole_file import UnwritableFile, written_whole

SHIPPED = "compact-rendered"
WEIGHTS = "compact_multiattrib.weights.h5"
SCORE = re.compile(rb'("scores": \{\s*"[^"]*": )[0-9.]+')


@pytest.fixture
def version(tmp_path):
    return ModelStore(tmp_path / "here").open(SHIPPED)


@pytest.fixture
def elsewhere(tmp_path):
    """The store of another machine, to which no version was shipped."""
    return ModelStore(tmp_path / "elsewhere", shipped=tmp_path / "none")


@pytest.fixture
def archive(version, tmp_path):
    path = tmp_path / "version.tar"
    write_archive(version, path)
    return path


def rewritten(archive: Path, change) -> Path:
    """The archive with its entries, (TarInfo, bytes) pairs, as ``change`` returns them."""
    with tarfile.open(archive) as file:
        entries = [(entry, file.extractfile(entry).read()) for entry in file]
    with tarfile.open(archive, "w") as file:
        for entry, content in change(entries):
            entry.size = len(content) if entry.isreg() else 0
            file.addfile(entry, io.BytesIO(content))
    return archive


def named(name, content=b"x", kind=tarfile.REGTYPE):
    entry = tarfile.TarInfo(name)
    entry.type = kind
    entry.linkname = "/etc/passwd"
    return entry, content


def test_a_version_survives_the_journey(version, archive, elsewhere):
    """Manifest and weights are the same bytes, and the version opens under its name."""
    moved = read_archive(archive, elsewhere)
    assert moved.manifest == version.manifest
    for name in (MANIFEST_FILE, WEIGHTS):
        assert (moved.folder / name).read_bytes() == (version.folder / name).read_bytes()
    assert elsewhere.list() == [SHIPPED]


def test_the_same_version_gives_the_same_bytes(version, archive, tmp_path):
    """No owner, no time: archives can be compared by their hash."""
    size = write_archive(version, tmp_path / "again.tar")
    assert (tmp_path / "again.tar").read_bytes() == archive.read_bytes()
    assert size == archive.stat().st_size


@pytest.fixture
def trained(version, tmp_path):
    """The version with a history of its training, and something else that its manifest does not name."""
    folder = tmp_path / "trained" / SHIPPED
    shutil.copytree(version.folder, folder)
    for name in ("history.json", "history.csv", "held-out.json", "notes.txt"):
        (folder / name).write_text(f"of the {name}\n")
    return ModelVersion(version.manifest, folder)


def test_what_is_known_of_a_training_goes_along(trained, elsewhere, tmp_path):
    """Epoch by epoch, though the manifest does not name it; what else lies there stays."""
    write_archive(trained, tmp_path / "version.tar")
    folder = read_archive(tmp_path / "version.tar", elsewhere).folder
    expected = {MANIFEST_FILE, WEIGHTS, "history.json", "history.csv", "held-out.json"}
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {
        name: (trained.folder / name).read_bytes() for name in expected
    }


@pytest.mark.parametrize("alter", [lambda entry: None, lambda entry: entry.pax_headers.clear()])
def test_an_altered_history_is_refused(trained, elsewhere, tmp_path, alter):
    """Its hash travels in the archive; without it nothing tells that it is whole."""
    write_archive(trained, tmp_path / "version.tar")

    def change(entries):
        for entry, content in entries:
            history = entry.name.endswith("history.csv")
            if history:
                alter(entry)
            yield entry, content.replace(b"history", b"mystery") if history and entry.pax_headers else content

    with pytest.raises(UnusableArchive, match=r"history\.csv, altered or without its SHA-256"):
        read_archive(rewritten(tmp_path / "version.tar", change), elsewhere)
    assert elsewhere.list() == []


def test_a_version_that_is_there_is_not_overwritten(archive, elsewhere):
    """Versions never change, wherever the other one comes from."""
    read_archive(archive, elsewhere)
    with pytest.raises(ModelVersionExists):
        read_archive(archive, elsewhere)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda entries: [*entries, named("../evil")], r"the path \.\./evil"),
        (lambda entries: [*entries, named("/tmp/evil")], "the path /tmp/evil"),
        (lambda entries: [*entries, named(f"{SHIPPED}/../../evil")], "the path"),
        (lambda entries: [*entries, named(f"{SHIPPED}/..")], "the path"),
        (lambda entries: [*entries, named(f"{SHIPPED}/deep/evil")], "the path"),
        (lambda entries: [*entries, named(f"{SHIPPED}/link", kind=tarfile.SYMTYPE)], "not a plain file"),
        (lambda entries: [*entries, named(f"{SHIPPED}/link", kind=tarfile.LNKTYPE)], "not a plain file"),
        (lambda entries: [*entries, named(f"{SHIPPED}/device", kind=tarfile.CHRTYPE)], "not a plain file"),
        (lambda entries: [*entries, named(f"{SHIPPED}/extra.bin")], "the files .*extra.bin.*; its manifest names"),
        (lambda entries: [*entries, entries[0]], "twice"),
        (lambda entries: entries[:1], "its manifest names"),
        (lambda entries: entries[1:], "not among them"),
        (lambda entries: [], "0 files in 0 folders"),
        (lambda entries: [*entries, named("other/thing")], "in 2 folders"),
        (lambda entries: [(entries[0][0], b"{"), entries[1]], "manifest.json: Expecting"),
        (
            lambda entries: [(entries[0][0], SCORE.sub(b"\\g<1>1" + b"0" * 400, entries[0][1], count=1)), entries[1]],
            "scores.* must lie within",
        ),
        (
            lambda entries: [named(f"renamed/{Path(entry.name).name}", content) for entry, content in entries],
            "the folder renamed for version",
        ),
        (lambda entries: [(entries[0][0], b" " * (16 * 2**20 + 1)), entries[1]], "a manifest of 16,777,217 bytes"),
    ],
)
def test_what_is_no_archive_of_a_version_is_refused(archive, elsewhere, tmp_path, change, message):
    """Paths that lead out, links, devices, surplus and missing files: nothing is written, and the error says which."""
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(UnusableArchive, match=message):
        read_archive(rewritten(archive, change), elsewhere)
    assert elsewhere.list() == []
    assert [path for path in sorted(tmp_path.rglob("*")) if path not in before] in ([], [tmp_path / "elsewhere"])


def test_altered_weights_are_refused(archive, elsewhere):
    """A flipped bit on the way is noticed by the hash in the manifest."""
    rewritten(archive, lambda entries: [entries[0], (entries[1][0], entries[1][1][:-1] + b"?")])
    with pytest.raises(UnusableWeights, match="altered or cut off"):
        read_archive(archive, elsewhere)
    assert elsewhere.list() == []


@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.99])
def test_a_cut_off_file_is_refused(archive, elsewhere, share):
    """Wherever the copy stopped, nothing is added."""
    whole = archive.read_bytes()
    archive.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(UnusableArchive):
        read_archive(archive, elsewhere)
    assert elsewhere.list() == []


@pytest.mark.parametrize("content", [b"no archive" * 100, None])
def test_a_file_that_is_no_archive_is_refused(tmp_path, elsewhere, content):
    """A foreign file and a missing one are told apart from damaged versions."""
    path = tmp_path / "some.tar"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UnusableArchive, match=r"some\.tar is no archive"):
        read_archive(path, elsewhere)


def test_a_folder_is_no_archive(tmp_path, elsewhere):
    """A version's folder, given by mistake, is told as such."""
    with pytest.raises(UnusableArchive, match="received: a folder"):
        read_archive(tmp_path, elsewhere)


def test_damaged_weights_are_not_exported(archive, elsewhere, tmp_path):
    """What would not be taken in is not written out, and an earlier file of that name stays."""
    moved = read_archive(archive, elsewhere)
    (moved.folder / WEIGHTS).write_bytes(b"cut")
    before = archive.read_bytes()
    with pytest.raises(UnusableWeights):
        write_archive(moved, archive)
    assert archive.read_bytes() == before


def test_a_folder_that_is_not_there_cannot_be_written_to(version, tmp_path):
    """The error names the file, and nothing is left behind."""
    with pytest.raises(UnwritableFile, match="No such file") as caught:
        write_archive(version, tmp_path / "missing" / "version.tar")
    assert "missing/version.tar" in str(caught.value)


def test_a_full_disk_leaves_the_earlier_file(tmp_path, monkeypatch):
    """What cannot be flushed to the disk does not take the name; the half-written file goes."""
    path = tmp_path / "file.bin"
    path.write_bytes(b"earlier")

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("embeddings.whole_file.os.fsync", full)
    with pytest.raises(UnwritableFile, match="No space left"), written_whole(path) as file:
        file.write(b"later")
    assert path.read_bytes() == b"earlier"
    assert list(tmp_path.iterdir()) == [path]


def test_an_interruption_leaves_the_earlier_file(tmp_path):
    """Ctrl-C while writing is no half file."""
    path = tmp_path / "file.bin"
    path.write_bytes(b"earlier")
    with pytest.raises(KeyboardInterrupt), written_whole(path) as file:
        _interrupt_after_half(file)
    assert path.read_bytes() == b"earlier"
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_stays_and_what_it_leads_to_is_written(tmp_path):
    """Whether there is a file at its end already or not."""
    (tmp_path / "away").mkdir()
    for name, before in (("there", b"earlier"), ("missing", None)):
        target, link = tmp_path / "away" / name, tmp_path / name
        if before is not None:
            target.write_bytes(before)
        link.symlink_to(Path("away", name))
        with written_whole(link) as file:
            file.write(b"later")
        assert link.is_symlink()
        assert target.read_bytes() == b"later"
    assert sorted(path.name for path in (tmp_path / "away").iterdir()) == ["missing", "there"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["away", "missing", "there"]


def test_what_is_no_file_is_not_replaced(tmp_path):
    """A pipe, a socket, a folder, links to them, and a link to itself stay what they are; devices are treated alike."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "loop").symlink_to("loop")
    for name in ("pipe", "folder"):
        (tmp_path / f"to-{name}").symlink_to(name)
    with socket.socket(socket.AF_UNIX) as listening, contextlib.chdir(tmp_path):
        # By a short name, because that of a socket has at most 107 bytes.
        listening.bind("socket")
        before = {path: path.lstat() for path in tmp_path.iterdir()}
        for path in before:
            with pytest.raises(UnwritableFile, match=path.name), written_whole(path) as file:
                file.write(b"later")
        assert {path: (path.lstat().st_ino, path.lstat().st_mode) for path in tmp_path.iterdir()} == {
            path: (status.st_ino, status.st_mode) for path, status in before.items()
        }


def _interrupt_after_half(file):
    file.write(b"half")
    raise KeyboardInterrupt
