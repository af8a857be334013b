"""Answers as tables and as JSON."""

from __future__ import annotations

import datetime
import io
import json
from dataclasses import replace
from decimal import Decimal

import pytest
from rich.console import Console

from catalog.types import (
    Availability,
    Hit,
    Price,
    Reason,
    SearchAnswer,
    SearchMode,
    Total,
    TotalRelation,
    UnderstoodWords,
)
from cli.hit_wording import hits_text, plain_text, price_text, timings_text
from cli.result_table import answer_as_json, print_answer, result_table

LONG_ID = "QZX" * 25

HIT = Hit(
    rank=1,
    score=0.87654,
    external_id="dress-7",
    image_id=4711,
    image_sha256="ab" * 32,
    title="Striped maxi dress",
    category=("Women", "Dresses"),
    attributes=("color=red", "pattern=striped"),
    price=Price(Decimal("49.9000"), "EUR"),
    availability=Availability.OUT_OF_STOCK,
    link="https://shop.example/7",
    item_group="g-1",
    why=(Reason("color=red", 0.244), Reason("pattern=striped", 0.18)),
    given_attributes=("colour=scarlet", "pattern=striped"),
)
ANSWER = SearchAnswer(
    hits=(HIT,),
    mode=SearchMode.RERANK,
    model_version="compact-1",
    collection="c-9",
    timings_ms={"embed": 31.4, "search": 2.13},
)


def rendered(answer: SearchAnswer, width: int) -> str:
    stream = io.StringIO()
    Console(file=stream, width=width, highlight=False).print(result_table(answer, title="Like a.jpg"))
    return stream.getvalue()


@pytest.mark.parametrize("width", [80, 100, 120, 160, 250])
def test_every_fact_is_shown_at_every_width(width):
    """Rank, score, id, title, category, price, availability and reasons; no line longer than the terminal."""
    text = rendered(ANSWER, width)
    flat = " ".join(text.split())
    facts = ["Like a.jpg", "0.877", "dress-7", "Striped maxi dress", "Dresses", "49.90 EUR", "out of stock"]
    for fact in [
        *facts,
        "color=red 24 %",
        "pattern=striped 18 %",
        "1 hit",
        "compact-1",
        "34 ms (embed 31, search 2.1)",
    ]:
        assert fact in flat
    assert max(len(line) for line in text.splitlines()) <= width


@pytest.mark.parametrize("width", [60, 80, 120, 160])
def test_ids_are_never_shortened(width):
    """An id longer than its column goes on in the next line: with the breaks taken out, it is whole."""
    text = rendered(replace(ANSWER, hits=(replace(HIT, external_id=LONG_ID, title="t", why=()),)), width)
    pieces = [piece for piece in text.split() if set(piece) <= set("QZX")]
    assert "".join(pieces) == LONG_ID


def test_a_pipe_gets_one_plain_line_per_hit(monkeypatch):
    """No colour, no cut, no fold: a hit's line holds its id, its title and its reasons, for grep and awk."""
    monkeypatch.delenv("COLUMNS", raising=False)
    stream = io.StringIO()
    print_answer(replace(ANSWER, hits=(replace(HIT, external_id=LONG_ID, title="word " * 60),)), file=stream)
    lines = [line for line in stream.getvalue().splitlines() if LONG_ID in line]
    assert len(lines) == 1
    assert ("word " * 60).strip() in lines[0]
    assert "color=red 24 %, pattern=striped 18 %" in lines[0]
    assert "\x1b" not in stream.getvalue()


def test_no_hits_are_said_in_words():
    """An empty answer is no empty table."""
    text = rendered(replace(ANSWER, hits=()), 80)
    assert "No item matches." in text
    assert "0 hits" in text


@pytest.mark.parametrize(
    ("num_shown", "total", "text"),
    [
        (3, None, "3 hits"),
        (1, Total(1, TotalRelation.EXACT), "1 hit"),
        (10, Total(1234, TotalRelation.EXACT), "10 of 1,234 hits"),
        (10, Total(87, TotalRelation.AT_LEAST), "10 of at least 87 hits"),
        (0, Total(1, TotalRelation.EXACT), "0 of 1 hit"),
    ],
)
def test_the_footer_tells_how_many_hits_there_are(num_shown, total, text):
    """All of them are told once; a bound is told as one."""
    assert hits_text(num_shown, total) == text


def test_a_hit_may_lack_what_is_optional():
    """No price, no category, no reasons: nothing in their place, no 'None'."""
    bare = replace(HIT, price=None, category=(), why=(), link=None, item_group=None)
    for width in (80, 160):
        assert "None" not in rendered(replace(ANSWER, hits=(bare,)), width)


def test_titles_cannot_steer_the_terminal_or_the_markup():
    """Escape sequences, line ends, reversing marks and rich's markup in a feed come out as harmless text."""
    hostile = "[red]a[/] \x1b[2Jb\r\nc\x07\u202ed"
    assert plain_text(hostile) == "[red]a[/] [2Jb c d"
    text = rendered(replace(ANSWER, hits=(replace(HIT, title=hostile, external_id="\x1b]0;x\x07"),)), 160)
    assert "[red]a[/] [2Jb c d" in text
    assert "\x1b" not in text


def test_json_holds_everything_under_stable_keys():
    """The documented keys, exact amounts as text, and nothing that JSON cannot hold."""
    answer = replace(
        ANSWER,
        total=Total(87, TotalRelation.AT_LEAST),
        indexed_at=datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC),
        ranked_by=("prob",),
        reordered_by=("in_stock", "diversity"),
    )
    assert "rerank: " in rendered(answer, 160)
    assert ", reordered by in stock, diversity · " in rendered(answer, 160)
    assert "reordered" not in rendered(ANSWER, 160)
    assert json.loads(json.dumps(answer_as_json(answer))) == {
        "mode": "rerank",
        "ranked_by": ["prob"],
        "reordered_by": ["in_stock", "diversity"],
        "indexed_at": "2026-01-02T03:04:05+00:00",
        "total": {"value": 87, "relation": "at_least"},
        "model_version": "compact-1",
        "collection": "c-9",
        "timings_ms": {"embed": 31.4, "search": 2.13},
        "hits": [
            {
                "rank": 1,
                "score": 0.87654,
                "id": "dress-7",
                "title": "Striped maxi dress",
                "category": ["Women", "Dresses"],
                "attributes": ["color=red", "pattern=striped"],
                "given_attributes": ["colour=scarlet", "pattern=striped"],
                "price": {"amount": "49.90", "currency": "EUR"},
                "availability": "out_of_stock",
                "link": "https://shop.example/7",
                "item_group": "g-1",
                "image": {"id": 4711, "sha256": "ab" * 32},
                "why": [{"attribute": "color=red", "share": 0.244}, {"attribute": "pattern=striped", "share": 0.18}],
            }
        ],
    }


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [
        ("49.9000", "EUR", "49.90 EUR"),
        ("49", "EUR", "49.00 EUR"),
        ("1200.0000", "JPY", "1,200 JPY"),
        ("1.2345", "KWD", "1.2345 KWD"),
        ("0", "USD", "0.00 USD"),
        ("2147483648", "USD", "2,147,483,648.00 USD"),
    ],
)
def test_prices_read_as_prices(amount, currency, text):
    """Two decimals unless the price has more or the currency has none."""
    assert price_text(Price(Decimal(amount), currency)) == text


def test_timings_name_the_stages_that_took_time():
    """The sum first; stages under 0.1 ms are counted but not named; one stage alone needs no name."""
    assert timings_text({"decode": 3.24, "load": 0.01, "embed": 1234.5}) == "1,238 ms (decode 3.2, embed 1,234)"
    assert timings_text({"search": 2.0, "total": 3.0}) == "5.0 ms (search 2.0, count 3.0)"
    assert timings_text({"search": 2.13}) == "2.1 ms"
    assert timings_text({}) == "0.0 ms"


def test_what_was_understood_of_words_is_told():
    """Above the hits, and in JSON under a key of its own, which other searches do not have."""
    words = UnderstoodWords(
        ("color=red",), ("pattern=floral",), "Dresses", Decimal("5"), Decimal("50"), "EUR", ("flowy", "\x1bgown")
    )
    answer = replace(ANSWER, understood=words)
    told = "Understood: color=red, without pattern=floral, in Dresses, from 5 EUR, up to 50 EUR. Ignored: flowy, gown"
    assert told in rendered(answer, 160)
    assert answer_as_json(answer)["understood"] == {
        "all": ["color=red"],
        "none": ["pattern=floral"],
        "category": "Dresses",
        "min_price": "5",
        "max_price": "50",
        "currency": "EUR",
        "ignored": ["flowy", "\x1bgown"],
    }
