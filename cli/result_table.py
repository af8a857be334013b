"""A search's answer as a table for people and as JSON for programs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TextIO

from rich import box
from rich.console import Console, ConsoleOptions, Group, RenderableType
from rich.table import Table
from rich.text import Text

from catalog.types import Availability, Hit, SearchAnswer, UnderstoodWords
from cli.consoles import table_console
from cli.hit_wording import (
    availability_text,
    hits_text,
    mode_text,
    plain_text,
    price_as_json,
    price_text,
    reordering_text,
    timings_text,
    understood_text,
    why_text,
)

_WIDE = 120
"""From this many columns on, every fact has a column of its own."""


def result_table(answer: SearchAnswer, *, title: str = "") -> ResultTable:
    """The answer as something rich can print, laid out for the width it is given."""
    return ResultTable(answer, title)


def print_answer(answer: SearchAnswer, *, title: str = "", file: TextIO | None = None) -> None:
    """Print the answer as a table: fitted to a terminal; in a pipe one uncoloured, uncut line per hit."""
    table_console(file).print(result_table(answer, title=title))


def answer_as_json(answer: SearchAnswer) -> dict[str, object]:
    """The answer as JSON-serialisable values. The keys are part of the command line's contract.

    ``mode``, ``ranked_by`` (features), ``reordered_by`` (those of ``in_stock``, ``newer`` and ``diversity`` that were
    asked for), ``model_version``, ``collection``, ``indexed_at`` (ISO 8601, or null); ``total``: ``value`` and
    ``relation`` (``exact`` or ``at_least``), or null; ``timings_ms``: stage to milliseconds;
    ``hits``: a list of ``rank`` (from 1), ``score`` (higher is nearer), ``id`` (the merchant's), ``title``,
    ``category`` (level names, general first), ``attributes`` (``group=value``), ``given_attributes`` (the feed's own
    words for them), ``price`` (``amount`` as a decimal string, ``currency``; or null), ``availability``, ``link``,
    ``item_group`` (or null), ``image`` (``id``, ``sha256``), and ``why``: a list of ``attribute`` and ``share`` (0 to
    1), largest first.
    Of a search with words, ``understood``: ``all``, ``none``, ``category``, ``min_price`` and ``max_price`` (decimal
    strings), ``currency`` and ``ignored``. Where there is anything to know of the filters, ``notes``: sentences.
    """
    total = answer.total
    return {
        "mode": answer.mode.value,
        "ranked_by": list(answer.ranked_by),
        "reordered_by": list(answer.reordered_by),
        "model_version": answer.model_version,
        "collection": answer.collection,
        "indexed_at": None if answer.indexed_at is None else answer.indexed_at.isoformat(),
        "total": None if total is None else {"value": total.value, "relation": total.relation.value},
        "timings_ms": {stage: round(value, 3) for stage, value in answer.timings_ms.items()},
        "hits": [_hit_as_json(hit) for hit in answer.hits],
        **({} if answer.understood is None else {"understood": _understood_as_json(answer.understood)}),
        **({"notes": list(answer.notes)} if answer.notes else {}),
    }


def _understood_as_json(words: UnderstoodWords) -> dict[str, object]:
    low, high = words.min_price, words.max_price
    return {
        "all": list(words.all_of),
        "none": list(words.none_of),
        "category": words.category,
        "min_price": None if low is None else str(low),
        "max_price": None if high is None else str(high),
        "currency": words.currency,
        "ignored": list(words.ignored),
    }


class ResultTable:
    """Renders an answer: wide with a column per fact, narrow with the facts under the title."""

    def __init__(self, answer: SearchAnswer, title: str) -> None:
        self._answer = answer
        self._title = title

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        if self._title:
            yield Text(plain_text(self._title), style="bold")
        if self._answer.understood is not None:
            yield Text(plain_text(understood_text(self._answer.understood)))
        if not self._answer.hits:
            yield Text("No item matches.", style="yellow")
        elif options.max_width >= _WIDE:
            yield self._wide_table()
        else:
            yield self._narrow_table()
        for note in self._answer.notes:
            yield Text(plain_text(note), style="yellow")
        yield Text(self._footer(), style="dim")

    def _wide_table(self) -> Table:
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
        table.add_column("#", justify="right", no_wrap=True)
        table.add_column("score", justify="right", no_wrap=True)
        # An id is there to be copied: it may be folded, but never shortened.
        table.add_column("id", overflow="fold", min_width=8)
        table.add_column("title", ratio=3, min_width=16, overflow="fold")
        table.add_column("category", ratio=1, min_width=10, overflow="fold")
        table.add_column("price", justify="right", no_wrap=True)
        table.add_column("stock", no_wrap=True)
        table.add_column("why", ratio=4, min_width=24, overflow="fold")
        for hit in self._answer.hits:
            table.add_row(
                str(hit.rank),
                _score(hit),
                _id(hit),
                Text(plain_text(hit.title)),
                Text(plain_text(hit.category[-1]) if hit.category else "", style="dim"),
                Text(price_text(hit.price)),
                _stock(hit),
                Text(why_text(hit.why), style="cyan"),
            )
        return table

    def _narrow_table(self) -> Table:
        table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 1, 0))
        table.add_column(justify="right", no_wrap=True)
        table.add_column(justify="right", no_wrap=True)
        table.add_column(ratio=1)
        for hit in self._answer.hits:
            offer = Text("  ").join(part for part in (Text(price_text(hit.price)), _stock(hit)) if part)
            heading = Table.grid(expand=True, padding=(0, 2, 0, 0), pad_edge=False)
            heading.add_column(ratio=1, overflow="fold")
            heading.add_column(justify="right", no_wrap=True)
            heading.add_row(_id(hit), offer)
            category = Text(" > ".join(plain_text(level) for level in hit.category), style="dim")
            lines = [Text(plain_text(hit.title)), category, Text(why_text(hit.why), style="cyan")]
            table.add_row(str(hit.rank), _score(hit), Group(heading, *(line for line in lines if line)))
        return table

    def _footer(self) -> str:
        answer = self._answer
        number = hits_text(len(answer.hits), answer.total)
        mode = f"{answer.mode.value}: {mode_text(answer.mode)}{reordering_text(answer.reordered_by)}"
        return " · ".join([number, mode, answer.model_version, timings_text(answer.timings_ms)])


def _score(hit: Hit) -> Text:
    return Text(f"{hit.score:.3f}")


def _id(hit: Hit) -> Text:
    return Text(plain_text(hit.external_id), style="bold")


def _stock(hit: Hit) -> Text:
    style = {Availability.IN_STOCK: "green", Availability.OUT_OF_STOCK: "red"}.get(hit.availability, "yellow")
    return Text(availability_text(hit.availability), style=style)


def _hit_as_json(hit: Hit) -> dict[str, object]:
    return {
        "rank": hit.rank,
        "score": round(hit.score, 6),
        "id": hit.external_id,
        "title": hit.title,
        "category": list(hit.category),
        "attributes": list(hit.attributes),
        "given_attributes": list(hit.given_attributes),
        "price": price_as_json(hit.price),
        "availability": hit.availability.value,
        "link": hit.link,
        "item_group": hit.item_group,
        "image": {"id": hit.image_id, "sha256": hit.image_sha256},
        "why": [{"attribute": reason.attribute, "share": round(reason.share, 6)} for reason in hit.why],
    }
