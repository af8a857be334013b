"""``drape search`` and ``drape similar``: which items look like this one, and why."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from catalog.errors import InvalidRequest
from catalog.types import AttributeChanges, Boosts, Examples, SearchFilters, SearchMode, SearchOptions
from cli.options import (
    AllOf,
    AnyOf,
    AsJson,
    Available,
    But,
    CandidatesOption,
    Category,
    Currency,
    Diversity,
    EveryImage,
    Exact,
    Like,
    Limit,
    Mode,
    NoneOf,
    OptionalMerchant,
    OwnFields,
    Page,
    PreferInStock,
    PreferNewer,
    PriceRange,
    Threshold,
    Unlike,
    WordsOption,
    parse_fields,
    parse_price_range,
)

if TYPE_CHECKING:
    from catalog.bootstrap import Application
    from catalog.types import Availability, SearchAnswer


def search(
    photo: Annotated[Path | None, typer.Argument(metavar="[PHOTO]", help="The query: an image file.")] = None,
    words: WordsOption = None,
    like: Like = None,
    unlike: Unlike = None,
    but: But = None,
    merchant: OptionalMerchant = None,
    category: Category = None,
    all_of: AllOf = None,
    any_of: AnyOf = None,
    none_of: NoneOf = None,
    fields: OwnFields = None,
    price: PriceRange = None,
    currency: Currency = None,
    availability: Available = None,
    crop: Annotated[
        str | None,
        typer.Option("--crop", metavar="LEFT,TOP,RIGHT,BOTTOM", help="The item's box in pixels of the photo."),
    ] = None,
    mode: Mode = SearchMode.RERANK,
    limit: Limit = 10,
    page: Page = 0,
    candidates: CandidatesOption = 200,
    exact: Exact = False,
    threshold: Threshold = None,
    every_image: EveryImage = False,
    diversity: Diversity = 0.0,
    prefer_in_stock: PreferInStock = 0.0,
    prefer_newer: PreferNewer = 0.0,
    as_json: AsJson = False,
) -> None:
    """Find items that look like a photo or some products, or are as words say, with the reasons for each hit.

    Words beside a photo or products tell in what hits shall differ.
    """
    from catalog.bootstrap import Application, settings_from_environment
    from embeddings.crop_box import CropBox

    filters = _filters(category, all_of, any_of, none_of, price, currency, availability, fields)
    boosts = Boosts(in_stock=prefer_in_stock, newer=prefer_newer)
    options = _options(mode, limit, page, candidates, exact, threshold, every_image, diversity, boosts)
    box = None if crop is None else CropBox(*parse_crop(crop))
    settings = settings_from_environment()
    examples = _examples(like, unlike)
    if not (photo or words or examples):
        raise typer.BadParameter("expected a photo, --like or --words")
    if not (photo or examples) and but:
        raise typer.BadParameter("--but changes a photo or what is --like; say in the words what is wanted")
    if photo is None and box is not None:
        raise typer.BadParameter("--crop belongs to a photo")
    image = None if photo is None else read_photo(photo, settings.max_image_bytes)
    with Application(settings) as application:
        name = merchant or only_merchant(application)
        if image is not None:
            answer = application.search.by_image(name, image, filters, options, box, _changes(but), examples, words)
        elif examples:
            answer = application.search.by_examples(name, examples, filters, options, _changes(but), words)
        else:
            answer = application.search.by_words(name, words or "", filters, options)
    show(answer, _subject(str(photo) if photo else None, examples, but) or words or "", as_json=as_json)


def similar(
    product: Annotated[str, typer.Argument(metavar="PRODUCT_ID", help="The id that the feed gave the product.")],
    words: WordsOption = None,
    like: Like = None,
    unlike: Unlike = None,
    but: But = None,
    merchant: OptionalMerchant = None,
    category: Category = None,
    all_of: AllOf = None,
    any_of: AnyOf = None,
    none_of: NoneOf = None,
    fields: OwnFields = None,
    price: PriceRange = None,
    currency: Currency = None,
    availability: Available = None,
    mode: Mode = SearchMode.RERANK,
    limit: Limit = 10,
    page: Page = 0,
    candidates: CandidatesOption = 200,
    exact: Exact = False,
    threshold: Threshold = None,
    every_image: EveryImage = False,
    diversity: Diversity = 0.0,
    prefer_in_stock: PreferInStock = 0.0,
    prefer_newer: PreferNewer = 0.0,
    as_json: AsJson = False,
) -> None:
    """Find other items that look like a product of the catalog. Runs no network."""
    from catalog.bootstrap import Application, settings_from_environment

    filters = _filters(category, all_of, any_of, none_of, price, currency, availability, fields)
    boosts = Boosts(in_stock=prefer_in_stock, newer=prefer_newer)
    options = _options(mode, limit, page, candidates, exact, threshold, every_image, diversity, boosts)
    with Application(settings_from_environment()) as application:
        name = merchant or only_merchant(application)
        examples = _examples(like, unlike)
        answer = application.search.by_product(name, product, filters, options, _changes(but), examples, words)
    show(answer, _subject(f"product {product}", examples, but), as_json=as_json)


def _subject(first: str | None, examples: Examples, but: Sequence[str] | None) -> str:
    """``product 7 and 8, unlike 9, but color=blue``: what is searched with."""
    said = " and ".join([*([first] if first else []), *examples.like])
    for word, names in (("unlike", examples.unlike), ("but", but or ())):
        if names:
            said += f", {word} {', '.join(names)}"
    return said


def show(answer: SearchAnswer, subject: str, *, as_json: bool) -> None:
    """Print an answer as a table, or as JSON."""
    from cli.result_table import answer_as_json, print_answer

    if as_json:
        print(json.dumps(answer_as_json(answer), ensure_ascii=False))
    else:
        print_answer(answer, title=f"Like {subject}")


def only_merchant(application: Application) -> str:
    """The one merchant there is.

    Raises:
        InvalidRequest: there is none, or there are several.
    """
    with application.unit_of_work() as work:
        names = work.merchants.names()
    if len(names) == 1:
        return names[0]
    raise InvalidRequest(
        "Which merchant?" if names else "No catalog has been ingested yet",
        received="no --merchant",
        expected="one of " + ", ".join(names) if names else "an ingested catalog",
        remedy="add --merchant NAME" if names else "drape ingest FEED --merchant NAME, or drape demo",
    )


def _filters(
    category: str | None,
    all_of: list[str] | None,
    any_of: list[str] | None,
    none_of: list[str] | None,
    price: str | None,
    currency: str | None,
    availability: list[Availability] | None,
    fields: list[str] | None,
) -> SearchFilters:
    low, high = parse_price_range(price)
    return SearchFilters(
        category=category,
        all_of=tuple(all_of or ()),
        any_of=tuple(any_of or ()),
        none_of=tuple(none_of or ()),
        min_price=low,
        max_price=high,
        currency=currency,
        availability=tuple(availability or ()),
        fields=parse_fields(fields),
    )


def _options(
    mode: SearchMode,
    limit: int,
    page: int,
    candidates: int,
    exact: bool,
    threshold: float | None,
    every_image: bool,
    diversity: float,
    boosts: Boosts,
) -> SearchOptions:
    return SearchOptions(
        mode=mode,
        limit=limit,
        page=page,
        candidates=max(candidates, limit),
        exact=exact,
        score_threshold=threshold,
        per_product=not every_image,
        diversity=diversity,
        boosts=boosts,
    )


def _changes(but: list[str] | None) -> AttributeChanges:
    return AttributeChanges(wanted=tuple(but or ()))


def _examples(like: list[str] | None, unlike: list[str] | None) -> Examples:
    return Examples(tuple(like or ()), tuple(unlike or ()))


def read_photo(photo: Path, max_bytes: int) -> bytes:
    """The bytes of an image file.

    Raises:
        InvalidRequest: it cannot be read, or is larger.
    """
    try:
        with photo.open("rb") as file:
            image = file.read(max_bytes + 1)
    except OSError as error:
        raise InvalidRequest(
            "The photo cannot be read", received=f"{photo}: {error.strerror}", expected="an image file"
        ) from error
    if len(image) > max_bytes:
        raise InvalidRequest(
            "The photo is too large", received=f"{photo}: more than {max_bytes} bytes", expected="a smaller file"
        )
    return image


def parse_crop(text: str) -> tuple[int, int, int, int]:
    """The edges of a box."""
    try:
        left, top, right, bottom = (int(edge) for edge in text.split(","))
    except ValueError:
        raise typer.BadParameter(f"received {text!r}, expected LEFT,TOP,RIGHT,BOTTOM in whole pixels") from None
    if left < 0 or top < 0 or right <= left or bottom <= top:
        raise typer.BadParameter(f"received {text!r}, expected 0 <= LEFT < RIGHT and 0 <= TOP < BOTTOM")
    return left, top, right, bottom
