"""What a feed's words for attributes left open, told to a person and as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from catalog.attributes.feed_words import ColumnConflict, FeedWordsReport

WORDS_SHOWN = 10
CONFLICTS_SHOWN = 3
IDS_SHOWN = 3


def words_as_json(words: FeedWordsReport) -> dict[str, object]:
    """``unmapped``: a list of ``group``, ``word`` and ``count``, most frequent first; ``products_conflicting``: a
    number; ``conflicts``: a list of ``group``, ``column``, ``title`` (values), ``count``, and ``ids`` of the first.
    """
    told = asdict(words)
    return {
        "unmapped": told["unmapped"],
        "products_conflicting": words.num_conflicting,
        "conflicts": told["conflicts"],
    }


def word_lines(words: FeedWordsReport) -> Iterator[str]:
    """Up to two lines: the most frequent words without a meaning, and the most frequent conflicts."""
    from cli.hit_wording import plain_text

    if words.unmapped:
        shown = [f'{plain_text(one.group)} "{plain_text(one.word)}" ({one.count:,})' for one in words.unmapped]
        yield f"Words of the feed that no attribute is known for: {_shortened(shown, WORDS_SHOWN, ', ')}."
    if words.conflicts:
        shown = [_conflict_text(one) for one in words.conflicts]
        product = "product" if words.num_conflicting == 1 else "products"
        told = _shortened(shown, CONFLICTS_SHOWN, "; ")
        yield f"In {words.num_conflicting:,} {product} the title says otherwise than the column: {told}."


def _conflict_text(conflict: ColumnConflict) -> str:
    """``color red / blue (id 17, 23, …)``: the column's value, then the title's."""
    from cli.hit_wording import plain_text

    ids = [plain_text(one) for one in conflict.ids[:IDS_SHOWN]]
    if conflict.count > len(ids):
        ids.append("…")
    column, title = (", ".join(map(plain_text, values)) for values in (conflict.column, conflict.title))
    return f"{plain_text(conflict.group)} {column} / {title} (id {', '.join(ids)})"


def _shortened(texts: list[str], limit: int, separator: str) -> str:
    return separator.join([*texts[:limit], *(["…"] if len(texts) > limit else [])])
