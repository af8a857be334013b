"""Every feed is taken for what it is, whichever dialects there are, and for nothing else when it is told so."""

from __future__ import annotations

from pathlib import Path

import pytest

from catalog.errors import FeedUnreadable
from catalog.feeds import open_feed, reading_options
from catalog.feeds.dialects import DIALECTS
from catalog.types import DialectName, ProductRecord

FIXTURES = Path(__file__).parent.parent / "fixtures" / "feeds"

OWN = "id,title,image,price,availability,link,description,item_group_id\n1,Red dress,a.jpg,5 EUR,in stock,,,\n"
VISION = 'gs://bucket/a.jpg,i1,set,p1,apparel-v2,Red dress,"color=red,style=maxi",\n'


@pytest.fixture(params=["own.csv", "vision.csv", *sorted(path.name for path in FIXTURES.iterdir())])
def feed(request, tmp_path):
    """Path of a feed and its dialect."""
    name = request.param
    if name in ("own.csv", "vision.csv"):
        path = tmp_path / name
        path.write_text(OWN if name == "own.csv" else VISION)
        return path, DialectName.DRAPE if name == "own.csv" else DialectName.VISION
    return FIXTURES / name, DialectName(name.partition("-")[0].partition(".")[0])


def test_feed_is_taken_for_what_it_is(feed):
    """With products, whatever else its header may look like."""
    path, dialect = feed
    with open_feed(path) as reader:
        assert reader.dialect.name is dialect
        assert any(isinstance(item, ProductRecord) for item in reader)


def test_name_of_the_right_dialect_changes_nothing(feed):
    """Told or found out."""
    path, dialect = feed
    with open_feed(path) as found_out, open_feed(path, reading_options(dialect)) as told:
        assert list(found_out) == list(told)


@pytest.mark.parametrize("other", [dialect.name for dialect in DIALECTS], ids=str)
def test_no_other_dialect_takes_the_feed(feed, other):
    """Refused with what was received and what such a feed has, before anything is read of it."""
    path, dialect = feed
    if other is dialect:
        with open_feed(path, reading_options(other)) as reader:
            assert reader.dialect.name is other
        return
    with pytest.raises(FeedUnreadable) as caught:
        open_feed(path, reading_options(other))
    assert caught.value.received
    assert caught.value.expected
