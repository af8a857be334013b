"""Fixtures that every kind of test may use."""

from __future__ import annotations

import gc
import os
from pathlib import Path

import hypothesis
import pytest

REPOSITORY = Path(__file__).resolve().parent.parent

# How long an example takes says more of what else the machine does than of the code.
hypothesis.settings.register_profile("drape", deadline=None)
hypothesis.settings.load_profile("drape")


# Collecting makes hundreds of thousands of objects that live as long as the run does. Looking through them again and
# again for garbage takes a sixth of that time, and some of every test's; once they are frozen it passes over them.
gc.disable()


def pytest_collection_finish() -> None:
    gc.collect()
    gc.freeze()
    gc.enable()


_LONG = ("end_to_end", "unit/test_train", "unit/test_evaluation", "unit/test_networks", "integration", "contract")
"""Where files are that take long, by the beginning of their path, roughly the longest first."""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Have processes that share the files begin with the longest: what is left at the end is short for all of them."""

    def rank(item: pytest.Item) -> int:
        path = item.path.relative_to(REPOSITORY / "tests").as_posix()
        return next((number for number, start in enumerate(_LONG) if path.startswith(start)), len(_LONG))

    items.sort(key=rank)


@pytest.fixture(scope="session")
def shared_folder() -> Path:
    """The folder of real photos and weights; tests that ask for it are skipped, visibly, where it is absent."""
    folder = Path(os.environ.get("DRAPE_SHARED", REPOSITORY.parent / "shared"))
    if not (folder / "data").is_dir():
        pytest.skip(f"real photos and weights are not at {folder} (set DRAPE_SHARED to the folder that has them)")
    return folder
