"""What ``drape model`` shows of versions from anywhere, and which of its options go together."""

from __future__ import annotations

import json
import shutil

import pytest

from embeddings.manifest import MANIFEST_FILE
from embeddings.model_store import SHIPPED_FOLDER

SHIPPED = "compact-rendered"


@pytest.fixture
def add_version(drape):
    """Adds the shipped version under another name, with its manifest as ``change`` leaves it."""

    def add(name, change):
        folder = drape.home / "models" / name
        shutil.copytree(SHIPPED_FOLDER / SHIPPED, folder)
        manifest = json.loads((folder / MANIFEST_FILE).read_text()) | {"version": name}
        change(manifest)
        (folder / MANIFEST_FILE).write_text(json.dumps(manifest))

    return add


def test_names_in_manifests_are_shown_as_they_are(drape, add_version):
    """Brackets and colons, which the terminal library takes for markup and pictures, are letters like others."""

    def rename(manifest):
        (network,) = manifest["networks"]
        network["trunk"] = "[bold]:cat:"
        network["features"].append("[/x]")
        manifest["features"]["[/x]"] = {"size": 5, "normalization": "l2"}
        manifest["precision"] = "float32"

    add_version("odd", rename)
    shown = drape.run_here("model", "show", "odd")
    assert shown.code == 0, shown.err
    assert "network     [bold]:cat: + multiattrib" in shown.out
    assert "feature     [/x], 5 components\n" in shown.out
    listed = drape.run_here("model", "list")
    assert listed.code == 0, listed.err
    (odd,) = [line for line in listed.out.splitlines() if line.split()[:1] == ["odd"]]
    assert "[bold]:cat:" in odd
    assert "128 px  float32 " in odd
    assert "[/x] 5" in listed.out


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("export", SHIPPED, "--merchant", "atelier"), "An archive holds the model version as it is"),
        (("export", SHIPPED, "--calibration-images", "."), "An archive holds the model version as it is"),
        (("export", SHIPPED, "--format", "tflite", "--merchant", "a"), "with --precision float16 and without --check"),
        (
            ("export", SHIPPED, "--format", "tflite", "--precision", "float32", "--calibration-images", "."),
            "with --precision float32 and without --check",
        ),
        (
            ("export", SHIPPED, "--format", "tflite", "--check", "--calibration-images", ".", "--merchant", "a"),
            "There are two sources of photos",
        ),
    ],
)
def test_options_that_would_do_nothing_are_refused(drape, tmp_path, options, said):
    """Rather than ignored; nothing is written."""
    ran = drape.run_here("model", *options, "--out", tmp_path / "file")
    assert ran.code == 2
    assert said in ran.err
    assert list(tmp_path.iterdir()) == []


def test_two_sources_of_photos_are_refused(drape, tmp_path):
    """A quantized version is rounded by one of them, and says by which."""
    ran = drape.run_here(
        *("model", "quantize", SHIPPED, "--name", "small-int8"),
        *("--merchant", "atelier", "--calibration-images", tmp_path),
    )
    assert ran.code == 2
    assert "There are two sources of photos" in ran.err


def test_an_export_leaves_links_and_folders_what_they_are(drape, tmp_path):
    """The archive goes where the link leads; a name that is no file's is refused."""
    target, link = tmp_path / "version.tar", tmp_path / "link"
    link.symlink_to(target)
    assert drape.run_here("model", "export", SHIPPED, "--out", link).code == 0
    assert link.is_symlink()
    assert target.stat().st_size > 10**6
    refused = drape.run_here("model", "export", SHIPPED, "--out", tmp_path)
    assert refused.code == 1
    assert "cannot be written" in refused.err
