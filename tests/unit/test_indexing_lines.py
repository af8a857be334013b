"""What a person is told of indexing: who did it, and how much there was."""

import pytest

from catalog.services.indexing.indexing_follower import FollowedIndexing
from catalog.services.indexing.indexing_summary import IndexingSummary
from cli.ingest import indexing_lines


@pytest.mark.parametrize(
    ("indexing", "told"),
    [
        (
            FollowedIndexing(num_images=3, seconds=2.0),
            "Workers, or the server that does their work, took 3 images in 2.0 s (1.5 images/s).",
        ),
        (FollowedIndexing(), "Nothing waits to be indexed: every vector is up to date."),
        (IndexingSummary(embedded=30, seconds=2.0), "Embedded 30 images in 2.0 s (15 images/s)."),
        (IndexingSummary(), "Embedded no image: every vector is up to date."),
    ],
)
def test_who_indexed_is_told_as_far_as_it_is_known(indexing, told):
    """From beside it, a command cannot tell a worker from a ``drape serve`` without workers."""
    assert list(indexing_lines(indexing)) == [told]
