"""A merchant asks what attributes the catalog has."""

from __future__ import annotations

import pytest
from PIL import Image


@pytest.fixture(scope="module")
def stocked(shared_drape, tmp_path_factory):
    """Three products, one of them with a contradiction between feed and title."""
    folder = tmp_path_factory.mktemp("feed")
    Image.new("RGB", (48, 64), "red").save(folder / "one.png")
    rows = (
        "id,title,description,category,attributes,image",
        "p31,Red lace gown,With pockets; no belt.,Women > Dresses,,one.png",
        "p32,Blue gown,Lined.,Women > Dresses,color=red,one.png",
        "p33,Striped shirt,,Women > Shirts,,one.png",
    )
    feed = folder / "feed.csv"
    feed.write_text("\n".join(rows) + "\n", encoding="utf-8")
    assert shared_drape.run_here("ingest", feed, "--merchant", "atelier").code == 0
    return shared_drape


def test_report_as_json_and_as_tables(stocked):
    """Coverage, sources, contradictions, denials, learned words and words left out."""
    report = stocked.run("attributes", "--learn-words", "1", "--json").json
    assert (report["merchant"], report["products"], report["products_with_attributes"]) == ("atelier", 3, 3)
    # 3 of p31 (red, lace, pockets), 2 of p32 (red, lining), 1 of p33. "gown" is on two of three: too many to learn it.
    assert report["mean_attributes"] == pytest.approx(6 / 3)
    assert report["attributes"][0] == {"attribute": "color=red", "products": 2, "from_feed": 1, "from_text": 1}
    assert report["conflicts"] == [{"group": "color", "feed": ["red"], "text": ["blue"], "products": 1}]
    assert report["denied"] == {"detail=belt": 1}
    assert report["learned"] == []
    assert report["words_left_out"] == {"gown": 2, "shirt": 1}

    tables = stocked.run_here("attributes", "--min-count", "2", "--category", "dresses")
    assert tables.code == 0, tables.err
    assert "2 of 2 products have attributes (100 %)" in tables.out
    assert "color=red" in tables.out
    assert "Left out, on fewer than 2 products: detail=lining 1, detail=pockets 1, fabric=lace 1" in tables.out
    assert "gown 2" in tables.out


def test_what_cannot_be_asked_is_said_so(stocked, tmp_path):
    """A vocabulary that is none is named with the entry at fault; so are a category without products, and words that
    no text is read for."""
    own = tmp_path / "own.toml"
    own.write_text("[groups.color.values]\nred = 7\n", encoding="utf-8")
    refused = stocked.run_here("attributes", "--vocabulary", own)
    assert refused.code != 0
    assert "own.toml" in refused.err
    assert 'groups.color.values."red"' in refused.err
    assert "Traceback" not in refused.err
    for words in (("--learn-words", "5"), ("--vocabulary", own)):
        unread = stocked.run_here("attributes", "--source", "feed", *words)
        assert unread.code == 2
        assert words[0] in unread.err
        assert "--source text or both" in unread.err
    nothing = stocked.run_here("attributes", "--category", "Hats")
    assert nothing.code == 2
    assert "Hats" in nothing.err
