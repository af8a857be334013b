"""``drape evaluate`` on a small rendered catalog, as a data set and ingested."""

from __future__ import annotations

import csv
import json

import pytest

from embeddings.datasets.rendered.catalog import write_catalog

NUM_ITEMS = 12
VIEWS = 2


@pytest.fixture(scope="module")
def catalog(tmp_path_factory):
    """A rendered catalog as a feed."""
    return write_catalog(tmp_path_factory.mktemp("rendered") / "catalog", NUM_ITEMS, VIEWS, seed=11, height=96)


def test_a_catalog_is_evaluated_with_everything(drape, catalog, tmp_path):
    """Networks side by side, options beyond the paper, the engine's rows; table, JSON, CSV, figures and sheet."""
    assert drape.run_here("ingest", catalog, "--merchant", "atelier").code == 0
    out = tmp_path / "evaluation"
    ran = drape.run_here(
        *("evaluate", "--merchant", "atelier", "--out", out, "--model", "compact-rendered"),
        *("--untrained", "compact:random", "--whiten", "8", "--expand", "2", "--fuse", "pool:0.5"),
    )
    assert ran.code == 0, ran.err
    body = json.loads((out / "results.json").read_text())
    rows = {(row["model"], row["feature"], row["metric"]): row for row in body["rows"]}
    assert len(rows) == len(body["rows"])
    shipped = {(feature, metric) for model, feature, metric in rows if model == "compact-rendered"}
    assert {
        ("pool", "L2 + Euclidean"),
        ("pool, whitened", "L2 + Euclidean"),
        ("pool, expanded by 2", "L2 + Euclidean"),
        ("prob", "L2 + hist. inter."),
        ("pool + 0.5 prob", "cosine + L2 + hist. inter., standardised per query"),
        ("pool", "engine, visual: cosine, int8"),
        ("prob", "engine, native: L2 + hist. inter."),
    } <= shipped
    assert ("compact (random)", "pool", "L2 + Euclidean") in rows
    pool = rows["compact-rendered", "pool", "L2 + Euclidean"]["levels"]["product"]
    assert (pool["num_queries"], pool["num_excluded"]) == (NUM_ITEMS * VIEWS, 0)
    # 24 images less the query: k ends at 23, where everything is found.
    assert len(pool["recall"]) == 23
    assert pool["recall"][-1] == 1.0
    assert pool["precision"][0] > 0.9
    engine = rows["compact-rendered", "pool", "engine, visual: cosine, int8"]["levels"]["product"]
    assert engine["precision"] == pytest.approx(pool["precision"], abs=0.05)
    assert body["models"][1]["weights_sha256"]
    assert body["command"].startswith("drape evaluate --merchant atelier")
    assert "k ends at 23" in ran.out
    assert "compact (random) is not fused: it has no prob." in ran.out
    assert "p@10" in ran.out
    with (out / "results.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == len(rows) * 4 * 23
    assert {path.name for path in out.iterdir()} == {
        *("results.json", "results.csv", "fig3.png", "fig3.svg", "fig4.png", "fig4.svg", "result-sheet.html")
    }
    sheet = (out / "result-sheet.html").read_text()
    # Four queries by the best feature of both networks; every query's sibling is near, for one of them at least.
    assert sheet.count('class="section"') == 8
    assert "same product" in sheet


def test_a_data_set_is_evaluated_as_json(drape, catalog, tmp_path):
    """A table of labelled photos; one feature alone; nothing but JSON on standard output."""
    images = sorted(catalog.parent.rglob("*.jpg"))[: 2 * 4]
    lines = [f"{image},test,color=red,item={number // 2}" for number, image in enumerate(images)]
    table = catalog.parent / "table.csv"
    table.write_text("\n".join(["image,split,attributes,labels", *lines]) + "\n")
    ran = drape.run(
        *("evaluate", "--dataset", f"table:{table}", "--out", tmp_path / "out", "--model", "compact-rendered"),
        *("--feature", "prob", "--no-engine", "--every-metric", "--sheet-queries", "0", "--json"),
    )
    assert ran.code == 0, ran.err
    assert [row["metric"] for row in ran.json["rows"]] == [
        *("L2 + hist. inter.", "L1 + hist. inter.", "cosine", "L1 + dot")
    ]
    assert ran.json["dataset"]["num_queries"] == 8
    assert not (tmp_path / "out" / "result-sheet.html").exists()
