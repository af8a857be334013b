"""``drape demo``: the whole way once, on a rendered catalog, from its feed to a result sheet."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.failures import FAILED

if TYPE_CHECKING:
    from catalog.bootstrap import Application
    from cli.result_sheet import SheetSection
    from embeddings.datasets.rendered.items import RenderedItem

MERCHANT = "demo"
SEED = 2026
NUM_ITEMS = 150
VIEWS_PER_ITEM = 4
UNSEEN_VIEW = 9
"""Number of a view that the catalog does not have: the photo a shopper would take."""

HITS = 10


@dataclass(frozen=True, slots=True)
class _Queries:
    """The items that the demo asks for: chosen by what they are, so that the pictures are worth looking at."""

    photographed: RenderedItem
    product: RenderedItem
    filtered: RenderedItem


def demo(
    sheet: Annotated[
        Path | None,
        typer.Option("--sheet", metavar="FILE", help="Where to write the result sheet; default: in DRAPE_HOME."),
    ] = None,
) -> None:
    """Render a sample catalog, ingest it, search it four ways, and write one HTML result sheet.

    Everything is kept under DRAPE_HOME, for the merchant named "demo". A second run changes nothing.
    """
    from catalog.bootstrap import Application, settings_from_environment
    from catalog.services.ingesting.ingest import IngestRequest
    from cli.ingest import failed, print_summary
    from cli.progress import progress
    from cli.result_sheet import write_result_sheet
    from embeddings.datasets.rendered.catalog import write_catalog

    settings = settings_from_environment()
    folder = settings.home / "demo"
    with Application(settings) as application:
        with progress("rendering items", unit="items") as advance:
            rendered = 0

            def on_item() -> None:
                nonlocal rendered
                rendered += 1
                advance(rendered, NUM_ITEMS)

            feed = write_catalog(folder / "catalog", NUM_ITEMS, VIEWS_PER_ITEM, SEED, on_item=on_item)
        errors: list[object] = []
        with progress("reading feed", unit="B") as advance:
            request = IngestRequest(feed, MERCHANT, settings.model, full_sync=True, max_removal=1.0)
            summary = application.ingest.run(request, errors.append, advance)
        with progress("indexing images", unit="images") as advance:
            indexing = application.indexing.run(summary.merchant_id, advance)
        print_summary(MERCHANT, summary, indexing)
        sections = _search(application)
        path = sheet or folder / "result-sheet.html"
        gallery = application.status.merchant(MERCHANT)
        live = next(one for one in gallery.galleries if one.gallery.state == "live")
        write_result_sheet(
            path,
            sections,
            application.image_store.get,
            title="Which items look like this one, and why",
            facts={
                "Model version": live.gallery.model_version,
                "Gallery": f"{gallery.num_products:,} products, {live.num_indexed:,} images",
            },
        )
    print(f"\nResult sheet: {path.resolve()}")
    if failed(summary, indexing):
        raise typer.Exit(FAILED)


def _search(application: Application) -> list[SheetSection]:
    """The four searches, each printed and made a section of the sheet."""
    from catalog.types import SearchFilters, SearchMode, SearchOptions
    from cli.result_sheet import SheetSection
    from cli.result_table import print_answer
    from embeddings.datasets.rendered.catalog import encode_view
    from embeddings.datasets.rendered.items import items

    search = application.search
    queries = _choose(list(items(NUM_ITEMS, SEED)))
    photo = encode_view(queries.photographed, UNSEEN_VIEW, 320)
    wished = encode_view(queries.filtered, UNSEEN_VIEW, 320)
    every_image = SearchOptions(mode=SearchMode.VISUAL, limit=HITS, per_product=False)
    color = next(name for name in queries.filtered.attributes if name.startswith("color="))
    pattern = next(name for name in queries.filtered.attributes if name.startswith("pattern="))
    filters = SearchFilters(category="Dresses", all_of=(pattern,), none_of=(color,))
    same_photographed = frozenset({queries.photographed.item_id})
    sections = [
        SheetSection(
            "A photo, by looks",
            search.by_image(MERCHANT, photo, options=every_image),
            photo,
            queries.photographed.title,
            "A photo that is not in the catalog; hits of the very same item have a red frame.",
            same_photographed,
        ),
        SheetSection(
            "The same photo, candidates re-ranked by histogram intersection",
            search.by_image(
                MERCHANT, photo, options=SearchOptions(mode=SearchMode.RERANK, limit=HITS, per_product=False)
            ),
            photo,
            queries.photographed.title,
            "The score is a sum over attributes, so its largest terms are the reason.",
            same_photographed,
        ),
        SheetSection(
            f"More like product {queries.product.item_id}",
            search.by_product(
                MERCHANT, queries.product.item_id, options=SearchOptions(mode=SearchMode.NATIVE, limit=HITS)
            ),
            encode_view(queries.product, 0, 320),
            queries.product.title,
            "Asked by id: no network runs, and the product itself is left out.",
        ),
        SheetSection(
            f"A photo, but only dresses with {pattern} and without {color}",
            search.by_image(MERCHANT, wished, filters, SearchOptions(limit=HITS)),
            wished,
            queries.filtered.title,
            "Filters decide what can be a hit; likeness decides the order.",
        ),
    ]
    for section in sections:
        print()
        print_answer(section.answer, title=section.heading)
    return sections


def _choose(catalog: list[RenderedItem]) -> _Queries:
    """Three dresses with a pattern that is not plain, one of a pattern that at least three dresses have."""
    patterned = [item for item in catalog if "Dresses" in item.category and "pattern=plain" not in item.attributes]
    patterns = [next(name for name in item.attributes if name.startswith("pattern=")) for item in patterned]
    common = max(sorted(set(patterns)), key=patterns.count)
    first, second, *_ = patterned
    filtered = next(item for item, name in zip(patterned, patterns, strict=True) if name == common)
    return _Queries(first, second, filtered)
