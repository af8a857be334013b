"""How the facts of a hit are worded for people, the same in the table and on the result sheet."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from catalog.types import Availability, Price, Reason, SearchMode, Total, TotalRelation, UnderstoodWords

_WITHOUT_DECIMALS = frozenset(
    ["BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "VND", "VUV", "XAF", "XOF", "XPF"]
)
"""Currencies that ISO 4217 gives no minor unit."""

_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_DIRECTION_MARKS = re.compile(r"[\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069]")

_MODES: Mapping[SearchMode, str] = {
    SearchMode.FUSED: "candidates by looks and by attributes, ranked by both",
    SearchMode.VISUAL: "ranked by looks",
    SearchMode.RERANK: "candidates by attributes, re-ranked by how much of them is shared",
    SearchMode.NATIVE: "ranked by how much of the attributes is shared",
    SearchMode.EXACT: "ranked by how much of the attributes is shared, compared with every image",
}


def plain_text(text: str) -> str:
    """The text in one line without control characters, which could steer a terminal, or marks that reverse text."""
    return " ".join(_DIRECTION_MARKS.sub("", _UNPRINTABLE.sub(" ", text)).split())


def price_text(price: Price | None) -> str:
    """``49.90 EUR``, ``1,200 JPY``: two decimals, more where the price has them, none where the currency has none."""
    return "" if price is None else f"{price.amount:,.{_num_decimals(price)}f} {price.currency}"


def price_as_json(price: Price | None) -> dict[str, str] | None:
    """``{"amount": "49.90", "currency": "EUR"}``: the same for programs."""
    return None if price is None else {"amount": f"{price.amount:.{_num_decimals(price)}f}", "currency": price.currency}


def _num_decimals(price: Price) -> int:
    needed = max(0, -int(price.amount.normalize().as_tuple().exponent))
    return needed if price.currency in _WITHOUT_DECIMALS else max(2, needed)


def availability_text(availability: Availability) -> str:
    """``in stock``, ``out of stock``, …"""
    return availability.value.replace("_", " ")


def share_text(share: float) -> str:
    """``24 %``: a share of 1 in whole percent."""
    return f"{share:.0%}".replace("%", " %")


def why_text(reasons: tuple[Reason, ...]) -> str:
    """``color=red 24 %, pattern=striped 18 %``."""
    return ", ".join(f"{plain_text(reason.attribute)} {share_text(reason.share)}" for reason in reasons)


def understood_text(words: UnderstoodWords) -> str:
    """``Understood: color=red, without pattern=floral, in Dresses, up to 50 EUR. Ignored: flowy``."""
    said = [*words.all_of, *(f"without {name}" for name in words.none_of)]
    if words.category is not None:
        said.append(f"in {words.category}")
    for limit, amount in (("from", words.min_price), ("up to", words.max_price)):
        if amount is not None:
            said.append(f"{limit} {amount}{f' {words.currency}' if words.currency else ''}")
    ignored = f". Ignored: {', '.join(words.ignored)}" if words.ignored else ""
    return f"Understood: {', '.join(said)}{ignored}"


def hits_text(num_shown: int, total: Total | None) -> str:
    """``3 hits``, ``10 of 1,234 hits``, ``10 of at least 87 hits``."""
    exact = total is None or total.relation is TotalRelation.EXACT
    if total is None or (exact and total.value == num_shown):
        return f"{num_shown:,} hit{'' if num_shown == 1 else 's'}"
    bound = "" if exact else "at least "
    return f"{num_shown:,} of {bound}{total.value:,} hit{'' if total.value == 1 else 's'}"


def mode_text(mode: SearchMode) -> str:
    """What the mode does, in a few words."""
    return _MODES[mode]


def reordering_text(reordered_by: Sequence[str]) -> str:
    """``, reordered by in stock, diversity``; nothing where the order is that of the scores."""
    names = ", ".join(name.replace("_", " ") for name in reordered_by)
    return f", reordered by {names}" if names else ""


def timings_text(timings_ms: Mapping[str, float]) -> str:
    """``36 ms (embed 31, search 5)``: the sum and its stages, those under a tenth of a millisecond left out.

    The stage ``total`` counts all hits; beside a sum it would read as one.
    """
    stages = [
        f"{'count' if stage == 'total' else stage} {_milliseconds(value)}"
        for stage, value in timings_ms.items()
        if value >= 0.1
    ]
    total = f"{_milliseconds(sum(timings_ms.values()))} ms"
    return f"{total} ({', '.join(stages)})" if len(stages) > 1 else total


def _milliseconds(value: float) -> str:
    return f"{value:.1f}" if value < 10 else f"{value:,.0f}"
