"""``drape attributes``: which attributes a catalog has, by its feed and by its texts, and which words were left out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from catalog.types import AttributeSource
from cli.options import AsJson, Category, OptionalMerchant

if TYPE_CHECKING:
    from rich.console import Console

    from catalog.attributes.report import AttributeCount, MiningReport

ATTRIBUTES_SHOWN = 30
CONFLICTS_SHOWN = 10
WORDS_SHOWN = 40
VALUES_SHOWN = 5


def attributes(
    merchant: OptionalMerchant = None,
    category: Category = None,
    source: Annotated[
        AttributeSource,
        typer.Option(
            "--source",
            help="feed: the feed's own attributes. text: what titles, descriptions, tags and option columns say. "
            "both: the feed wins where they contradict each other.",
        ),
    ] = AttributeSource.BOTH,
    min_count: Annotated[
        int, typer.Option("--min-count", min=1, help="Leave out attributes that fewer products have.")
    ] = 1,
    vocabulary: Annotated[
        Path | None,
        typer.Option(
            "--vocabulary", metavar="FILE", help="A TOML file of your own words, laid over those that Drape knows."
        ),
    ] = None,
    learn_words: Annotated[
        int,
        typer.Option(
            "--learn-words",
            metavar="N",
            min=0,
            help="Make the N most frequent words that are in no vocabulary attributes word=….",
        ),
    ] = 0,
    as_json: AsJson = False,
) -> None:
    """Tell which attributes a catalog's feed and texts give: coverage, counts, contradictions, words left out."""
    from catalog.bootstrap import Application, settings_from_environment
    from cli.image_sources import mining_options
    from cli.search import only_merchant

    options = mining_options(source, vocabulary, learn_words, min_count=min_count, source_option="--source")
    with Application(settings_from_environment()) as application:
        name = merchant or only_merchant(application)
        report = application.attribute_mining.report(name, category, options)
    if as_json:
        print(json.dumps(report_as_json(name, report), ensure_ascii=False))
    else:
        print_report(name, report)


def report_as_json(merchant: str, report: MiningReport) -> dict[str, object]:
    """Everything the report holds, by name."""
    return {
        "merchant": merchant,
        "products": report.num_products,
        "products_with_attributes": report.num_covered,
        "coverage": report.coverage,
        "mean_attributes": report.mean_attributes,
        "min_count": report.min_count,
        "groups": [
            {"group": one.group, "products": one.num_products, "values": one.num_values} for one in report.groups
        ],
        "attributes": [_count_as_json(one) for one in report.attributes],
        "rare": [_count_as_json(one) for one in report.rare],
        "products_with_conflicts": report.num_conflicts,
        "conflicts": [
            {
                "group": one.conflict.group,
                "feed": one.conflict.feed,
                "text": one.conflict.text,
                "products": one.num_products,
            }
            for one in report.conflicts
        ],
        "denied": dict(report.denied),
        "learned": report.learned,
        "num_words_left_out": report.num_left_out,
        "words_left_out": dict(report.left_out),
    }


def print_report(merchant: str, report: MiningReport) -> None:
    """Print the report as tables, the longest ones shortened."""
    from rich.console import Console
    from rich.text import Text

    from cli.hit_wording import share_text

    console = Console(markup=False, highlight=False)
    console.print(
        Text(merchant, style="bold")
        + f": {report.num_covered:,} of {report.num_products:,} products have attributes "
        + f"({share_text(report.coverage)}), {report.mean_attributes:.1f} each"
    )
    _print_groups(console, report)
    _print_attributes(console, report)
    if report.rare:
        rare = [(one.name, one.num_products) for one in report.rare]
        console.print(f"Left out, on fewer than {report.min_count:,} products: {_counts_text(rare, WORDS_SHOWN)}\n")
    if report.conflicts:
        _print_conflicts(console, report)
    if report.denied:
        console.print(f"Denied in texts: {_counts_text(report.denied, WORDS_SHOWN)}\n")
    if report.learned:
        console.print(f"Learned: {', '.join(report.learned)}\n")
    if report.left_out:
        words = _counts_text(report.left_out, WORDS_SHOWN, report.num_left_out)
        console.print(f"Words in no vocabulary, by products: {words}")


def _print_groups(console: Console, report: MiningReport) -> None:
    from rich.table import Table
    from rich.text import Text

    from cli.hit_wording import plain_text, share_text

    table = Table("group", "products", "share", "values", "most frequent", box=None, header_style="bold")
    table.columns[1].justify = table.columns[2].justify = table.columns[3].justify = "right"
    for one in report.groups:
        prefix = f"{one.group}="
        values = [found.name.removeprefix(prefix) for found in report.attributes if found.name.startswith(prefix)]
        table.add_row(
            Text(plain_text(one.group)),
            f"{one.num_products:,}",
            share_text(one.num_products / report.num_products),
            f"{one.num_values:,}",
            Text(plain_text(", ".join(values[:VALUES_SHOWN]))),
        )
    console.print(table)
    console.print()


def _print_attributes(console: Console, report: MiningReport) -> None:
    from rich.table import Table
    from rich.text import Text

    from cli.hit_wording import plain_text

    table = Table("attribute", "products", "by feed", "by text", box=None, header_style="bold")
    for column in table.columns[1:]:
        column.justify = "right"
    for one in report.attributes[:ATTRIBUTES_SHOWN]:
        table.add_row(Text(plain_text(one.name)), f"{one.num_products:,}", f"{one.from_feed:,}", f"{one.from_text:,}")
    console.print(table)
    more = len(report.attributes) - ATTRIBUTES_SHOWN
    console.print(f"and {more:,} more (--json has all of them)\n" if more > 0 else "")


def _print_conflicts(console: Console, report: MiningReport) -> None:
    from rich.table import Table
    from rich.text import Text

    from cli.hit_wording import plain_text

    console.print(f"In {report.num_conflicts:,} products the texts contradict the feed, which is believed:")
    table = Table("group", "feed", "texts", "products", box=None, header_style="bold")
    table.columns[3].justify = "right"
    for one in report.conflicts[:CONFLICTS_SHOWN]:
        conflict = one.conflict
        cells = (conflict.group, ", ".join(conflict.feed), ", ".join(conflict.text))
        table.add_row(*(Text(plain_text(cell)) for cell in cells), f"{one.num_products:,}")
    console.print(table)
    console.print()


def _counts_text(counts: Sequence[tuple[str, int]], limit: int, total: int | None = None) -> str:
    """``gown 12, boho 7 and 31 more``."""
    from cli.hit_wording import plain_text

    shown = ", ".join(f"{plain_text(name)} {count:,}" for name, count in counts[:limit])
    more = (len(counts) if total is None else total) - limit
    return f"{shown} and {more:,} more" if more > 0 else shown


def _count_as_json(count: AttributeCount) -> dict[str, object]:
    return {
        "attribute": count.name,
        "products": count.num_products,
        "from_feed": count.from_feed,
        "from_text": count.from_text,
    }
