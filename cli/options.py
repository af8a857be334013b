"""Options that several commands share, so that they read the same everywhere."""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated

import typer

from catalog.types import ACCEPTED_MODES, AttributeSource, Availability, DialectName, SearchMode

Feed = Annotated[
    Path,
    typer.Argument(
        metavar="FEED", help="The feed: CSV, TSV, JSONL or XML, also in gzip or ZIP; or a folder of images."
    ),
]
FeedDialect = Annotated[
    DialectName | None, typer.Option("--dialect", help="What kind of feed it is; found out where this is left out.")
]
FeedCurrency = Annotated[
    str | None,
    typer.Option("--currency", metavar="CODE", help="Of the feed's prices that come without one, such as EUR."),
]
FeedOrAddress = Annotated[
    str, typer.Argument(metavar="FEED", help="The feed, as a file or as its http or https address.")
]
AllowAbsolute = Annotated[bool, typer.Option("--allow-absolute", help="Allow image paths that are absolute.")]

Merchant = Annotated[str, typer.Option("--merchant", "-m", metavar="NAME", help="Whose catalog.")]

Wait = Annotated[bool, typer.Option("--wait/--no-wait", help="With workers: wait until they have indexed what is new.")]

OptionalMerchant = Annotated[
    str | None,
    typer.Option(
        "--merchant", "-m", metavar="NAME", help="Whose catalog; may be left out while there is only one merchant."
    ),
]

DatasetChoices = Annotated[
    list[str] | None,
    typer.Option(
        "--dataset-option",
        metavar="NAME=NUMBER",
        help="A choice of the data set, may be given several times. cub: certainty=1…4 (count what annotators were "
        "this certain of), class-percent=50 (or, where only classes have attributes, what so many of them saw). "
        "rendered: items=600, views=3, seed=0, height=320, held-out=0.3.",
    ),
]

Attributes = Annotated[
    AttributeSource,
    typer.Option(
        "--attributes",
        help="feed: those of the feed, or of the data set's annotations. text: what titles and descriptions say. "
        "both: the feed wins where they contradict each other.",
    ),
]
VocabularyFile = Annotated[
    Path | None,
    typer.Option("--vocabulary", metavar="FILE", help="Your own words, as `drape attributes` takes them."),
]
LearnWords = Annotated[
    int,
    typer.Option("--learn-words", metavar="N", min=0, help="The N most frequent unknown words are attributes, too."),
]

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]

Category = Annotated[
    str | None,
    typer.Option("--category", metavar="NAME", help="A category level, or a path such as 'Women > Dresses'."),
]
AllOf = Annotated[
    list[str] | None,
    typer.Option("--attribute", "-a", metavar="GROUP=VALUE", help="Must have it; may be given several times."),
]
AnyOf = Annotated[
    list[str] | None,
    typer.Option("--any", metavar="GROUP=VALUE", help="Must have one of those given; may be given several times."),
]
NoneOf = Annotated[
    list[str] | None,
    typer.Option("--without", metavar="GROUP=VALUE", help="Must not have it; may be given several times."),
]
But = Annotated[
    list[str] | None,
    typer.Option(
        "--but",
        metavar="GROUP=VALUE",
        help="The same, but with this attribute in place of its own, such as color=blue; may be given several times.",
    ),
]
Like = Annotated[
    list[str] | None,
    typer.Option(
        "--like", metavar="PRODUCT_ID", help="A product that hits shall be like, too; may be given several times."
    ),
]
Unlike = Annotated[
    list[str] | None,
    typer.Option(
        "--unlike", metavar="PRODUCT_ID", help="A product that hits shall not be like; may be given several times."
    ),
]
OwnFields = Annotated[
    list[str] | None,
    typer.Option(
        "--field",
        metavar="NAME=VALUE",
        help="One of the feed's own columns; may be given several times, of one name for any of the values.",
    ),
]
PriceRange = Annotated[
    str | None,
    typer.Option("--price", metavar="LOW..HIGH", help="Price range, both ends included, either may be left out."),
]
Currency = Annotated[str | None, typer.Option("--currency", metavar="CODE", help="Prices in this currency only.")]
Available = Annotated[
    list[Availability] | None, typer.Option("--availability", help="May be given several times.", show_default=False)
]
Limit = Annotated[int, typer.Option("--limit", "-n", min=1, max=100, help="Hits per page.")]
Page = Annotated[int, typer.Option("--page", min=0, max=99, help="Which page, from 0.")]


def parse_mode(text: str) -> SearchMode:
    """The mode of a name.

    Raises:
        typer.BadParameter: there is none.
    """
    try:
        return SearchMode(text)
    except ValueError:
        raise typer.BadParameter(f"received {text!r}, expected one of {ACCEPTED_MODES}") from None


Mode = Annotated[
    SearchMode,
    typer.Option(
        "--mode",
        parser=parse_mode,
        metavar=f"[{'|'.join(SearchMode)}]",
        help="fused: the best candidates by looks and attributes together. visual (or fc6, pool): cosine of the visual "
        "feature. rerank: the best candidates by histogram intersection. native: histogram intersection over "
        "everything. exact: the same, compared with every image.",
    ),
]
CandidatesOption = Annotated[
    int, typer.Option("--candidates", min=1, max=10_000, help="How many candidates rerank looks at, fused by either.")
]
Exact = Annotated[bool, typer.Option("--exact", help="Compare with every point; for checking the index.")]
Threshold = Annotated[
    float | None, typer.Option("--threshold", metavar="SCORE", help="Leave out hits that score lower.")
]
EveryImage = Annotated[bool, typer.Option("--every-image", help="Show every image, not one hit per product.")]

Diversity = Annotated[
    float,
    typer.Option(
        "--diversity",
        min=0,
        max=1,
        help="How much hits that are like those before them give way; 0.5 shows a good deal less of the same.",
    ),
]
PreferInStock = Annotated[
    float,
    typer.Option("--prefer-in-stock", metavar="STRENGTH", min=0, max=1, help="Lift what is in stock; 0.2 is plenty."),
]
PreferNewer = Annotated[
    float,
    typer.Option(
        "--prefer-newer", metavar="STRENGTH", min=0, max=1, help="Lift what came into the catalog later; 0.2 is plenty."
    ),
]
WordsOption = Annotated[
    str | None,
    typer.Option(
        "--words",
        metavar="TEXT",
        help='What to find, "red maxi dress under 50 EUR"; or how it shall differ, "but in blue, without floral".',
    ),
]


def parse_fields(entries: list[str] | None) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Names with the values that are given for them.

    Raises:
        typer.BadParameter: an entry has no name or no value.
    """
    values_of: dict[str, list[str]] = {}
    for entry in entries or ():
        name, _, value = entry.partition("=")
        if not name.strip() or not value.strip():
            raise typer.BadParameter(f"received {entry!r}, expected NAME=VALUE, for example season=summer")
        values_of.setdefault(name.strip(), []).append(value)
    return tuple((name, tuple(values)) for name, values in values_of.items())


def parse_price_range(text: str | None) -> tuple[Decimal | None, Decimal | None]:
    """Bounds of ``LOW..HIGH``; either end may be missing.

    Raises:
        typer.BadParameter: the text is no range.
    """
    if text is None:
        return None, None
    match = re.fullmatch(r"\s*([0-9.]*?)\s*\.\.\s*([0-9.]*)\s*", text)
    if match is None or not any(match.groups()):
        raise typer.BadParameter(f"received {text!r}, expected LOW..HIGH, for example 20..49.90 or ..50")
    try:
        low, high = (Decimal(bound) if bound else None for bound in match.groups())
    except InvalidOperation:
        raise typer.BadParameter(f"received {text!r}, expected numbers, for example 20..49.90") from None
    return low, high
