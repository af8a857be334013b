"""Rows of the table from features that can be worked out by hand, and the files they are written to."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from embeddings.datasets.records import Dataset, DatasetImage
from embeddings.evaluation.evaluated_rows import (
    Fusion,
    NetworkRows,
    RowOptions,
    StandardisedScoring,
    with_first_results,
)
from embeddings.evaluation.figures import write_figures
from embeddings.evaluation.ground_truth import GroundTruth
from embeddings.evaluation.picture_features import compute_features
from embeddings.evaluation.report import EvaluationReport, measure_at, write_csv, write_json
from embeddings.evaluation.untrained import UnknownNetwork, parse_untrained
from embeddings.evaluation.unusable_features import UnusableFeatures
from embeddings.normalization import Normalization

NAMES = ("a1", "a2", "b1", "b2")
IMAGES = tuple(DatasetImage(Path(name), {"item": name[0]}, (f"tag={name[0]}",)) for name in NAMES)
TRUTH = GroundTruth(Dataset("letters", (), IMAGES, IMAGES))


def read_only(values):
    array = np.array(values, dtype=np.float32)
    array.flags.writeable = False
    return array


def directions(*degrees):
    return read_only([[np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))] for angle in degrees])


# By angle: a1 at 0° finds a2 at 20°; a2 finds a1; b1 at 35° finds a2 (15° away, against b2's 55°); b2 at 90° finds b1.
POOL = directions(0, 20, 35, 90)
# Columns are attributes of a, of b: with HI every image finds its sibling first.
PROB = read_only([[0.9, 0.1], [0.8, 0.2], [0.2, 0.8], [0.1, 0.9]])
SCORES = read_only([[2, -2], [1, -1], [-1, 1], [-2, 2]])


def rows_of(options, tmp_path, **files):
    computed = NetworkRows("net", files, TRUTH, tmp_path)
    return list(computed.rows(options)), computed.notes


def at_1(row):
    return row.measures.levels["item"].precision[0]


def test_every_feature_gets_the_papers_metric(tmp_path):
    """Euclidean for what is no prob, histogram intersection for prob, in the table's order."""
    rows, notes = rows_of(RowOptions(), tmp_path, prob=PROB, scores=SCORES, pool=POOL)
    assert [(row.feature, row.size, row.metric) for row in rows] == [
        ("pool", 2, "L2 + Euclidean"),
        ("scores", 2, "L2 + Euclidean"),
        ("prob", 2, "L2 + hist. inter."),
    ]
    assert rows[0].ranking.tolist() == [[1, 2, 3], [2, 0, 3], [1, 0, 3], [2, 1, 0]]
    # a2 finds b1 first (15°); so does b1 find a2: two of four are right at rank 1.
    assert [at_1(row) for row in rows] == [2 / 4, 1.0, 1.0]
    assert rows[0].measures.attributes.iou[0] == 2 / 4
    assert notes == []
    assert not any(row.is_engine for row in rows)


def test_every_metric_on_request(tmp_path):
    """Cosine beside Euclidean gives the same order; prob is compared in four ways; scores never as histograms."""
    rows, _ = rows_of(RowOptions(every_metric=True), tmp_path, pool=POOL, scores=SCORES, prob=PROB)
    assert [(row.feature, row.metric) for row in rows] == [
        ("pool", "L2 + Euclidean"),
        ("pool", "cosine"),
        ("scores", "L2 + Euclidean"),
        ("scores", "cosine"),
        ("prob", "L2 + hist. inter."),
        ("prob", "L1 + hist. inter."),
        ("prob", "cosine"),
        ("prob", "L1 + dot"),
    ]
    assert rows[0].ranking.tolist() == rows[1].ranking.tolist()


def test_what_searches_rank_by_has_a_row_beside_the_papers(tmp_path):
    """Versions that scale prob to sum 1 are searched so; where the paper scales as the version does, one row serves."""
    prob = read_only([[1, 1, 0], [1, 1, 1], [1, 3, 0], [0, 0, 1]])
    # Of length 1 the first is (.71, .71, 0) and shares .58 + .58 with the second, .32 + .71 with the third; of sum 1 it
    # is (.5, .5, 0) and shares .33 + .33 and .25 + .5.
    expected = {"L2 + hist. inter.": [1, 2, 3], "L1 + hist. inter.": [2, 1, 3]}
    for normalization, metrics in ((Normalization.L2, 1), (Normalization.L1, 2)):
        computed = NetworkRows("net", {"prob": prob}, TRUTH, tmp_path, prob_normalization=normalization)
        found = [(row.metric, row.ranking[0].tolist()) for row in computed.rows(RowOptions())]
        assert found == list(expected.items())[:metrics]
        every = [row.metric for row in computed.rows(RowOptions(every_metric=True))]
        assert every == [*expected, "cosine", "L1 + dot"]


def test_one_feature_alone(tmp_path):
    """What was not asked for is not computed."""
    rows, _ = rows_of(RowOptions(features=("prob",)), tmp_path, pool=POOL, prob=PROB)
    assert [row.feature for row in rows] == ["prob"]


def test_expanded_queries_ask_with_what_they_found(tmp_path):
    """a1 at 0° finds a2 at 20° and asks at 10°; b2 at 90° finds b1 at 35° and asks at 62.5°: b1 is nearest."""
    rows, _ = rows_of(RowOptions(features=("pool",), expand=(1, 99)), tmp_path, pool=POOL)
    assert [row.feature for row in rows] == ["pool", "pool, expanded by 1", "pool, expanded by 3"]
    # a2 and b1 found each other, ask at 27.5°, and find each other again: a1 is 27.5° away, the other 7.5°.
    assert rows[1].ranking[:, 0].tolist() == [1, 2, 1, 2]


def test_whitened_rows_follow_the_gallery(tmp_path):
    """Four points on a circle have two directions at most, and prob and scores are left as they are."""
    rows, notes = rows_of(RowOptions(whiten=(2, 7)), tmp_path, pool=POOL, prob=PROB)
    assert [(row.feature, row.size) for row in rows] == [
        ("pool", 2),
        ("pool, whitened", 2),
        ("pool, whitened", 2),
        ("prob", 2),
    ]
    assert notes == ["pool of net was whitened to 2 components, not 7: 4 gallery images of 2 components tell no more."]


def test_features_that_do_not_differ_are_not_whitened(tmp_path):
    """A dead feature is told, and the other rows go on."""
    rows, notes = rows_of(RowOptions(whiten=(2,)), tmp_path, pool=np.ones((4, 2), np.float32))
    assert [row.feature for row in rows] == ["pool"]
    assert notes == ["pool of net is not whitened: the samples do not differ, so there is no direction to whiten."]


@pytest.mark.parametrize("standardised", [True, False])
def test_fusion_lies_between_its_parts(tmp_path, standardised):
    """Weight 0 ranks as the feature does, weight 1 as prob; in between prob corrects a2 and b1."""
    fusions = tuple(Fusion("pool", weight, standardised) for weight in (0.0, 0.7, 1.0))
    rows, _ = rows_of(RowOptions(features=("pool", "prob"), fuse=fusions), tmp_path, pool=POOL, prob=PROB)
    pool, prob, *fused = rows
    assert [row.feature for row in fused] == ["pool + 0 prob", "pool + 0.7 prob", "pool + 1 prob"]
    assert fused[0].size == 4
    assert fused[0].ranking.tolist() == pool.ranking.tolist()
    assert fused[2].ranking.tolist() == prob.ranking.tolist()
    assert at_1(fused[1]) == 1.0
    way = "standardised per query" if standardised else "as they are"
    assert {row.metric for row in fused} == {f"cosine + L2 + hist. inter., {way}"}


def test_fusion_intersects_prob_as_the_version_scales_it(tmp_path):
    """Weight 1 ranks as the row that searches rank by."""
    options = RowOptions(features=("prob",), fuse=(Fusion("pool", 1.0, standardised=False),))
    # Drawn so that the two scalings rank differently.
    files = {"pool": POOL, "prob": np.random.default_rng(2).random((4, 5)).astype(np.float32) ** 3}
    rows = list(NetworkRows("net", files, TRUTH, tmp_path, prob_normalization=Normalization.L1).rows(options))
    (fused,) = [row for row in rows if row.feature == "pool + 1 prob"]
    assert fused.metric == "cosine + L1 + hist. inter., as they are"
    searched = next(row for row in rows if row.metric == "L1 + hist. inter.")
    papers = next(row for row in rows if row.metric == "L2 + hist. inter.")
    assert fused.ranking.tolist() == searched.ranking.tolist()
    assert fused.ranking.tolist() != papers.ranking.tolist()


def test_a_network_without_prob_is_not_fused(tmp_path):
    """An untrained trunk beside a trained one is no error."""
    rows, notes = rows_of(RowOptions(fuse=(Fusion("fc6", 0.5),)), tmp_path, pool=POOL)
    assert len(rows) == 1
    assert notes == ["net is not fused: it has no fc6 and no prob."]


def test_standard_scores_leave_the_query_itself_out():
    """Scores 9 (itself), 1, 2, 3: mean 2, deviation √(2/3) over the others."""

    class Given:
        num_queries = num_gallery = 4
        rows_per_block = 3

        def __call__(self, queries, gallery):
            return np.where(np.eye(4), 9, np.tile([[1.0, 2, 3, 1]], (4, 1)))[queries, gallery].astype(np.float32)

    found = StandardisedScoring(Given(), TRUTH)(slice(0, 2), slice(0, 4))
    # First query: 2, 3, 1 remain. Second: 1, 3, 1, of mean 5/3 and variance 8/9.
    assert found[0, 1:] == pytest.approx(np.array([0, 1, -1]) / np.sqrt(2 / 3))
    assert found[1, [0, 2, 3]] == pytest.approx((np.array([1, 3, 1]) - 5 / 3) / np.sqrt(8 / 9))


def test_a_weight_outside_of_its_range_is_refused():
    """Weights are shares."""
    with pytest.raises(ValueError, match="between 0 and 1"):
        Fusion("pool", -0.1)


class Brightness:
    """``pool``: mean of each channel, of two images at a time."""

    def __init__(self):
        self.name = "brightness"
        self.batch_size = 2
        self.sizes = {"pool": 3, "prob": 1}

    def compute(self, images):
        assert len(images) <= 2
        pool = images.mean(axis=(1, 2)).astype(np.float32)
        return {"pool": pool, "prob": pool[:, :1] / 255}


def test_features_are_computed_batch_by_batch_in_order(tmp_path):
    """Five images in batches of two, the last of one; only what was asked for is kept."""
    images = np.arange(5, dtype=np.uint8).reshape(5, 1, 1, 1) * np.ones((1, 4, 4, 3), np.uint8)
    told = []
    files = compute_features(Brightness(), images, tmp_path, outputs=("pool",), on_images=told.append)
    assert list(files) == ["pool"]
    assert files["pool"][:].tolist() == [[number] * 3 for number in range(5)]
    assert told == [2, 4, 5]


@pytest.mark.parametrize(
    ("value", "half_precision", "facts"),
    [
        (np.nan, False, ("NaN or infinity in prob", "--precision float32")),
        (-np.inf, True, ("NaN or infinity in prob", "--precision float32")),
        # float16 ends at 65,504.
        (-65_600.0, True, ("65,600 in prob", "leave out --float16")),
    ],
)
def test_features_that_cannot_be_compared_are_named(tmp_path, value, half_precision, facts):
    """In the third batch: the network, the feature, what was found in it, and what to do."""

    class Broken(Brightness):
        def compute(self, images):
            found = super().compute(images)
            found["prob"][images[:, 0, 0, 0] == 4] = value
            return found

    images = np.arange(5, dtype=np.uint8).reshape(5, 1, 1, 1) * np.ones((1, 4, 4, 3), np.uint8)
    with pytest.raises(UnusableFeatures, match="brightness gives features that") as refused:
        compute_features(Broken(), images, tmp_path, half_precision=half_precision)
    assert refused.value.received == facts[0]
    assert facts[1] in refused.value.remedy


def test_an_image_that_cannot_be_read_ends_it(tmp_path):
    """The error comes through the threads that read ahead."""

    class Broken:
        def __len__(self):
            return 9

        def __getitem__(self, index):
            if index == 3:
                raise OSError("no such picture")
            return np.zeros((4, 4, 3), np.uint8)

    with pytest.raises(OSError, match="no such picture"):
        compute_features(Brightness(), Broken(), tmp_path)


@pytest.fixture
def report(tmp_path):
    rows, notes = rows_of(RowOptions(expand=(1,)), tmp_path, pool=POOL, prob=PROB)
    facts = {"name": "letters", "num_queries": 4, "num_gallery": 4, "levels": ["item"]}
    return EvaluationReport(facts, [{"name": "net", "weights_sha256": "0" * 64}], rows, notes, "drape evaluate", "2026")


def test_the_report_as_json_holds_every_curve(report, tmp_path):
    """Rows with their curves, counts, the data set, the networks' facts."""
    write_json(report, tmp_path / "results.json")
    body = json.loads((tmp_path / "results.json").read_text())
    assert body["dataset"]["name"] == "letters"
    assert body["models"] == [{"name": "net", "weights_sha256": "0" * 64}]
    first = body["rows"][0]
    assert (first["feature"], first["metric"], first["size"]) == ("pool", "L2 + Euclidean", 2)
    item = first["levels"]["item"]
    assert (item["num_queries"], item["num_excluded"]) == (4, 0)
    # Ranks of siblings: a1 first, a2 second, b1 third, b2 first.
    assert item["recall"] == [0.5, 0.75, 1.0]
    assert item["top_k_accuracy"] == [0.5, 0.75, 1.0]
    assert item["precision"] == pytest.approx([2 / 4, 3 / 8, 4 / 12], abs=1e-6)
    assert first["attributes"]["num_queries"] == 4


def test_the_report_as_csv_has_a_line_per_value(report, tmp_path):
    """Four rows, three measures of one level and IoU, three ranks each: 48 lines."""
    write_csv(report, tmp_path / "results.csv")
    with (tmp_path / "results.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == 4 * (3 + 1) * 3
    assert {line["measure"] for line in lines} == {"precision", "recall", "top_k_accuracy", "iou"}
    assert (lines[0]["level"], lines[0]["k"], float(lines[0]["value"])) == ("item", "1", 0.5)


def test_figures_are_drawn_for_both_protocols(report, tmp_path):
    """PNG and SVG of each; the PNG shows curves in several colours on white."""
    written = write_figures(report, tmp_path)
    assert [path.name for path in written] == ["fig3.png", "fig3.svg", "fig4.png", "fig4.svg"]
    with Image.open(tmp_path / "fig3.png") as picture:
        colours = np.unique(np.asarray(picture.convert("RGB")).reshape(-1, 3), axis=0).tolist()
    panels = (tmp_path / "fig3.svg").read_text()
    assert "precision@k" in panels
    assert "mean attribute IoU of the first k" in panels
    # The first four of Okabe and Ito's colours, one per curve.
    assert all(colour in colours for colour in ([0, 114, 178], [213, 94, 0], [0, 158, 115], [204, 121, 167]))


def test_no_figure_of_accuracy_without_labels_to_judge_by(tmp_path):
    """Where nothing is relevant to anything there is IoU, and no curve of precision or accuracy."""
    images = tuple(DatasetImage(Path(name), {"item": name}, ("tag=a",)) for name in NAMES)
    truth = GroundTruth(Dataset("single", (), images, images))
    rows = list(NetworkRows("net", {"pool": POOL}, truth, tmp_path).rows(RowOptions()))
    lonely = EvaluationReport({"name": "single"}, [], rows, [], "", "")
    assert lonely.levels == ()
    assert lonely.has_attributes
    assert [path.name for path in write_figures(lonely, tmp_path)] == ["fig3.png", "fig3.svg"]
    shown = (tmp_path / "fig3.svg").read_text()
    assert "mean attribute IoU of the first k" in shown
    assert "precision@k" not in shown


def test_values_beyond_the_curve_are_none(report):
    """A small gallery has no precision@5."""
    curve = report.rows[0].measures.levels["item"].precision
    assert measure_at(curve, 3) == pytest.approx(1 / 3)
    assert measure_at(curve, 5) is None


def test_only_the_first_results_are_kept():
    """Ten of fifty ranks are what a sheet shows."""
    images = tuple(DatasetImage(Path(str(number)), {"item": str(number % 7)}) for number in range(40))
    truth = GroundTruth(Dataset("numbers", (), images, images))
    angles = directions(*range(40))
    row = next(iter(NetworkRows("net", {"pool": angles}, truth, Path()).rows(RowOptions())))
    assert row.ranking.shape == (40, 39)
    assert np.array_equal(with_first_results(row).ranking, row.ranking[:, :10])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("vgg19", "names no network"),
        ("resnet50:", "names no network"),
        ("compact", "Nobody publishes"),
        ("resnet50:/nowhere/weights.h5", "are not there"),
    ],
)
def test_texts_that_name_no_network_are_refused(text, message):
    """An unknown trunk, no file after the colon, nothing published, a file that is not there."""
    with pytest.raises(UnknownNetwork, match=message):
        parse_untrained(text)


def test_networks_to_compare_with_by_name(tmp_path):
    """A trunk of its published weights, of a file, and of random ones."""
    path = tmp_path / "weights.h5"
    path.touch()
    assert parse_untrained("vgg16").weights is None
    found = parse_untrained(f"resnet50:{path}", preprocessing="torch", input_size=160)
    assert (found.weights, found.preprocessing, found.input_size) == (path, "torch", 160)
    assert found.name == "resnet50 (untrained)"
    assert parse_untrained("resnet50:random").is_random
