"""The heading over hits names everything that was searched with."""

import pytest

from catalog.types import Examples
from cli.search import _subject


@pytest.mark.parametrize(
    ("first", "examples", "but", "said"),
    [
        ("a.jpg", Examples(), None, "a.jpg"),
        (None, Examples(("7", "8"), ("9",)), None, "7 and 8, unlike 9"),
        ("product 7", Examples(("8",)), ["color=blue", "fabric=silk"], "product 7 and 8, but color=blue, fabric=silk"),
        (None, Examples(), None, ""),
    ],
)
def test_a_heading_names_examples_and_changes(first, examples, but, said):
    assert _subject(first, examples, but) == said
