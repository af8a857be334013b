"""What ``drape evaluate`` refuses before it loads anything."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from catalog.services.models.attribute_mining import FEED_ALONE, MiningOptions
from catalog.services.models.dataset_mining import with_mined_attributes
from catalog.types import AttributeSource
from cli.image_sources import dataset_options
from cli.main import app
from embeddings.datasets.dataset_options import DatasetOptions
from embeddings.datasets.records import Dataset, DatasetImage


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "either --dataset KIND:PATH or --merchant NAME"),
        (("--dataset", "table:a.csv", "--merchant", "m"), "either --dataset"),
        (("--dataset", "table:/nowhere/a.csv", "--model", "compact-rendered"), "a.csv"),
        (("--dataset", "nothing:a"), "table:FILE"),
        (("--dataset", "table:a.csv", "--held-out-only"), "--merchant NAME with it"),
        (("--dataset", "table:a.csv", "--fuse", "pool"), "FEATURE:WEIGHT"),
        (("--dataset", "table:a.csv", "--fuse", "pool:2"), "FEATURE:WEIGHT"),
        (("--dataset", "table:a.csv", "--fuse", "scores:0.5"), "FEATURE:WEIGHT"),
        (("--dataset", "table:a.csv", "--feature", "fc9"), "fc6, fc7, pool"),
        (("--dataset", "table:a.csv", "--untrained", "vgg19"), "vgg16, resnet50"),
        (("--dataset", "table:a.csv", "--vocabulary", "own.toml"), "--attributes text or both"),
        (("--dataset", "cub:a", "--dataset-option", "certainty=5"), "min_certainty must be 1, 2, 3 or 4, received 5"),
        (("--dataset", "cub:a", "--dataset-option", "certainty=most"), "expected certainty to be a whole number"),
        (("--dataset", "cub:a", "--dataset-option", "items=9"), "expected certainty=NUMBER, class-percent=NUMBER"),
        (("--dataset", "cub:a", *("--dataset-option", "certainty=3") * 2), "received certainty twice"),
        (("--dataset", "table:a.csv", "--dataset-option", "certainty=3"), "it has none"),
        (("--merchant", "m", "--dataset-option", "certainty=3"), "--dataset KIND:PATH with it"),
        (
            ("--dataset", "table:a.csv", "--model", "v", "--preprocessing", "torch", "--input-size", "64"),
            "received: --preprocessing, --input-size; expected: a trunk that was not trained",
        ),
    ],
)
def test_what_has_no_meaning_is_told(tmp_path, monkeypatch, arguments, message):
    """Each with what was expected."""
    monkeypatch.setenv("DRAPE_HOME", str(tmp_path / "home"))
    ended = CliRunner().invoke(app, ["evaluate", "--out", str(tmp_path / "out"), *arguments])
    assert ended.exit_code != 0
    assert message in str(ended.exception)


def test_choices_of_a_data_set_reach_its_reader():
    """Whole numbers and fractions, by the names of the command line; what is not chosen keeps its default."""
    chosen = dataset_options(
        "rendered:folder", ["items=8", "views=2", "seed=5", "height=64", "held-out=0.5"], category="Dresses"
    )
    assert chosen == DatasetOptions(
        category="Dresses",
        rendered_items=8,
        rendered_views=2,
        rendered_seed=5,
        rendered_height=64,
        rendered_held_out=0.5,
    )
    cub = dataset_options("cub:folder", ["certainty=3", "class-percent=62.5"], category=None, gallery="all")
    assert cub == DatasetOptions(gallery="all", min_certainty=3, min_class_percent=62.5)


def test_a_data_set_is_judged_by_mined_attributes_where_asked_for():
    """A query's and a gallery's texts speak, one that is both is the same picture in both; the note says so."""
    both = DatasetImage(Path("a"), {"item": "1"}, ("color=red",), text="A blue lace dress")
    other = DatasetImage(Path("b"), {"item": "1"}, text="striped, in green")
    dataset = Dataset("pair", (), (both,), (both, other))
    mined = with_mined_attributes(dataset, MiningOptions(AttributeSource.TEXT))
    assert {"color=blue", "fabric=lace"} <= set(mined.queries[0].attributes)
    assert mined.queries[0] == mined.gallery[0]
    assert "color=green" in mined.gallery[1].attributes
    assert mined.notes == ("Attributes are those of the texts.",)
    of_both = with_mined_attributes(dataset, MiningOptions(AttributeSource.BOTH))
    assert "color=red" in of_both.queries[0].attributes
    assert "color=blue" not in of_both.queries[0].attributes
    assert with_mined_attributes(dataset, FEED_ALONE) == dataset


def test_a_number_of_components_is_at_least_one(tmp_path):
    """Options out of their range are refused by the command line itself."""
    ended = CliRunner().invoke(app, ["evaluate", "--out", str(tmp_path), "--dataset", "table:a", "--whiten", "0"])
    assert ended.exit_code == 2
