"""Names that a mistyped one may have been meant as. Pure functions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import SequenceMatcher
from typing import Final

from catalog.attributes.product_texts import TAG_GROUP
from catalog.attributes.words import fold
from embeddings.taxonomy import split_attribute

SUGGESTIONS: Final = 2
LEAST_RATIO: Final = 0.6
"""Of what two names have in common: 2·matching letters / all letters. One swap in "red" leaves 2·2/6."""

MOST_COMPARED: Final = 5_000
"""The most frequent names; each takes some microseconds."""

_WITHIN_A_LETTER: Final = 0.05
"""Names whose ratios differ by less are told by their frequency."""


def similar_attributes(asked: str, counts: Mapping[str, int]) -> list[str]:
    """Attributes that were probably meant, at most ``SUGGESTIONS``, the likeliest first.

    Values of the group that was asked for come first; then the same value in another group; then values that read alike
    in a group that does.

    Args:
        asked: In normal form.
        counts: Those there are, in normal form, with their numbers of products.

    >>> there = {"color=red": 9, "color=rose": 2, "fabric=linen": 5}
    >>> similar_attributes("color=rde", there), similar_attributes("stuff=linen", there)
    (['color=red'], ['fabric=linen'])
    """
    frequent = sorted(counts, key=lambda name: (-counts[name], name))[:MOST_COMPARED]
    group, value = split_attribute(asked)
    values = {name: split_attribute(name)[1] for name in frequent}
    if group != TAG_GROUP:
        of_group = {name: told for name, told in values.items() if split_attribute(name)[0] == group}
        if found := _nearest(value, of_group, counts):
            return found
    if same := [name for name, told in values.items() if told == value]:
        return same[:SUGGESTIONS]
    if group == TAG_GROUP:
        return _nearest(value, values, counts)
    groups = {split_attribute(name)[0] for name in frequent} - {group}
    like_group = {near for near in groups if _nearest(group, {near: near}, {})}
    return _nearest(
        value, {name: told for name, told in values.items() if split_attribute(name)[0] in like_group}, counts
    )


def similar_texts(asked: str, texts: Iterable[str]) -> list[str]:
    """Texts that were probably meant, at most ``SUGGESTIONS``, the likeliest first."""
    return _nearest(asked, {text: text for text in texts}, {})


def _nearest(asked: str, texts: Mapping[str, str], counts: Mapping[str, int]) -> list[str]:
    # The second of the two is what the matcher remembers work on.
    matcher = SequenceMatcher(b=fold(asked), autojunk=False)
    found: list[tuple[float, str]] = []
    for name, text in texts.items():
        matcher.set_seq1(fold(text))
        if matcher.real_quick_ratio() < LEAST_RATIO or matcher.quick_ratio() < LEAST_RATIO:
            continue
        ratio = matcher.ratio()
        if ratio >= LEAST_RATIO:
            found.append((ratio, name))
    best = max((ratio for ratio, _ in found), default=0.0)
    close = [(ratio, name) for ratio, name in found if ratio >= best - _WITHIN_A_LETTER]
    close.sort(key=lambda pair: (-pair[0], -counts.get(pair[1], 0), pair[1]))
    return [name for _, name in close[:SUGGESTIONS]]
