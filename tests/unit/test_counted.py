"""Numbers of things, as commands tell them."""

from __future__ import annotations

import pytest

from cli.counted import counted


@pytest.mark.parametrize(("number", "text"), [(0, "0 rows"), (1, "1 row"), (2, "2 rows"), (2000, "2,000 rows")])
def test_words_fit_their_numbers(number, text):
    """One row, but no rows and two rows."""
    assert counted(number, "row") == text
