"""A merchant whitens a model version and searches with it."""

from __future__ import annotations

from PIL import Image

from embeddings.datasets.rendered.catalog import write_catalog

NUM_ITEMS = 12
VIEWS = 2
SIZE = 10


def test_a_version_is_whitened_and_changed_to(drape, tmp_path):
    """Fitted on the catalog's photos; search and similar answer by the smaller vectors; an item finds itself."""
    catalog = write_catalog(tmp_path / "catalog", NUM_ITEMS, VIEWS, seed=5, height=96)
    assert drape.run_here("ingest", catalog, "--merchant", "atelier").code == 0
    made = drape.run_here("model", "whiten", "compact-rendered", "--name", "white-1", "--size", str(SIZE))
    assert made.code == 0, made.err
    assert "pool whitened to 10 components" in made.out
    assert f"catalog of atelier: {NUM_ITEMS * VIEWS} of {NUM_ITEMS * VIEWS} images (seed 0)" in made.out
    assert "drape reindex --model white-1 --merchant atelier" in made.out
    changed = drape.run_here("reindex", "--model", "white-1")
    assert changed.code == 0, changed.err
    assert "white-1 is live for atelier" in changed.out
    photo = next((tmp_path / "catalog").rglob("*.jpg"))
    found = drape.run_here("search", photo, "--mode", "visual", "--json")
    assert found.code == 0, found.err
    answer = found.json
    assert answer["model_version"] == "white-1"
    assert answer["hits"][0]["score"] > 0.99
    similar = drape.run_here("similar", answer["hits"][0]["id"], "--mode", "visual", "--json")
    assert len(similar.json["hits"]) == 10
    shown = drape.run_here("model", "show", "white-1")
    assert f"feature     pool, {SIZE} components (searched by looks)" in shown.out
    assert "whitening   pool of 384 components, fitted on catalog of atelier" in shown.out
    assert f"made by     drape model whiten compact-rendered --name white-1 --size {SIZE}\n" in shown.out
    assert "made of     compact-rendered, made by python -m embeddings.training.compact" in shown.out

    archive = tmp_path / "white.tar"
    assert drape.run_here("model", "export", "white-1", "--out", archive).code == 0
    twice = drape.run_here("model", "whiten", "white-1", "--name", "white-2", "--size", "4")
    assert twice.code == 1
    assert "white-1 is whitened already" in twice.err


def test_what_cannot_be_whitened_is_told_before_anything_runs(drape, tmp_path):
    """Two sources, a feature there is not, more components than there are, too few photos: each with what would do."""
    lines = ["image,split,attributes"]
    for number in range(4):
        Image.new("RGB", (40, 40), (60 * number, 30, 30)).save(tmp_path / f"{number}.png")
        lines.append(f"{number}.png,test,color=red")
    table = tmp_path / "photos.csv"
    table.write_text("\n".join(lines) + "\n")
    whiten = ("model", "whiten", "compact-rendered", "--name", "white-1", "--dataset", f"table:{table}")
    for arguments, code, said in (
        (("--size", "8", "--merchant", "atelier"), 2, "two sources"),
        (("--size", "8", "--feature", "fc6"), 1, "pool"),
        (("--size", "5000"), 1, "cannot be whitened to so many components"),
        (("--size", "8"), 1, "4 images"),
    ):
        ran = (drape.run if code == 2 else drape.run_here)(*whiten, *arguments)
        assert ran.code == code
        assert said in ran.err
