"""Rows of JSON Lines feeds: one object on each line."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterator

from catalog.feeds.feed_row import FeedRow, ValueFault, check_storable, shorten
from catalog.feeds.lines import Line, LineSource
from catalog.types import RowError

_EXPECTED_OBJECT = 'one JSON object, such as {"id": "7", "title": "Red dress", "image": "7.jpg"}'
# NUL and lone surrogates can stand in valid JSON only as escapes.
_SUSPECT_ESCAPE = re.compile(r"\\u(?:0000|[dD][89a-fA-F])")


def read_json_rows(source: LineSource, max_row_bytes: int) -> Iterator[FeedRow | RowError]:
    """Rows of JSON objects. A line that is none is an error, and reading goes on with the next."""
    for line in source:
        if line.is_blank:
            continue
        try:
            yield _parse(source, line, max_row_bytes)
        except ValueFault as fault:
            yield RowError(line.number, None, fault.found, fault.expected)


def _parse(source: LineSource, line: Line, max_row_bytes: int) -> FeedRow:
    if line.is_cut:
        raise ValueFault(f"a line of {line.size:,} bytes", f"at most {max_row_bytes:,} bytes in a row")
    text, bad_text = source.decode(line)
    value = _parse_json(text)
    if not isinstance(value, dict):
        raise ValueFault(shorten(value), _EXPECTED_OBJECT)
    is_suspect = bad_text is not None or _SUSPECT_ESCAPE.search(text) is not None
    if is_suspect:
        # Names go into error messages and notes, so they are checked before anything reads them.
        for name in value:
            check_storable(name, bad_text, is_suspect=True)
    return FeedRow(line.number, value, bad_text, is_suspect)


def _parse_json(text: str) -> object:
    try:
        return _DECODER.decode(text)
    except json.JSONDecodeError as error:
        near = text[max(0, error.pos - 20) : error.pos + 20].rstrip("\r\n")
        raise ValueFault(
            f"broken JSON ({error.msg} at character {error.pos + 1}, near {shorten(near)})", _EXPECTED_OBJECT
        ) from None
    except RecursionError:
        raise ValueFault("JSON nested too deeply to be read", _EXPECTED_OBJECT) from None
    except ValueError:
        # Python refuses to convert integers of thousands of digits, because that takes quadratic time.
        raise ValueFault("a number of thousands of digits", "numbers of a usual length") from None


def _object_of_distinct_names(pairs: list[tuple[str, object]]) -> dict[str, object]:
    value = dict(pairs)
    if len(value) != len(pairs):
        counts = Counter(name for name, _ in pairs)
        repeated = next(name for name, count in counts.items() if count > 1)
        raise ValueFault(f"the name {shorten(repeated)} twice in one object", "each name once in an object")
    return value


def _finite_number(literal: str) -> float:
    number = float(literal)
    if math.isinf(number):
        raise ValueFault(f"the number {shorten(literal)[1:-1]}", "numbers of at most 308 digits")
    return number


def _refuse_constant(name: str) -> float:
    raise ValueFault(f"the constant {name}", "numbers, text, true, false or null, as JSON has them")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object_of_distinct_names, parse_float=_finite_number, parse_constant=_refuse_constant
)
