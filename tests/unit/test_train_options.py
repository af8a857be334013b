"""What ``drape train`` refuses before it loads anything: options that would do nothing."""

from __future__ import annotations

import sys

import pytest
from typer.testing import CliRunner

from catalog.errors import InvalidRequest
from cli.main import app


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--recipe", "frozen", "--end-to-end"), "received: --recipe frozen and --end-to-end"),
        (("--patience", "2", "--fixed-projection"), "received: --fixed-projection, --patience"),
        (("--recipe", "small", "--projection", "pca"), "received: --projection; expected: a head that projects"),
        (("--recipe", "paper", "--projection-rank", "8"), "received: --projection-rank"),
        (("--end-to-end", "--train-projection"), "received: --train-projection"),
        (("--end-to-end", "--fixed-projection"), "received: --fixed-projection"),
        (
            ("--recipe", "scratch", "--head", "multiattrib", "--no-bilinear-normalization", "--loss-over-all"),
            "received: --no-bilinear-normalization; expected",
        ),
        (("--recipe", "small", "--monitor", "pool/cosine attribute IoU@1"), "IoU@1' without --patience"),
    ],
)
def test_options_that_would_do_nothing_are_refused(tmp_path, monkeypatch, arguments, message):
    """Each is named as it was written, with what it needs."""
    monkeypatch.setenv("DRAPE_HOME", str(tmp_path / "home"))
    ended = CliRunner().invoke(app, ["train", "--name", "v", "--dataset", "table:/nowhere/a.csv", *arguments])
    assert isinstance(ended.exception, InvalidRequest)
    assert message in str(ended.exception)
    assert ended.exception.remedy


@pytest.mark.parametrize(
    "arguments",
    [
        ("--recipe", "small", "--head", "bilinear", "--projection", "pca", "--fixed-projection"),
        ("--recipe", "scratch", "--end-to-end"),
        ("--recipe", "small", "--monitor", "pool/cosine attribute IoU@1", "--patience", "2"),
        ("--end-to-end", "--no-bilinear-normalization", "--head", "bilinear"),
    ],
)
def test_options_that_do_something_are_taken(tmp_path, monkeypatch, arguments):
    """The command gets as far as to what trains, which would start TensorFlow and is not there."""
    monkeypatch.setenv("DRAPE_HOME", str(tmp_path / "home"))
    monkeypatch.setitem(sys.modules, "catalog.services.models.training", None)
    ended = CliRunner().invoke(app, ["train", "--name", "v", "--dataset", "table:/nowhere/a.csv", *arguments])
    assert "import of catalog.services.models.training halted" in str(ended.exception)
