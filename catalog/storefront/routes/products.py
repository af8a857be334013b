"""``/v1/products``, ``/v1/products/{id}`` and ``/v1/products/{id}/similar``: the catalog, and what is alike in it.

Runs no network.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Path, Query, Response

from catalog.api_schemas.fields import ModeName, ProductId, Threshold
from catalog.api_schemas.hits import SearchAnswered
from catalog.api_schemas.products import ProductsAnswered, WholeProductAnswer
from catalog.api_schemas.query import Boost, Ranking, Strength
from catalog.storefront.answers.products import page_answer, whole_answer
from catalog.storefront.conditional import answered_once
from catalog.storefront.filter_parameters import FilterParameters
from catalog.storefront.parts import Ingester, Parts, Searcher
from catalog.storefront.responses import ERRORS
from catalog.types import ProductOrder, Scope, SearchMode

router = APIRouter(prefix="/v1")

_Id = Annotated[ProductId, Path(description="The id that the feed gave the product.", examples=["D-1001"])]


@router.get("/products", responses=ERRORS, summary="The catalog, page by page")
async def products(
    parts: Parts,
    caller: Searcher,
    filters: FilterParameters,
    order: Annotated[
        ProductOrder, Query(description="newest: what came into the catalog last comes first. id: by the feed's ids.")
    ] = ProductOrder.NEWEST,
    limit: Annotated[int, Query(ge=1, le=100, description="Products per page.")] = 24,
    after: Annotated[str | None, Query(max_length=4000, description="The `next` of the page before.")] = None,
) -> ProductsAnswered:
    """Products that have an image to be shown by, under the same filters as searches: something to begin with where
    nothing was searched yet. For a strip of a dozen, ask with `limit=12`, show each item's `image.url` with
    `?width=160`, and search by the `product.id` that was picked. To have all of them, ask again with `after` set to
    `next` until that is null."""
    page = await parts.calls.run(parts.browsing.page, caller.merchant_id, filters, order, after=after, limit=limit)
    return page_answer(page)


# Above the product by itself, whose id may hold slashes, too.
@router.get("/products/{product_id:path}/similar", responses=ERRORS, summary="Items like a product")
async def similar(
    parts: Parts,
    caller: Searcher,
    product_id: _Id,
    filters: FilterParameters,
    mode: Annotated[ModeName, Query()] = SearchMode.RERANK,
    exact: Annotated[bool, Query(description="Compare with every image; for checking the index.")] = False,
    limit: Annotated[int, Query(ge=1, le=100, description="Hits per page.")] = 10,
    page: Annotated[int, Query(ge=0, le=99, description="Which page, from 0.")] = 0,
    candidates: Annotated[
        int, Query(ge=1, le=10_000, description="How many candidates rerank looks at, and fused by either.")
    ] = 200,
    score_threshold: Annotated[Threshold | None, Query(description="Leave out hits that score lower.")] = None,
    per_product: Annotated[bool, Query(description="One hit per product, its best image shown.")] = True,
    diversity: Annotated[Strength, Query(description="How much hits that are like those before them give way.")] = 0.0,
    boost_in_stock: Annotated[Strength, Query(description="Lifts items that are in stock.")] = 0.0,
    boost_newer: Annotated[Strength, Query(description="Lifts items that came into the catalog later.")] = 0.0,
) -> SearchAnswered:
    """Other items that look like the product's main image."""
    options = Ranking(
        mode=mode,
        exact=exact,
        limit=limit,
        page=page,
        candidates=candidates,
        score_threshold=score_threshold,
        per_product=per_product,
        diversity=diversity,
        boost=Boost(in_stock=boost_in_stock, newer=boost_newer),
    ).values()
    answer = await parts.calls.run(parts.search.by_product, caller.merchant, product_id, filters, options)
    parts.metrics.searched(answer.timings_ms)
    return SearchAnswered.of(answer, options)


@router.get(
    "/products/{product_id:path}",
    response_model=WholeProductAnswer,
    responses={**ERRORS, 304: {"description": "The same as If-None-Match names."}},
    summary="A product",
)
async def product(
    parts: Parts,
    caller: Searcher,
    product_id: _Id,
    if_none_match: Annotated[str | None, Header(description="The ETag of an earlier answer.")] = None,
) -> Response:
    """A product as the feed describes it, with all its images and how each of them stands, whether or not searches find
    it. What is wrong with an image is told to keys that may ingest."""
    found = await parts.calls.run(parts.browsing.get, caller.merchant_id, product_id)
    is_for_merchant = not caller.scopes.isdisjoint((Scope.INGEST, Scope.ADMIN))
    return answered_once(whole_answer(found, is_for_merchant=is_for_merchant), if_none_match)


@router.delete(
    "/products/{product_id:path}",
    status_code=204,
    response_class=Response,
    responses=ERRORS,
    summary="Remove a product",
)
async def remove(parts: Parts, caller: Ingester, product_id: _Id) -> Response:
    """Takes the product out of the catalog with its images: from the moment of the answer nothing shows it. Needs a key
    with the scope ingest. A second time it is not found, which whoever repeats a request may take for done. A feed that
    still has the product brings it back when it is read the next time. `drape feed history` shows what was removed, and
    `drape feed undo --job` puts it back."""
    await parts.calls.run(parts.removal.remove, caller.merchant_id, product_id)
    return Response(status_code=204)
