"""``POST /v1/tag``: what a photo shows."""

from __future__ import annotations

import time
from collections.abc import Mapping

from fastapi import APIRouter, Request

from catalog.api_schemas.tags import TagAnswer, TagGroupAnswer, TagQuery, TagsAnswered
from catalog.errors import InvalidRequest
from catalog.services.photo_queries.tagging import TaggedPhoto
from catalog.storefront.bodies.photos import described_body, photo_at
from catalog.storefront.bodies.queries import read_query
from catalog.storefront.parts import Parts, Searcher
from catalog.storefront.responses import ERRORS

router = APIRouter(prefix="/v1")


@router.post("/tag", openapi_extra=described_body("TagQuery"), responses=ERRORS, summary="Attributes of a photo")
async def tag(request: Request, parts: Parts, caller: Searcher) -> TagsAnswered:
    """The attributes that the merchant's model sees in a photo by its address (`image_url`), or an uploaded one:
    multipart with a file part `image` and, where wanted, a part `query` of JSON. Of each group of attributes the surest
    values, with how sure the model is."""
    body = await read_query(request, TagQuery, max_image_bytes=parts.max_image_bytes)
    query, image = body.query, body.image
    if (query.image_url is None) == (image is None):
        raise InvalidRequest(
            "One photo is tagged",
            received="none" if image is None else "image_url and an uploaded image",
            expected="either image_url or an uploaded image",
        )
    fetching: dict[str, float] = {}
    if query.image_url is not None:
        start = time.perf_counter()
        image = await parts.fetches.run(photo_at, parts.remote_files, query.image_url, parts.max_image_bytes)
        fetching["fetch"] = (time.perf_counter() - start) * 1000
    assert image is not None
    crop = None if query.crop is None else query.crop.box()
    tagged = await parts.photos.run(
        parts.tagging.tag, caller.merchant, image, crop, top=query.top_k, min_confidence=query.min_confidence
    )
    return _answered(tagged, fetching)


def _answered(tagged: TaggedPhoto, fetching: Mapping[str, float]) -> TagsAnswered:
    return TagsAnswered(
        groups=tuple(
            TagGroupAnswer(
                group=group.group,
                exclusive=group.is_exclusive,
                values=tuple(
                    TagAnswer(attribute=tag.attribute, value=tag.value, confidence=round(tag.confidence, 4))
                    for tag in group.tags
                ),
            )
            for group in tagged.groups
        ),
        model_version=tagged.model_version,
        timings_ms={**fetching, **{stage: round(value, 3) for stage, value in tagged.timings_ms.items()}},
    )
