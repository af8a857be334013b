"""The rendered catalog on disk."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest

from embeddings.datasets.rendered import write_catalog
from embeddings.datasets.rendered.__main__ import main
from embeddings.datasets.rendered.catalog import FEED_COLUMNS
from embeddings.datasets.rendered_dataset import read_rendered
from embeddings.images import inspect_image


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def modification_times(folder: Path) -> dict[str, int]:
    return {str(path.relative_to(folder)): path.stat().st_mtime_ns for path in folder.rglob("*")}


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def seed_of(folder: Path) -> int:
    return json.loads((folder / "rendered.json").read_text())["seed"]


def never() -> None:
    pytest.fail("something was drawn")


def interrupt() -> None:
    raise KeyboardInterrupt


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


@pytest.mark.parametrize("name", ["notes.txt", "images/holiday.jpg", ".hidden"])
def test_a_file_of_ones_own_in_a_catalog_is_kept(tmp_path, name):
    """Another catalog is refused before anything is drawn; the same one is there already."""
    folder = tmp_path / "shop"
    write_catalog(folder, num_items=1, views_per_item=1, seed=3, height=32)
    (folder / name).write_text("keep me")
    before = contents(folder)

    with pytest.raises(ValueError, match=f"something else beside its rendered catalog, such as {name}"):
        write_catalog(folder, num_items=1, views_per_item=1, seed=4, height=32, on_item=never)

    assert contents(folder) == before
    write_catalog(folder, num_items=1, views_per_item=1, seed=3, height=32, on_item=never)


def test_a_file_that_comes_while_a_catalog_is_drawn_is_kept(tmp_path):
    """Drawing takes minutes."""
    folder = tmp_path / "shop"
    write_catalog(folder, num_items=1, views_per_item=1, seed=3, height=32)

    def put_there() -> None:
        (folder / "notes.txt").write_text("keep me")

    with pytest.raises(ValueError, match=r"such as notes\.txt"):
        write_catalog(folder, num_items=1, views_per_item=1, seed=4, height=32, on_item=put_there)

    assert (folder / "notes.txt").read_text() == "keep me"
    assert names_in(tmp_path) == ["shop"]


def test_what_is_no_folder_is_refused_before_drawing(tmp_path):
    """A file, and a link that leads nowhere but to itself."""
    (tmp_path / "letter").write_text("keep me")
    (tmp_path / "circle").symlink_to("circle")
    for name in ("letter", "circle"):
        with pytest.raises(ValueError, match=f"{name} is no folder"):
            write_catalog(tmp_path / name, num_items=1, views_per_item=1, seed=3, on_item=never)
    assert (tmp_path / "letter").read_text() == "keep me"


def test_a_link_is_followed(tmp_path):
    """The link stays, and what it leads to is replaced."""
    (tmp_path / "link").symlink_to(tmp_path / "place" / "shop")
    for seed in (3, 4):
        feed = write_catalog(tmp_path / "link", num_items=1, views_per_item=1, seed=seed, height=32)
        assert feed == tmp_path / "place" / "shop" / "feed.csv"
    assert "R4-" in (tmp_path / "link" / "feed.csv").read_text()
    assert (names_in(tmp_path), names_in(tmp_path / "place")) == (["link", "place"], ["shop"])


def test_the_folder_one_stands_in_is_replaced(tmp_path, monkeypatch):
    """By way of ``.``, which the new folder is not made inside of."""
    folder = tmp_path / "shop"
    write_catalog(folder, num_items=1, views_per_item=1, seed=3, height=32)
    monkeypatch.chdir(folder)

    feed = write_catalog(Path(), num_items=2, views_per_item=1, seed=4, height=32)

    assert feed == folder / "feed.csv"
    assert len(list((folder / "images").iterdir())) == 2
    assert names_in(tmp_path) == ["shop"]


@pytest.mark.parametrize("interrupted", [1, 2])
def test_an_interrupted_exchange_leaves_the_former_catalog(tmp_path, monkeypatch, interrupted):
    """Ctrl-C before the former catalog is moved away, or between that and the new one taking its place."""
    folder = tmp_path / "shop"
    write_catalog(folder, num_items=1, views_per_item=1, seed=3, height=32)
    before = contents(folder)
    rename, calls = Path.rename, []

    def counted(self, target):
        calls.append(target)
        if len(calls) == interrupted:
            interrupt()
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", counted)

    with pytest.raises(KeyboardInterrupt):
        write_catalog(folder, num_items=2, views_per_item=1, seed=4, height=32)

    assert len(calls) >= interrupted
    assert contents(folder) == before
    assert names_in(tmp_path) == ["shop"]


KILLED = """
import os, sys
from pathlib import Path
from embeddings.datasets.rendered import catalog, folder_exchange

stage, folder = sys.argv[1], Path(sys.argv[2])
rename, rmtree, calls = Path.rename, folder_exchange.shutil.rmtree, []

def counted(self, target):
    calls.append(target)
    if stage == f"rename {len(calls)}":
        os._exit(9)
    return rename(self, target)

def half(path, **_):
    if path.exists():
        (path / "rendered.json").unlink()
        os._exit(9)

Path.rename = counted
if stage == "removal":
    folder_exchange.shutil.rmtree = half
catalog.write_catalog(folder, 1, 1, 4, height=32, on_item=lambda: os._exit(9) if stage == "drawing" else None)
"""


@pytest.mark.parametrize(
    ("stage", "seed_left"), [("drawing", 3), ("rename 1", 3), ("rename 2", None), ("rename 3", 4), ("removal", 4)]
)
def test_what_a_killed_run_leaves_is_put_in_order(tmp_path, stage, seed_left):
    """The folder holds the former catalog, the new one, or none, and then the next run finds the former one again."""
    folder = tmp_path / "shop"
    write_catalog(folder, num_items=1, views_per_item=1, seed=3, height=32)

    killed = subprocess.run([sys.executable, "-c", KILLED, stage, str(folder)], check=False)

    assert killed.returncode == 9
    assert len(names_in(tmp_path)) == (1 if seed_left is None else 2)
    assert (seed_of(folder) if folder.exists() else None) == seed_left
    data = read_rendered(folder)
    assert seed_of(folder) == (seed_left or 3)
    assert len((*data.training, *data.gallery)) == 1
    assert names_in(tmp_path) == ["shop"]


def test_what_a_living_run_draws_is_left_alone(tmp_path):
    """Two runs into one folder: each ends well, and the one that ends last has its catalog there."""
    folder = tmp_path / "shop"

    def another() -> None:
        write_catalog(folder, num_items=1, views_per_item=1, seed=4, height=32)
        assert seed_of(folder) == 4

    write_catalog(folder, num_items=1, views_per_item=1, seed=3, height=32, on_item=another)

    assert seed_of(folder) == 3
    assert names_in(tmp_path) == ["shop"]


def test_folders_with_like_names_are_left_alone(tmp_path):
    """Only what a run has made and locked is put in order."""
    for name in (".shop-settings", ".shop-12345678.drawing", ".shop2-12345678.drawing"):
        (tmp_path / name).mkdir()
    (tmp_path / ".shop2-12345678.drawing" / "lock").touch()

    write_catalog(tmp_path / "shop", num_items=1, views_per_item=1, seed=3, height=32)

    assert names_in(tmp_path) == [".shop-12345678.drawing", ".shop-settings", ".shop2-12345678.drawing", "shop"]


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
