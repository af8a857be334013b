"""``GET /v1/products/{id}/similar``: what looks like a product. Runs no network."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query

from catalog.storefront.filter_parameters import FilterParameters
from catalog.storefront.parts import Parts, Searcher
from catalog.storefront.responses import ERRORS
from catalog.storefront.schemas.fields import ProductId, Threshold
from catalog.storefront.schemas.hits import SearchAnswered
from catalog.storefront.schemas.query import Ranking
from catalog.types import SearchMode

router = APIRouter(prefix="/v1")


@router.get("/products/{product_id:path}/similar", responses=ERRORS, summary="Items like a product")
async def similar(
    parts: Parts,
    caller: Searcher,
    product_id: Annotated[ProductId, Path(description="The id that the feed gave the product.")],
    filters: FilterParameters,
    mode: Annotated[SearchMode, Query()] = SearchMode.RERANK,
    exact: Annotated[bool, Query(description="Compare with every image; for checking the index.")] = False,
    limit: Annotated[int, Query(ge=1, le=100, description="Hits per page.")] = 10,
    page: Annotated[int, Query(ge=0, le=99, description="Which page, from 0.")] = 0,
    candidates: Annotated[int, Query(ge=1, le=10_000, description="How many candidates rerank looks at.")] = 200,
    score_threshold: Annotated[Threshold | None, Query(description="Leave out hits that score lower.")] = None,
    per_product: Annotated[bool, Query(description="One hit per product, its best image shown.")] = True,
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
    ).values()
    answer = await parts.calls.run(parts.search.by_product, caller.merchant, product_id, filters, options)
    parts.metrics.searched(answer.timings_ms)
    return SearchAnswered.of(answer, options)
