"""A feed that names its images by address, from the command line to hits."""

from __future__ import annotations

import csv
import dataclasses
import io

import pytest
from PIL import Image

from tests.file_server import FileServer, answer, serving


def _picture(shade: int) -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (24, 24), (shade, 90, 128)).save(data, "PNG")
    return data.getvalue()


@pytest.fixture
def server():
    """Two pictures of which one has an ETag, a page of HTML, and one that is busy at first."""
    with serving(FileServer()) as files:

        def unless_known(connection, asked) -> None:
            known = asked.headers.get("if-none-match") == '"r1"'
            connection.sendall(
                answer(status="304 Not Modified", ETag='"r1"') if known else answer(_picture(200), ETag='"r1"')
            )

        def busy_at_first(connection, _) -> None:
            files.answers["/busy.png"] = answer(_picture(60))
            connection.sendall(answer(b"later", "503 Service Unavailable", Retry_After="1"))

        files.answers = {
            "/red.png": unless_known,
            "/blue%20one.png": answer(_picture(10)),
            "/page": answer(b"<!doctype html><title>Sold out</title>"),
            "/busy.png": busy_at_first,
        }
        yield files


def test_images_by_address_are_fetched_indexed_and_asked_for_again(drape, server, tmp_path):
    """Failures stand in the summary and in the file of errors; running the command again costs a 304 a picture."""
    feed = tmp_path / "feed.csv"
    names = ("red.png", "blue one.png", "page", "busy.png", "gone.png")
    rows = [f"{name[:4]},Item,{server.url('/' + name)}\n" for name in names]
    feed.write_text("".join(["id,title,image\n", *rows, "meta,Item,http://169.254.169.254/latest\n"]), encoding="utf-8")
    checked = drape.run_here("feed", "check", feed)
    assert (checked.code, "6 by address, which were not fetched" in checked.out) == (0, True)
    assert server.asked == []

    shop = dataclasses.replace(drape, settings={"DRAPE_FETCH_ALLOW": f"127.0.0.1:{server.port}"})
    errors = tmp_path / "errors.csv"
    ingested = shop.run_here("ingest", feed, "--merchant", "atelier", "--errors", errors)
    assert ingested.code == 1, ingested.err
    assert "Images by address: 3 new, 0 changed, 0 as they were, 3 failed." in ingested.out
    assert "Embedded 3 images" in ingested.out
    assert "wait for another try" not in ingested.out
    with errors.open(encoding="utf-8-sig", newline="") as file:
        told = {row["id"]: row for row in csv.DictReader(file)}
    assert {(id, row["line"], row["column"]) for id, row in told.items()} == {
        ("page", "4", "image"),
        ("gone", "6", "image"),
        ("meta", "7", "image"),
    }
    assert told["page"]["found"] == f"{server.url('/page')}: an HTML page of 38 bytes"
    assert "404" in told["gone"]["found"]
    status = shop.run_here("status")
    assert "3 images could not be fetched: 2 refused, 1 unusable" in status.out
    found = shop.run_here("similar", "red.", "--json")
    assert {hit["id"] for hit in found.json["hits"]} == {"blue", "busy"}

    server.answers["/gone.png"] = answer(_picture(250))
    again = shop.run_here("ingest", feed, "--merchant", "atelier", "--json")
    assert again.code == 1
    assert again.json["by_address"] == {"new": 1, "changed": 0, "unchanged": 3, "failed": 2, "waiting": 0}
    assert (again.json["images"]["new"], again.json["images_failed"], again.json["embedded"]) == (1, 2, 1)
    assert [asked.headers.get("if-none-match") for asked in server.asked if asked.path == "/red.png"] == [None, '"r1"']


def test_what_is_to_be_tried_much_later_is_left_and_said(drape, server, tmp_path):
    """The command does not wait for minutes."""
    server.answers["/busy.png"] = answer(b"later", "429 Too Many Requests", Retry_After="600")
    feed = tmp_path / "feed.csv"
    feed.write_text(f"id,title,image\nbusy,Item,{server.url('/busy.png')}\n", encoding="utf-8")
    shop = dataclasses.replace(drape, settings={"DRAPE_FETCH_ALLOW": f"127.0.0.1:{server.port}"})
    ended = shop.run_here("ingest", feed, "--merchant", "atelier")
    assert (ended.code, "1 image waits for another try: run the command again." in ended.out) == (1, True)
    assert "1 images wait to be fetched, 1 of them after a failure" in shop.run_here("status").out
