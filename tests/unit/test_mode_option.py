"""The option ``--mode``: every mode by its name, and looks by the names of their features."""

from __future__ import annotations

import pytest
import typer

from catalog.types import SearchMode
from cli.options import parse_mode


@pytest.mark.parametrize("mode", list(SearchMode))
def test_modes_are_known_by_name(mode):
    """As they are told in answers."""
    assert parse_mode(mode.value) is mode


@pytest.mark.parametrize("feature", ["fc6", "pool"])
def test_features_of_looks_mean_looks(feature):
    """Whichever of them the model has."""
    assert parse_mode(feature) is SearchMode.VISUAL


@pytest.mark.parametrize("text", ["", "best", "VISUAL", "fc7"])
def test_others_are_refused_with_those_there_are(text):
    """Each is named."""
    with pytest.raises(typer.BadParameter, match=r"fused, visual \(or fc6, pool\), rerank, native, exact$"):
        parse_mode(text)
