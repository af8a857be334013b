"""The open feed: progress, counts, failures of the file system, and that it reads as it goes."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from catalog.errors import FeedUnreadable
from catalog.feeds import open_feed, read_feed
from catalog.types import ProductRecord


def test_position_reaches_the_length_at_the_end(tmp_path):
    """What a progress bar needs: bytes read so far of all, never going back."""
    path = tmp_path / "feed.csv"
    rows = "".join(f"{number},Red dress,{number}.jpg\n" for number in range(50_000))
    path.write_text("id,title,image\n" + rows)
    with open_feed(path) as feed:
        assert feed.num_bytes == path.stat().st_size
        positions = [feed.position for _ in feed]
        assert feed.position == feed.num_bytes
        assert (feed.num_rows, feed.num_failed_rows) == (50_000, 0)
    assert positions == sorted(positions)
    # Each position lies behind its own row, and few bytes behind it: reading keeps pace with what is handed out.
    assert positions[0] == len("id,title,image\n0,Red dress,0.jpg\n")


def test_rows_are_handed_out_before_the_feed_has_ended(tmp_path):
    """A feed may be a pipe, which has no length and delivers while it is read."""
    pipe = tmp_path / "feed.csv"
    os.mkfifo(pipe)
    first_row_taken = threading.Event()

    def deliver():
        with pipe.open("w") as file:
            # More than the reader takes at once, so that it has a row before the feed has ended.
            file.write("id,title,image\n" + "1,Red,a.jpg\n" * 50_000)
            file.flush()
            first_row_taken.wait(timeout=30)
            file.write("2,Blue,b.jpg\n")

    sender = threading.Thread(target=deliver)
    sender.start()
    try:
        with open_feed(pipe) as feed:
            assert feed.num_bytes is None
            assert next(feed).external_id == "1"
            first_row_taken.set()
            *_, last = feed
    finally:
        first_row_taken.set()
        sender.join()
    assert last.external_id == "2"


@pytest.mark.parametrize("name", ["missing.csv", ".", "a\x00b.csv", "x" * 300 + ".csv"])
def test_file_that_cannot_be_opened_is_unreadable(tmp_path, name):
    """No such file, a folder, impossible names: one error, with the system's reason."""
    with pytest.raises(FeedUnreadable) as caught:
        open_feed(tmp_path / name)
    assert caught.value.received


def test_read_feed_opens_the_file_while_it_is_read(tmp_path):
    """Nothing happens before the first row is asked for; leaving early closes the file."""
    rows = read_feed(tmp_path / "feed.csv")
    (tmp_path / "feed.csv").write_text("id,title,image\n1,Red,a.jpg\n2,Blue,b.jpg\n")
    assert isinstance(next(rows), ProductRecord)
    rows.close()
    assert list(rows) == []


def test_unknown_columns_are_noted(tmp_path):
    """One note for the feed, not one for each row."""
    path = tmp_path / "feed.csv"
    path.write_text("id,title,image,brand,size\n1,Red,a.jpg,x,y\n2,Blue,b.jpg,x,y\n")
    with open_feed(path) as feed:
        assert feed.columns == ("id", "title", "image", "brand", "size")
        assert feed.notes == ("Columns kept with the products, to filter by: brand, size.",)


def test_a_feed_has_the_name_of_its_file(tmp_path, monkeypatch):
    """Also where the path names none; bytes that are no text are their escapes."""
    path = tmp_path / "f\udce9ed.csv"
    path.write_text("id,title,image\n1,T,a.jpg\n")
    with open_feed(path) as feed:
        assert feed.name == "f\\udce9ed.csv"
    path.rename(tmp_path / "products.csv")
    monkeypatch.chdir(tmp_path)
    with open_feed(Path()) as feed:
        assert feed.name == tmp_path.name
