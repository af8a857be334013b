"""Titles and descriptions as a merchant would write them: every attribute is mentioned, never twice in the same way."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import numpy as np

from embeddings.datasets.rendered.looks import Look
from embeddings.datasets.rendered.vocabulary import SYNONYMS

BRANDS = ("Marlow & Fern", "Atelier Nord", "Juniper Lane", "Casa Lumen", "Halden", "Sel de Mer", "Oat & Ivory", "Vireo")
COLLECTIONS = ("Spring Edit", "City Essentials", "Evening Line", "Weekend Capsule", "Riviera", "Studio Basics")
_NAMES = ("Alma", "Bea", "Carla", "Delphine", "Elin", "Freya", "Greta", "Hanna", "Ines", "Juno", "Kira", "Lotte",
          "Mira", "Nora", "Odile", "Paula", "Romy", "Sofia", "Tilda", "Vera")  # fmt: skip
_NOUNS = {"dress": ("dress", "dress", "gown"), "skirt": ("skirt",), "trousers": ("trousers", "pants")}
_CLOSINGS = (
    "Wash at 30 degrees.",
    "Model wears size 38.",
    "True to size.",
    "Pairs well with sandals or boots.",
    "Part of our {collection}.",
    "Designed in our own studio for the {collection}.",
    "A favourite of the {collection}.",
)
_PRICE_RANGES = {"dress": (39, 189), "top": (19, 79), "skirt": (29, 99), "trousers": (35, 119)}
_PRICIER_FABRICS = {"lace": 1.2, "satin": 1.3, "velvet": 1.3, "sequin": 1.5}


def write_title(look: Look, random: np.random.Generator) -> str:
    """One line of the facts a shopper scans for: colour, pattern or fabric, cut and kind, sometimes name and brand."""
    parts = [_say(f"color={look.color}", random)]
    if look.pattern != "plain":
        parts.append(_say(f"pattern={look.pattern}", random))
    if look.fabric != "cotton" or look.pattern == "plain":
        parts.append(_say(f"fabric={look.fabric}", random))
    for group, value in (("length", look.length), ("silhouette", look.silhouette), ("fit", look.fit)):
        if value and len(parts) < 5 and random.random() < 0.7:
            parts.append(_say(f"{group}={value}", random))
    line = " ".join([*parts, _noun(look, random)])
    style = random.integers(4)
    if style == 0:
        return f"{_choose(_NAMES, random)} {line}"
    if style == 1:
        return _capitalise(f"{line} by {_choose(BRANDS, random)}")
    return _capitalise(line)


def write_description(look: Look, random: np.random.Generator) -> str:
    """A few sentences that mention every attribute of the look, in the item's own order and words."""
    noun = _noun(look, random)
    cloth = _say(f"fabric={look.fabric}", random)
    color = _say(f"color={look.color}", random)
    opening = _choose(
        (f"This {noun} comes in {color} {cloth}.", f"A {noun} cut from {color} {cloth}.",
         f"{_capitalise(color)} {cloth} makes this {noun} a piece for many days."), random)  # fmt: skip
    sentences = [_pattern_sentence(look, random)]
    if look.neckline:
        neck, sleeve = _say(f"neckline={look.neckline}", random), _say(f"sleeve={look.sleeve}", random)
        sentences.append(
            _choose(
                (f"It has a {neck} cut, {sleeve}.", f"The top: {neck}, {sleeve}.", f"Details: {neck}, {sleeve}."),
                random,
            )
        )
    shape = [
        _say(f"{group}={value}", random)
        for group, value in (("silhouette", look.silhouette), ("fit", look.fit), ("length", look.length))
        if value
    ]
    if shape:
        joined = ", ".join(shape)
        sentences.append(_choose((f"Shape: {joined}.", f"The cut is {joined}.", f"Wears {joined}."), random))
    if look.details:
        details = " and ".join(_say(f"detail={detail}", random) for detail in look.details)
        sentences.append(_choose((f"Finished with {details}.", f"With {details}."), random))
    order = random.permutation(len(sentences))
    closing = _choose(_CLOSINGS, random).format(collection=_choose(COLLECTIONS, random))
    return " ".join([opening, *(sentences[position] for position in order), closing])


def draw_price(look: Look, random: np.random.Generator) -> Decimal:
    """A price in euros that ends as shop prices do; dearer fabrics cost more."""
    low, high = _PRICE_RANGES[look.kind]
    amount = random.uniform(low, high) * _PRICIER_FABRICS.get(look.fabric, 1.0)
    return Decimal(int(amount)) + Decimal(_choose(("0.00", "0.50", "0.90", "0.95", "0.99"), random))


def _pattern_sentence(look: Look, random: np.random.Generator) -> str:
    pattern = _say(f"pattern={look.pattern}", random)
    if look.pattern == "plain":
        return _choose((f"The cloth is {pattern}.", f"Kept {pattern}.", f"In a {pattern} colour."), random)
    accent = _say(f"color={look.accent}", random)
    if look.pattern == "striped":
        pattern = f"{look.stripes} {pattern}"
    return _choose((f"The design is {pattern}, with {accent}.", f"Look: {pattern}, set off in {accent}."), random)


def _noun(look: Look, random: np.random.Generator) -> str:
    if look.kind == "top":
        if look.neckline == "collar":
            return _choose(("shirt", "blouse"), random)
        return "sweater" if look.fabric == "knit" else _choose(("top", "blouse"), random)
    if look.kind == "trousers" and look.length == "shorts":
        return "shorts"
    return _choose(_NOUNS[look.kind], random)


def _say(attribute: str, random: np.random.Generator) -> str:
    """The value itself in two of three cases, a synonym otherwise."""
    options = SYNONYMS[attribute]
    return options[0] if random.random() < 0.67 else _choose(options[1:], random)


def _choose(options: Sequence[str], random: np.random.Generator) -> str:
    return options[int(random.integers(len(options)))]


def _capitalise(text: str) -> str:
    return text[0].upper() + text[1:]
