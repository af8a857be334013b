"""What the shapes of requests and answers are made of: bounded texts and numbers."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from catalog.types import ACCEPTED_MODES, MAX_FIELD_NAME_LENGTH, MAX_FIELD_VALUE_LENGTH, SearchMode

LARGEST_PRICE: Final = 2**31
MOST_ATTRIBUTES: Final = 50
MOST_EXAMPLES: Final = 20
MOST_FIELDS: Final = 20


def _storable(text: str) -> str:
    if "\0" in text:
        raise ValueError("text without the character NUL")
    return text


def _known_mode(name: Any) -> SearchMode:  # noqa: ANN401 - whatever a request has.
    try:
        return SearchMode(name)
    except ValueError:
        # Pydantic's own words would leave out the names of features.
        raise ValueError(f"one of {ACCEPTED_MODES}") from None


ProductId = Annotated[str, StringConstraints(min_length=1, max_length=500), AfterValidator(_storable)]
ProductIds = Annotated[tuple[ProductId, ...], Field(max_length=MOST_EXAMPLES)]
CategoryName = Annotated[str, StringConstraints(min_length=1, max_length=500), AfterValidator(_storable)]
AttributeName = Annotated[str, StringConstraints(min_length=1, max_length=200), AfterValidator(_storable)]
AttributeNames = Annotated[tuple[AttributeName, ...], Field(max_length=MOST_ATTRIBUTES)]
FieldName = Annotated[str, StringConstraints(min_length=1, max_length=MAX_FIELD_NAME_LENGTH), AfterValidator(_storable)]
FieldValue = Annotated[
    str, StringConstraints(min_length=1, max_length=MAX_FIELD_VALUE_LENGTH), AfterValidator(_storable)
]
FieldEntry = Annotated[
    str,
    StringConstraints(max_length=MAX_FIELD_NAME_LENGTH + 1 + MAX_FIELD_VALUE_LENGTH, pattern="^[^=]+=.+$"),
    AfterValidator(_storable),
]
FieldValues = Annotated[tuple[FieldValue, ...], Field(min_length=1, max_length=MOST_ATTRIBUTES)]
CurrencyCode = Annotated[str, StringConstraints(pattern=r"^[A-Za-z]{3}$")]
Amount = Annotated[Decimal, Field(ge=0, le=LARGEST_PRICE, max_digits=20)]
Words = Annotated[str, StringConstraints(min_length=1, max_length=500), AfterValidator(_storable)]
TypedText = Annotated[str, StringConstraints(max_length=200), AfterValidator(_storable)]
Threshold = Annotated[float, Field(ge=-1, le=1000, allow_inf_nan=False)]
ModeName = Annotated[SearchMode, BeforeValidator(_known_mode)]
WebAddress = Annotated[str, StringConstraints(min_length=1, max_length=2000), AfterValidator(_storable)]

Notes = Annotated[
    tuple[str, ...],
    Field(
        description="What to know of the filters: what is unknown, or no product has, with what may have been meant.",
        examples=[["color=rde is unknown; did you mean color=red?"]],
    ),
]


class Taken(BaseModel):
    """What a request says: nothing but what is named."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Answered(BaseModel):
    """What an answer says."""

    model_config = ConfigDict(frozen=True)
