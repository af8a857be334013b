"""The rendered catalog on disk."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from embeddings.datasets.rendered import write_catalog
from embeddings.datasets.rendered.__main__ import main
from embeddings.datasets.rendered.catalog import FEED_COLUMNS
from embeddings.images import inspect_image


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def modification_times(folder: Path) -> dict[str, int]:
    return {str(path.relative_to(folder)): path.stat().st_mtime_ns for path in folder.rglob("*")}


def test_feed_and_photos_are_written(tmp_path):
    """A row per item; every image it names exists, is a JPEG of the asked height, and no other is there."""
    feed = write_catalog(tmp_path / "shop", num_items=3, views_per_item=2, seed=1, height=64)

    assert feed == tmp_path / "shop" / "feed.csv"
    with feed.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert tuple(rows[0]) == FEED_COLUMNS
    assert len({row["id"] for row in rows}) == 3
    named = [name for row in rows for name in [row["image"], *row["additional_images"].split(";")]]
    assert sorted(named) == sorted(f"images/{path.name}" for path in (tmp_path / "shop" / "images").iterdir())
    for name in named:
        header = inspect_image((feed.parent / name).read_bytes(), max_pixels=10_000)
        assert (header.format, header.width, header.height) == ("JPEG", 48, 64)


def test_one_view_leaves_no_additional_image(tmp_path):
    """The column is empty rather than missing."""
    feed = write_catalog(tmp_path / "shop", num_items=1, views_per_item=1, seed=1, height=32)

    with feed.open(encoding="utf-8", newline="") as lines:
        assert next(csv.DictReader(lines))["additional_images"] == ""


def test_the_same_request_gives_the_same_bytes(tmp_path):
    """Two folders of one request are equal file by file."""
    write_catalog(tmp_path / "one", num_items=2, views_per_item=2, seed=3, height=48)
    write_catalog(tmp_path / "two", num_items=2, views_per_item=2, seed=3, height=48)

    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_a_catalog_that_is_there_is_left_alone(tmp_path):
    """Asking again touches no file."""
    folder = tmp_path / "shop"
    write_catalog(folder, num_items=2, views_per_item=1, seed=3, height=48)
    before = modification_times(folder)
    calls: list[None] = []

    write_catalog(folder, num_items=2, views_per_item=1, seed=3, height=48, on_item=lambda: calls.append(None))

    assert modification_times(folder) == before
    assert calls == []


@pytest.mark.parametrize("change", [{"num_items": 1}, {"views_per_item": 2}, {"seed": 4}, {"height": 64}])
def test_another_request_replaces_the_catalog(tmp_path, change):
    """No photo of the former catalog stays behind, and nothing is left beside the folder."""
    request = {"num_items": 2, "views_per_item": 1, "seed": 3, "height": 48}
    write_catalog(tmp_path / "shop", **request)

    write_catalog(tmp_path / "shop", **{**request, **change})

    write_catalog(tmp_path / "fresh", **{**request, **change})
    assert contents(tmp_path / "shop") == contents(tmp_path / "fresh")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["fresh", "shop"]


def test_an_interrupted_run_leaves_the_former_catalog(tmp_path):
    """Ctrl-C in the middle of writing: the folder holds what it held, and no draft lies beside it."""
    folder = tmp_path / "shop"
    write_catalog(folder, num_items=1, views_per_item=1, seed=3, height=48)
    before = contents(folder)

    def interrupt() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_catalog(folder, num_items=2, views_per_item=1, seed=3, height=48, on_item=interrupt)

    assert contents(folder) == before
    assert [path.name for path in tmp_path.iterdir()] == ["shop"]


def test_a_folder_of_something_else_is_never_replaced(tmp_path):
    """A mistyped path must not cost anybody's files."""
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "dear.txt").write_text("keep me")

    with pytest.raises(ValueError, match="something else"):
        write_catalog(tmp_path / "letters", num_items=1, views_per_item=1, seed=3)

    assert (tmp_path / "letters" / "dear.txt").read_text() == "keep me"


def test_an_empty_folder_is_filled(tmp_path):
    """A folder made beforehand serves as well as none."""
    (tmp_path / "shop").mkdir()

    assert write_catalog(tmp_path / "shop", num_items=1, views_per_item=1, seed=3, height=32).is_file()


def test_progress_is_told_item_by_item(tmp_path):
    """One call per item, whatever the number of views."""
    calls: list[None] = []

    write_catalog(
        tmp_path / "shop", num_items=3, views_per_item=2, seed=3, height=32, on_item=lambda: calls.append(None)
    )

    assert len(calls) == 3


def test_too_few_are_refused(tmp_path):
    """A catalog has at least one item and one view."""
    for num_items, num_views in ((0, 1), (1, 0)):
        with pytest.raises(ValueError, match="at least one"):
            write_catalog(tmp_path / "shop", num_items, num_views, seed=1)


def test_the_command_writes_catalog_and_sheet(tmp_path, capsys):
    """Both outputs of one call, their paths printed."""
    folder, sheet = tmp_path / "shop", tmp_path / "sheet.png"
    arguments = ["--items", "2", "--views", "1", "--seed", "6", "--height", "48"]

    assert main(["--output", str(folder), "--sheet", str(sheet), *arguments]) == 0

    assert capsys.readouterr().out.split() == [str(folder / "feed.csv"), str(sheet)]
    assert inspect_image(sheet.read_bytes(), max_pixels=1_000_000).format == "PNG"


def test_the_command_says_what_is_missing(capsys):
    """Neither output named: exit code 2 and a sentence."""
    with pytest.raises(SystemExit) as caught:
        main([])

    assert caught.value.code == 2
    assert "--output" in capsys.readouterr().err
