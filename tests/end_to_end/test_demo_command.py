"""The demonstration: the whole way once, and a second time without changing anything."""

from __future__ import annotations

import re


def test_the_demo_shows_the_whole_way_and_can_be_repeated(drape):
    """Four explained answers, a result sheet with the very same item found first, and nothing to do the second time."""
    first = drape.run("demo")
    assert first.code == 0, first.err
    # Two of the 600 rendered photos came out as another of their item did.
    assert "Embedded 598 images" in first.out
    assert "Marked 2 near-duplicate photos" in first.out
    path = re.search(r"^Result sheet: (.+)$", first.out, re.MULTILINE)
    assert path is not None
    sheet = (drape.home / "demo" / "result-sheet.html").read_text(encoding="utf-8")
    assert path[1] == str((drape.home / "demo" / "result-sheet.html").resolve())
    # Two of the queries are photos of an item with four photos in the catalog; hits of other items follow.
    assert sheet.count("4 of the same item") == 2
    assert [line.split()[0] for line in _hits(first.out)].count("1") == 4

    again = drape.run_here("demo")
    assert again.code == 0, again.err
    assert "Embedded no image: every vector is up to date." in again.out
    assert _hits(again.out) == _hits(first.out)


def _hits(output: str) -> list[str]:
    """The lines that show a hit: rank and score first."""
    return re.findall(r"^ +\d+ +\d+\.\d+ .+$", output, re.MULTILINE)
