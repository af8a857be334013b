"""How commands end when they cannot do what was asked: a few lines that say why, never a traceback."""

from __future__ import annotations

import dataclasses
import os
import signal
import time

import pytest
from PIL import Image


@pytest.fixture
def feed(tmp_path):
    """A feed of one red picture."""
    Image.new("RGB", (40, 60), "red").save(tmp_path / "red.jpg")
    path = tmp_path / "feed.csv"
    path.write_text("id,title,image\n1,Good,red.jpg\n", encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("DRAPE_BATCH_SIZE", "many", "DRAPE_BATCH_SIZE=many"),
        ("DRAPE_BATCH_SIZE", "0", "greater than or equal to 1"),
        ("DRAPE_PRECISION", "int3", "float32 or bfloat16"),
        ("DRAPE_DATABASE_URL", "mysql://u:secret@host/x", "postgresql://user:password@host:port/database"),
    ],
)
def test_a_setting_that_cannot_be_is_named(drape, name, value, expected):
    """With its value and what would be right, and without its secrets; the exit code is that of a wrong request."""
    ran = dataclasses.replace(drape, settings={name: value}).run("status")
    assert ran.code == 2, ran.err
    assert expected in ran.err
    assert "secret" not in ran.err
    assert "Traceback" not in ran.err


def test_an_errors_file_that_cannot_be_written_stops_before_anything_is_done(drape, feed, tmp_path):
    """In a folder that is not there, or the feed itself, which is left as it was."""
    before = feed.read_bytes()
    for target in (tmp_path / "nowhere" / "errors.csv", feed):
        ran = drape.run("ingest", feed, "--merchant", "atelier", "--errors", target)
        assert ran.code == 2, ran.err
        assert "--errors" in ran.err
        assert "Traceback" not in ran.err
    assert feed.read_bytes() == before
    assert not drape.home.exists()


def test_arguments_that_are_no_text_are_refused(drape):
    """Bytes that are no UTF-8 reach no database."""
    ran = drape.run("similar", os.fsdecode(b"\xff"), "--merchant", os.fsdecode(b"\xfe"))
    assert ran.code == 2, ran.err
    assert "UTF-8" in ran.err
    assert "Traceback" not in ran.err


def test_a_photo_without_end_is_not_read_to_its_end(drape):
    """Queries are held to the limit of catalog images."""
    limited = dataclasses.replace(drape, settings={"DRAPE_MAX_IMAGE_BYTES": "1000"})
    ran = limited.run("search", "/dev/zero", "--merchant", "atelier")
    assert ran.code == 2, ran.err
    assert "more than 1000 bytes" in ran.err


def test_output_that_nobody_reads_is_no_failure_to_tell(drape):
    """The reader of the pipe left early: nothing is printed about it."""
    running = drape.start("model", "list", "--json")
    assert running.stdout is not None
    running.stdout.close()
    assert running.stderr is not None
    with running.stderr:
        assert running.stderr.read() == ""
    assert running.wait(timeout=60) == 1


def test_ctrl_c_ends_with_one_line(drape, tmp_path):
    """At the terminal the signal reaches the whole process group: no traceback, exit code 130, and the job says so."""
    names = []
    for number in range(300):
        Image.new("RGB", (600, 800), (number % 256, 0, 0)).save(tmp_path / f"{number}.png")
        names.append(f"{number},Item,{number}.png\n")
    feed = tmp_path / "feed.csv"
    feed.write_text("id,title,image\n" + "".join(names), encoding="utf-8")
    running = drape.start("ingest", feed, "--merchant", "atelier", new_session=True)
    deadline = time.monotonic() + 100
    while not any((drape.home / "images").rglob("*")):
        assert running.poll() is None, running.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.killpg(running.pid, signal.SIGINT)
    _, err = running.communicate(timeout=100)
    assert running.returncode == 130, err
    assert "Traceback" not in err
    assert err.splitlines()[-1] == "Interrupted. What was done stays; the same command continues from there."
    status = drape.run_here("status", "--json")
    assert [job["state"] for job in status.json[0]["jobs"]] == ["interrupted"]


def test_names_are_not_read_as_markup(drape, feed):
    """A merchant or a file may be named with brackets."""
    folder = feed.parent / "["
    folder.mkdir()
    feed.with_name("red.jpg").rename(folder / "red.jpg")
    odd = feed.rename(folder / "bold]feed.csv")
    ingested = drape.run_here("ingest", odd, "--merchant", "[/red]")
    assert ingested.code == 0, ingested.err
    assert "Catalog of [/red]" in ingested.out
    status = drape.run("status")
    assert status.code == 0, status.err
    assert "[/red]: 1 products" in status.out
    assert "/[/bold]feed.csv" in status.out
