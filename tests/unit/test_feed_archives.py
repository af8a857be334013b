"""Packed feeds: what comes out of an archive is read as if it had lain there unpacked, and nothing else comes out."""

from __future__ import annotations

import contextlib
import gzip
import io
import os
import random
import threading
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from catalog.errors import FeedUnreadable
from catalog.feeds import FeedFormat, archives, open_feed
from catalog.types import ProductRecord

FEED = b"id,title,image\n1,Red,photos/1.jpg\n"
ENCRYPTED = 1


def zip_of(files, method=zipfile.ZIP_DEFLATED):
    """A ZIP archive's bytes, from contents by name; a name that ends in / is a folder."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def write(tmp_path, name, data):
    path = tmp_path / name
    path.write_bytes(data)
    return path


def items_of(path):
    with open_feed(path) as feed:
        return list(feed)


def refusal_of(path):
    with pytest.raises(FeedUnreadable) as caught:
        items_of(path)
    assert path.name in caught.value.message
    return caught.value


@pytest.mark.parametrize("name", ["feed.csv.gz", "feed.csv", "feed", "feed.zip"])
def test_gzip_is_known_by_its_content(tmp_path, name):
    """Whatever it is called; nothing is worth a note."""
    with open_feed(write(tmp_path, name, gzip.compress(FEED))) as feed:
        (product,) = feed
        assert (feed.packing, feed.notes) == ("gzip", ())
    assert (product.external_id, product.line, product.images[0].source) == ("1", 2, "photos/1.jpg")


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("inner", ["feed.csv", "export/2026/feed.csv", "../../feed.csv", "/feed.csv", "feed"])
def test_zip_of_one_file_is_read_without_being_unpacked(tmp_path, method, inner):
    """A single file needs no telling name, and no name in an archive becomes a file."""
    folder = tmp_path / "a" / "b"
    folder.mkdir(parents=True)
    with open_feed(write(folder, "feed.zip", zip_of({inner: FEED}, method))) as feed:
        (product,) = feed
        assert (feed.packing, feed.notes) == ("ZIP", ())
    assert product.external_id == "1"
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["feed.zip"]


def test_the_name_within_tells_the_format(tmp_path):
    """A single column name fits every separator: the name decides, that of the file without .gz or that in the ZIP."""
    broken = b'"id": 7}\n{"id": 1, "title": "Red", "image": "a.jpg"}\n'
    for path in (
        write(tmp_path, "feed.jsonl.gz", gzip.compress(broken)),
        write(tmp_path, "feed.csv.zip", zip_of({"feed.jsonl": broken})),
    ):
        with open_feed(path) as feed:
            assert feed.layout.format is FeedFormat.JSONL
            assert feed.notes == ()


def test_what_systems_put_beside_files_is_left_alone(tmp_path):
    """Folders, and files of macOS and Windows, some of which have the feed's own name."""
    data = zip_of(
        {"export/": b"", "export/feed.csv": FEED, "__MACOSX/export/._feed.csv": b"x", "export/._feed.csv": b"x",
         "export/.DS_Store": b"x", "Thumbs.db": b"x"},
    )  # fmt: skip
    with open_feed(write(tmp_path, "feed.zip", data)) as feed:
        assert [item.external_id for item in feed] == ["1"]
        assert feed.notes == ()


def test_other_files_beside_the_feed_are_noted(tmp_path):
    """A text and the photos, which are read from the archive's folder alone."""
    data = zip_of({"read me.txt": b"Dear customer", "feed.csv": FEED, "photos/1.jpg": b"x"})
    with open_feed(write(tmp_path, "feed.zip", data)) as feed:
        assert [item.external_id for item in feed] == ["1"]
        assert feed.notes == ("The archive was read for feed.csv; its other files were left alone.",)


@pytest.mark.parametrize(
    ("files", "received"),
    [
        ({"women.csv": FEED, "men.tsv": FEED}, "2 feeds: women.csv, men.tsv"),
        ({"a.txt": FEED, "b.txt": FEED}, "no feeds: a.txt, b.txt"),
        ({"folder/": b""}, "an archive without files"),
        ({}, "an archive without files"),
    ],
)
def test_archive_that_does_not_hold_one_feed_lists_what_it_holds(tmp_path, files, received):
    """Which one is meant cannot be guessed."""
    error = refusal_of(write(tmp_path, "feed.zip", zip_of(files)))
    assert error.received == received
    assert error.remedy == "Make an archive of the feed alone."


@pytest.mark.parametrize("name", ["[Content_Types].xml", "mimetype"])
def test_spreadsheet_is_told_from_an_archive(tmp_path, name):
    """XLSX and ODS are ZIP archives, too."""
    error = refusal_of(write(tmp_path, "feed.xlsx", zip_of({name: b"x", "content.xml": b"x"})))
    assert error.received == "a spreadsheet or another document"
    assert error.remedy == "Save the spreadsheet as CSV in UTF-8."


def test_encrypted_and_unusual_archives_are_refused(tmp_path):
    """Nobody is asked for a password; bzip2 and LZMA can take memory without bound."""
    data = bytearray(zip_of({"feed.csv": FEED}))
    # The flags of a file lie 8 bytes behind the start of its entry in the table of contents.
    data[data.index(b"PK\x01\x02") + 8] |= ENCRYPTED
    assert refusal_of(write(tmp_path, "feed.zip", data)).received == "a password on feed.csv"
    squeezed = refusal_of(write(tmp_path, "feed.zip", zip_of({"feed.csv": FEED}, zipfile.ZIP_BZIP2)))
    assert squeezed.received == "method 12 for feed.csv"


def test_archive_of_too_many_files_is_refused(tmp_path, monkeypatch):
    """Its table of contents would have to be held in memory: 99 files with names of 100 bytes, 146 bytes each."""
    monkeypatch.setattr(archives, "_MAX_CONTENTS_BYTES", 99 * 146 - 1)
    data = zip_of({f"{number:0>100}": b"" for number in range(99)})
    assert refusal_of(write(tmp_path, "feed.zip", data)).received == "a table of contents of 14,454 bytes"


def packed_rows(pack, num_rows=20_000):
    """A packed feed whose rows do not compress well, so that it is longer than what is read at once."""
    source = random.Random(7)
    rows = "".join(f"{number},{source.getrandbits(400):x},{number}.jpg\n" for number in range(num_rows))
    return pack(b"id,title,image\n" + rows.encode())


PACKINGS = pytest.mark.parametrize(
    "pack", [gzip.compress, lambda data: zip_of({"feed.csv": data})], ids=["gzip", "zip"]
)


@PACKINGS
def test_position_counts_bytes_of_the_archive(tmp_path, pack):
    """What a progress bar needs: from near 0, never going back, to the length of the file on disk."""
    path = write(tmp_path, "feed", packed_rows(pack))
    with open_feed(path) as feed:
        assert feed.num_bytes == path.stat().st_size > 2**20
        positions = [feed.position for _ in feed]
        assert feed.position == feed.num_bytes
        assert feed.num_rows == 20_000
    assert positions == sorted(positions)
    assert positions[0] < feed.num_bytes / 3


@PACKINGS
@pytest.mark.parametrize("share", [0.5, 0.999])
def test_archive_cut_short_is_told(tmp_path, pack, share):
    """Rows of gzip come as far as they are whole, then the error. A ZIP archive cut short has no table of contents."""
    data = packed_rows(pack)
    path = write(tmp_path, "feed", data[: int(len(data) * share)])
    products = []
    with pytest.raises(FeedUnreadable, match="damaged or not complete"), open_feed(path) as feed:
        products.extend(feed)
    assert bool(products) is (pack is gzip.compress)


@PACKINGS
def test_damage_in_the_middle_is_told_after_the_rows_before(tmp_path, pack):
    """Of changed bytes, at the latest the checksum at the end tells."""
    data = bytearray(packed_rows(pack))
    middle = len(data) // 2
    data[middle : middle + 100] = bytes(100)
    products = []
    path = write(tmp_path, "feed", data)
    with pytest.raises(FeedUnreadable, match="damaged or not complete") as caught, open_feed(path) as feed:
        products.extend(feed)
    assert caught.value.remedy == "Copy it again, or make it again from the feed."
    assert len(products) > 1000


@PACKINGS
def test_bomb_ends_at_the_bound(tmp_path, pack, monkeypatch):
    """A feed that grows 1,000 times, as no feed does: 200 times its size and the allowance come out, then the error."""
    monkeypatch.setattr(archives, "ALLOWED_BYTES", 2**17)
    path = write(tmp_path, "feed", pack(FEED + b"2,Red,a.jpg\n" * 100_000))
    products = []
    with pytest.raises(FeedUnreadable, match="becomes too large") as caught, open_feed(path) as feed:
        products.extend(feed)
    bound = 2**17 + 200 * path.stat().st_size
    assert f"out of {path.stat().st_size:,}" in caught.value.received
    assert bound - 2**18 < len(products) * len(b"2,Red,a.jpg\n") <= bound


def test_small_feeds_may_be_as_uniform_as_they_like(tmp_path):
    """A bound by ratio alone would refuse them: 1.2 MB in some 3 kB are 400 times."""
    data = gzip.compress(b"id,title,image\n" + b"2,Red,a.jpg\n" * 100_000)
    assert len(data) * archives.MAX_RATIO < 1_200_000
    assert len(items_of(write(tmp_path, "feed.csv.gz", data))) == 100_000


def test_gzip_files_one_after_the_other_are_one_feed(tmp_path):
    """As `cat` and parallel compressors make them; padding with zeros at the end does no harm."""
    data = gzip.compress(FEED) + gzip.compress(b"2,Blue,b.jpg\n") + bytes(512)
    assert [item.external_id for item in items_of(write(tmp_path, "feed.csv.gz", data))] == ["1", "2"]


def test_pipe_may_deliver_gzip_but_no_zip(tmp_path):
    """The table of contents of a ZIP archive is at its end, where a pipe cannot be sought."""
    pipe = tmp_path / "feed"
    os.mkfifo(pipe)

    def deliver(data):
        with contextlib.suppress(BrokenPipeError):
            pipe.write_bytes(data)

    for data, received in ((gzip.compress(FEED), None), (zip_of({"feed.csv": FEED}), "a ZIP archive from a pipe")):
        sender = threading.Thread(target=deliver, args=(data,))
        sender.start()
        try:
            if received is None:
                assert [item.external_id for item in items_of(pipe)] == ["1"]
            else:
                assert refusal_of(pipe).received == received
        finally:
            sender.join()


ROWS = st.lists(
    st.sampled_from([b"1,Red,a.jpg", b"\n", b"\r\n", b'"', b",", b"\xc3\xa9", b"\xe9", b"\x00", b"{}", b" "])
    | st.binary(max_size=5),
    max_size=40,
).map(b"".join)


def outcome_of(path):
    """Items, counts and notes of a feed; or what it was refused with, without its name."""
    try:
        with open_feed(path) as feed:
            return list(feed), feed.num_rows, feed.num_failed_rows, feed.layout, feed.notes
    except FeedUnreadable as error:
        return error.received, error.expected


@settings(max_examples=150, deadline=None)
@given(st.sampled_from([b"", b"id,title,image\n", b"id\ttitle\timage\n", b"{"]), ROWS)
def test_packed_feeds_give_what_the_unpacked_one_gives(header, rows):
    """Whatever the bytes: the same items, counts, dialect and notes, or the same refusal."""
    data = header + rows
    assume(not data.startswith((b"\x1f\x8b", b"PK")))
    with TemporaryDirectory() as folder:
        outcome = outcome_of(write(Path(folder), "feed.csv", data))
        assert outcome_of(write(Path(folder), "feed.csv.gz", gzip.compress(data))) == outcome
        assert outcome_of(write(Path(folder), "feed.zip", zip_of({"x/feed.csv": data}))) == outcome


DAMAGES = st.lists(st.tuples(st.floats(0, 1), st.binary(max_size=8), st.integers(0, 8)), min_size=1, max_size=4)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from([gzip.compress(FEED), zip_of({"a/": b"", "a/feed.csv": FEED * 20, "b.txt": b"b"})]), DAMAGES)
def test_damaged_archives_are_rows_or_an_unreadable_feed(data, damages):
    """Bytes replaced, put in or cut out anywhere: nothing is raised but FeedUnreadable."""
    for share, replacement, num_removed in damages:
        at = int(share * len(data))
        data = data[:at] + replacement + data[at + num_removed :]
    with TemporaryDirectory() as folder:
        path = write(Path(folder), "feed.csv", data)
        with contextlib.suppress(FeedUnreadable), open_feed(path) as feed:
            assert all(isinstance(item, ProductRecord) or item.found for item in feed)
