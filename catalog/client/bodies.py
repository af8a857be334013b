"""From what is given to what is sent, and from what came to what it says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import httpx
from pydantic import BaseModel, ValidationError

from catalog.api_schemas.fields import Answered, Taken
from catalog.api_schemas.query import Crop
from catalog.client.errors import invalid, unusable

CropGiven = Crop | tuple[int, int, int, int] | None
"""The item's box in the photo; as numbers: left, top, right, bottom."""

Answer = TypeVar("Answer", bound=Answered)
Body = TypeVar("Body", bound=Taken)


def body(shape: type[Body], **values: object) -> Body:
    """What is sent, checked as the server would; the fields that are None are not said at all.

    Raises:
        RequestRefused: the server would refuse it.
    """
    try:
        return shape.model_validate({name: value for name, value in values.items() if value is not None})
    except ValidationError as error:
        raise invalid(error) from error


def json_of(body: BaseModel) -> str:
    """The fields that are said."""
    return body.model_dump_json(exclude_unset=True)


def parsed(response: httpx.Response, shape: type[Answer]) -> Answer:
    """What an answer says.

    Raises:
        AnswerUnusable: something else than this shape.
    """
    try:
        return shape.model_validate_json(response.content)
    except ValidationError as error:
        raise unusable(response, error) from error


def crop_of(given: CropGiven) -> Crop | Mapping[str, int] | None:
    """The box with its sides' names."""
    if given is None or isinstance(given, Crop):
        return given
    return dict(zip(Crop.model_fields, given, strict=True))
