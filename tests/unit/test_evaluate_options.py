"""What ``drape evaluate`` refuses before it loads anything."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from cli.main import app


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "either --dataset KIND:PATH or --merchant NAME"),
        (("--dataset", "table:a.csv", "--merchant", "m"), "either --dataset"),
        (("--dataset", "table:/nowhere/a.csv", "--model", "compact-rendered"), "a.csv"),
        (("--dataset", "nothing:a"), "table:FILE"),
        (("--dataset", "table:a.csv", "--fuse", "pool"), "FEATURE:WEIGHT"),
        (("--dataset", "table:a.csv", "--fuse", "pool:2"), "FEATURE:WEIGHT"),
        (("--dataset", "table:a.csv", "--fuse", "scores:0.5"), "FEATURE:WEIGHT"),
        (("--dataset", "table:a.csv", "--feature", "fc9"), "fc6, fc7, pool"),
        (("--dataset", "table:a.csv", "--untrained", "vgg19"), "vgg16, resnet50"),
    ],
)
def test_what_has_no_meaning_is_told(tmp_path, monkeypatch, arguments, message):
    """Each with what was expected."""
    monkeypatch.setenv("DRAPE_HOME", str(tmp_path / "home"))
    ended = CliRunner().invoke(app, ["evaluate", "--out", str(tmp_path / "out"), *arguments])
    assert ended.exit_code != 0
    assert message in str(ended.exception)


def test_a_number_of_components_is_at_least_one(tmp_path):
    """Options out of their range are refused by the command line itself."""
    ended = CliRunner().invoke(app, ["evaluate", "--out", str(tmp_path), "--dataset", "table:a", "--whiten", "0"])
    assert ended.exit_code == 2
