"""``POST /v1/search``: which items look like this one, and why."""

from __future__ import annotations

import time
from dataclasses import replace

from fastapi import APIRouter, Request

from catalog.api_schemas.hits import SearchAnswered
from catalog.api_schemas.query import Query
from catalog.errors import InvalidRequest
from catalog.storefront.bodies.photos import described_body, photo_at
from catalog.storefront.bodies.queries import read_query
from catalog.storefront.parts import Parts, Searcher
from catalog.storefront.responses import ERRORS

router = APIRouter(prefix="/v1")


@router.post(
    "/search", openapi_extra=described_body("Query"), responses=ERRORS, summary="Search by a photo, a product or words"
)
async def search(request: Request, parts: Parts, caller: Searcher) -> SearchAnswered:
    """Items that look like a product of the catalog (`product_id`), a photo by its address (`image_url`), or an
    uploaded one: multipart with a file part `image` and, where wanted, a part `query` of JSON; each as it is, or with
    other attributes (`but`, `without`; or `words`: "but in blue, without floral, under 50 EUR"). Or items that are as
    `words` say, or like several products and not like others (`like`, `unlike`). Hits come in the order of their scores
    unless `diversity` or `boost` ask for another."""
    body = await read_query(request, Query, max_image_bytes=parts.max_image_bytes)
    query, image = body.query, body.image
    _require_one_subject(query, has_image=image is not None)
    filters, options = query.filters.values(), query.values()
    changes, examples, words = query.changes(), query.examples(), query.words
    fetching = None
    if query.product_id is not None:
        answer = await parts.calls.run(
            parts.search.by_product, caller.merchant, query.product_id, filters, options, changes, examples, words
        )
    elif query.image_url is None and image is None and examples:
        answer = await parts.calls.run(
            parts.search.by_examples, caller.merchant, examples, filters, options, changes, words
        )
    elif query.image_url is None and image is None:
        assert words is not None
        answer = await parts.calls.run(parts.search.by_words, caller.merchant, words, filters, options)
    else:
        if query.image_url is not None:
            start = time.perf_counter()
            image = await parts.fetches.run(photo_at, parts.remote_files, query.image_url, parts.max_image_bytes)
            fetching = (time.perf_counter() - start) * 1000
        assert image is not None
        crop = None if query.crop is None else query.crop.box()
        answer = await parts.photos.run(
            parts.search.by_image, caller.merchant, image, filters, options, crop, changes, examples, words
        )
    if fetching is not None:
        answer = replace(answer, timings_ms={"fetch": fetching, **answer.timings_ms})
    parts.metrics.searched(answer.timings_ms)
    return SearchAnswered.of(answer, options)


def _require_one_subject(query: Query, *, has_image: bool) -> None:
    given = [
        name
        for name, is_given in (
            ("product_id", query.product_id is not None),
            ("image_url", query.image_url is not None),
            ("an uploaded image", has_image),
        )
        if is_given
    ]
    examples = query.examples()
    if len(given) > 1 or not (given or examples or query.words is not None):
        raise InvalidRequest(
            "A search has one subject",
            received=" and ".join(given) or "none",
            expected="one of product_id, image_url and an uploaded image; or products in like; or words",
        )
    has_words_alone = query.words is not None and not given and not examples
    if has_words_alone and query.changes():
        raise InvalidRequest(
            "Words have nothing that could be changed",
            received="but or without, with words",
            expected="a product or a photo to change, or words alone",
            remedy="say in the words what is wanted, and what not",
        )
    if has_words_alone and query.crop is not None:
        raise InvalidRequest(
            "Words have no box to be drawn",
            received="crop with words",
            expected="crop with a photo",
            remedy="leave crop out",
        )
    if query.crop is not None and not has_image and query.image_url is None:
        raise InvalidRequest(
            "A product has no box to be drawn",
            received="crop without a photo",
            expected="crop with a photo",
            remedy="leave crop out, or upload the product's photo",
        )
