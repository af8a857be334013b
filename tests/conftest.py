"""Fixtures that every kind of test may use."""

from __future__ import annotations

import os
from pathlib import Path

import hypothesis
import pytest

REPOSITORY = Path(__file__).resolve().parent.parent

# How long an example takes says more of what else the machine does than of the code.
hypothesis.settings.register_profile("drape", deadline=None)
hypothesis.settings.load_profile("drape")


@pytest.fixture(scope="session")
def shared_folder() -> Path:
    """The folder of real photos and weights; tests that ask for it are skipped, visibly, where it is absent."""
    folder = Path(os.environ.get("DRAPE_SHARED", REPOSITORY.parent / "shared"))
    if not (folder / "data").is_dir():
        pytest.skip(f"real photos and weights are not at {folder} (set DRAPE_SHARED to the folder that has them)")
    return folder
