"""Words of a text in the form in which they are compared: without case, accents, plurals and spelling variants."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from enum import IntEnum
from functools import lru_cache
from typing import NamedTuple


class Gap(IntEnum):
    """What stands between a word and the one before it. Terms reach over ``SPACE`` and ``HYPHEN`` only."""

    SPACE = 0
    HYPHEN = 1
    COMMA = 2
    COLON = 3
    STOP = 4


class Word(NamedTuple):
    """A word in normal form, with the gap before it; the first word of a text follows a ``STOP``."""

    text: str
    gap: Gap


_NEVER_SINGULAR = frozenset(
    ["bottoms", "dungarees", "glasses", "goods", "jeans", "knickers", "laces", "leggings", "lens", "news", "overalls",
     "pants", "series", "shorts", "slacks", "tights", "trousers",
     "axis", "basis", "chassis", "iris", "paris", "tennis", "this"]
)  # fmt: skip
"""Plurals that mean something else than many of the singular (shorts are not several of short), and no plurals."""

_TOKEN = re.compile(r"\d+/\d+(?![\d/])|[^\W_]+(?:['’][^\W_]+)*")
_SPACED_HYPHEN = re.compile(r"\s-|-\s|[‐‑]\s|\s[‐‑]")
_HYPHEN = re.compile(r"[-‐‑]")
_COMMA = re.compile(r"[,/\\、]")
_COLON = re.compile(r"[:=：]")
_STOP = re.compile(r"""[.;!?\n\r|•·‣▪–—()\[\]{}"“”«»*>✓✔★]""")
_AND = re.compile(r"[&+]")
_PLURALS = {
    "canvas": "canvas", "canvases": "canvas", "scarves": "scarf", "leaves": "leaf", "halves": "half", "women": "woman",
    "men": "man", "ruches": "ruche", "plisses": "plisse",
}  # fmt: skip
"""Plurals that a rule of spelling gets wrong."""

_MAX_REMEMBERED = 40
_POSSESSIVE = re.compile(r"['’]s?$")


def split_words(text: str, spellings: Mapping[str, str] | None = None) -> list[Word]:
    """The words of a text, in order.

    Args:
        spellings: Normal forms of words that are written in several ways, such as ``{"gray": "grey"}``.

    >>> [word.text for word in split_words("V-Neck dresses, isn’t lined")]
    ['v', 'neck', 'dress', 'is', 'not', 'lined']
    """
    folded = _AND.sub(" and ", fold(text))
    words: list[Word] = []
    end = 0
    for match in _TOKEN.finditer(folded):
        gap = _gap(folded[end : match.start()]) if words else Gap.STOP
        end = match.end()
        token = match[0]
        if token.endswith(("n't", "n’t")):
            verb = token[:-3]
            if verb:
                words.append(Word(normal_word(verb, spellings), gap))
            words.append(Word("not", Gap.SPACE if verb else gap))
            continue
        words.append(Word(normal_word(_POSSESSIVE.sub("", token), spellings), gap))
    return words


def normal_word(word: str, spellings: Mapping[str, str] | None = None) -> str:
    """The word in the singular and in its normal spelling; the normal form of a normal form is itself."""
    normal = _remembered(word) if len(word) <= _MAX_REMEMBERED else _normal(word)
    return normal if spellings is None else spellings.get(normal, normal)


def _normal(word: str) -> str:
    return singular(word.replace("'", "").replace("’", ""))


_remembered = lru_cache(maxsize=65_536)(_normal)


def fold(text: str) -> str:
    """Lower case without accents: ``Plissé`` and ``PLISSE`` become ``plisse``."""
    folded = text.casefold()
    if folded.isascii():
        return folded
    # Compatibility forms may have a case of their own, so the case is folded once more behind them.
    decomposed = unicodedata.normalize("NFKD", folded)
    plain = "".join(letter for letter in decomposed if not unicodedata.combining(letter)).casefold()
    return plain.replace("\N{FRACTION SLASH}", "/")


def singular(word: str) -> str:
    """The word without a plural ending, by its spelling alone; a singular stays as it is.

    Words in -ie take the form in -y, because their plural does not tell which of the two they have.

    >>> [singular(word) for word in ("dresses", "ruffles", "hoodies", "hoodie", "shorts", "dress", "bus")]
    ['dress', 'ruffle', 'hoody', 'hoody', 'shorts', 'dress', 'bus']
    """
    # "womens" is how shops write "women's", a plural with one more ending.
    stripped = _without_ending(word)
    return _PLURALS.get(word) or _PLURALS.get(stripped, stripped)


def _without_ending(word: str) -> str:
    if len(word) < 4 or word in _NEVER_SINGULAR:
        return word
    if len(word) > 4 and word.endswith(("ie", "ies")):
        return word.removesuffix("s")[:-2] + "y"
    if not word.endswith("s") or (word.endswith(("ss", "us")) and not word.endswith("eaus")):
        return word
    if word.endswith(("sses", "shes", "ches", "xes", "zzes")):
        return word[:-2]
    return word[:-1]


def without_phrase(words: Sequence[Word], phrase: tuple[str, ...]) -> list[Word]:
    """The words without the phrase, wherever it stands; what is left on its two sides belongs to two thoughts."""
    kept: list[Word] = []
    position = 0
    cut = False
    while position < len(words):
        if phrase and tuple(word.text for word in words[position : position + len(phrase)]) == phrase:
            position += len(phrase)
            cut = True
            continue
        word = words[position]
        kept.append(Word(word.text, Gap.STOP) if cut else word)
        cut = False
        position += 1
    return kept


def _gap(between: str) -> Gap:
    if between == " ":
        return Gap.SPACE
    if _STOP.search(between) or _SPACED_HYPHEN.search(between):
        return Gap.STOP
    if _COLON.search(between):
        return Gap.COLON
    if _COMMA.search(between):
        return Gap.COMMA
    return Gap.HYPHEN if _HYPHEN.search(between) else Gap.SPACE
